//! The inner loop of the engine: one output row of a convolution, u8 codes times 7-bit weights into i32 sums.
//!
//! All instructions compute the same integers. A sum never exceeds 2^24, and a product of a code and a weight, or the sum of
//! two, fits an i16 (2 * 255 * 64 = 32640), so nothing saturates or wraps and the order of summation is free.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
mod portable;
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little")))]
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::requantize::Finish;
use crate::graph::Conv;
use caesar_kernels::{Isa, Set};

/// Output channels that are computed together.
pub const LANES: usize = 16;

/// One output row: where its windows lie in the padded image.
pub struct Row<'a> {
    /// From the first window's first byte on.
    pub input: &'a [u8],
    /// Bytes from one row of a window to the next.
    pub row_pitch: usize,
    /// Bytes from one window to the next.
    pub step: usize,
    /// Bytes of one row of a window, a multiple of four.
    pub span: usize,
    /// Rows of a window.
    pub rows: usize,
    /// Windows.
    pub width: usize,
}

impl Row<'_> {
    /// Whether all windows lie inside `input`: what the unchecked loads of the vector kernels rely on.
    fn fits(&self) -> bool {
        self.width > 0
            && self.rows > 0
            && self.span % 4 == 0
            && (self.width - 1) * self.step + (self.rows - 1) * self.row_pitch + self.span <= self.input.len()
    }
}

/// A convolution's weights as a kernel reads them.
pub struct Packed {
    isa: Isa,
    weights: Weights,
    /// Blocks of [`LANES`] output channels.
    blocks: usize,
    /// Bytes of a pixel as the kernel reads them: the channels and their padding.
    pitch: usize,
    /// Bytes of one row of a window; with AMX in whole chunks, whose rest has weights of zero.
    span: usize,
    /// Bytes of a window.
    taps: usize,
}

enum Weights {
    /// Block, tap, channel: for the portable kernel.
    Words(Vec<i16>),
    /// Block, group of four taps, channel, tap: for vector registers.
    Quads(Vec<Quad>),
}

/// Four taps of each channel of a block.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Quad([i8; 4 * LANES]);

impl Packed {
    /// `pitch`: bytes of a pixel of the input, the channels and their padding.
    pub fn new(conv: &Conv, pitch: usize, isa: Isa) -> Self {
        let [rows, columns] = conv.kernel;
        let (pitch, span) = match isa.set() {
            #[cfg(target_arch = "x86_64")]
            Set::Amx => amx::pitch_and_span(columns, pitch),
            _ => (pitch, columns * pitch),
        };
        let taps = rows * span;
        let blocks = conv.out_channels.div_ceil(LANES);
        let mut weights = match isa.set() {
            Set::Portable => Weights::Words(vec![0; blocks * taps * LANES]),
            _ => Weights::Quads(vec![Quad([0; 4 * LANES]); blocks * taps / 4]),
        };
        for (o, of_channel) in conv.weights.chunks_exact(conv.in_channels * rows * columns).enumerate() {
            let (block, lane) = (o / LANES, o % LANES);
            for (i, plane) in of_channel.chunks_exact(rows * columns).enumerate() {
                for (k, &weight) in plane.iter().enumerate() {
                    let tap = k / columns * span + k % columns * pitch + i;
                    match &mut weights {
                        Weights::Words(words) => words[(block * taps + tap) * LANES + lane] = i16::from(weight),
                        Weights::Quads(quads) => quads[(block * taps + tap) / 4].0[lane * 4 + tap % 4] = weight,
                    }
                }
            }
        }
        Packed { isa, weights, blocks, pitch, span, taps }
    }

    /// Bytes of a pixel in the padded image; and where one that begins at a multiple of so many bytes is read fastest.
    pub fn pitch(&self) -> usize {
        self.pitch
    }

    pub fn alignment(&self) -> usize {
        match self.isa.set() {
            #[cfg(target_arch = "x86_64")]
            Set::Amx => amx::CHUNK,
            _ => 1,
        }
    }

    /// What the kernel takes codes less: signed bytes are all that NEON multiplies with weights.
    pub fn less(&self) -> i32 {
        match self.isa.set() {
            Set::Neon | Set::NeonDot => 128,
            _ => 0,
        }
    }

    /// Bytes beyond the padded image that the kernel may read, and ignores.
    pub fn slack(&self, span: usize) -> usize {
        self.span - span
    }

    /// Computes a row into `output`, whose pixels are `pitch` lanes apart.
    ///
    /// # Panics
    /// When a window lies outside the input or the output is too short: a fault of the caller, never of a model.
    pub fn row<F: Finish>(&self, row: &Row, finish: &F, output: &mut [F::Lane], pitch: usize) {
        assert!(row.fits() && row.rows * self.span == self.taps && row.span <= self.span, "windows inside the padded image");
        assert!(output.len() >= row.width * pitch && pitch <= self.blocks * LANES, "pixels inside the output row");
        match &self.weights {
            Weights::Words(words) => portable::row(self, words, row, finish, output, pitch),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the row fits, and has the windows that were packed.
            Weights::Quads(quads) => unsafe { x86::row(self, quads, row, finish, output, pitch) },
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            // SAFETY: as above.
            Weights::Quads(quads) => unsafe { neon::row(self, quads, row, finish, output, pitch) },
            #[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
            Weights::Quads(_) => unreachable!("there are no vector instructions"),
        }
    }
}

/// Stores a pixel's lanes of one block, without those beyond the pixel's pitch.
#[inline(always)]
fn store<T: Copy>(lanes: &[T; LANES], pixel: &mut [T], block: usize) {
    let target = &mut pixel[block * LANES..];
    match target.first_chunk_mut::<LANES>() {
        Some(full) => *full = *lanes,
        None => target.copy_from_slice(&lanes[..target.len()]),
    }
}
