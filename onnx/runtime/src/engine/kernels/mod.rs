//! The inner loop of the engine: one output row of a convolution, u8 codes times 7-bit weights into i32 sums.
//!
//! Every path computes the same integers. A sum never exceeds 2^24, and a product of a code and a weight, or the sum of
//! two, fits an i16 (2 * 255 * 64 = 32640), so no path saturates or wraps and their order of summation is free.

#[cfg(target_arch = "x86_64")]
mod amx;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::requantize::Finish;
use crate::graph::Conv;

/// Output channels that are computed together.
pub const LANES: usize = 16;

/// Instructions to use; chosen once per engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// AMX for rows that fill a tile, AVX-512 VNNI for others.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Path {
    /// The paths of this machine, the fastest first.
    pub fn available() -> Vec<Path> {
        #[cfg(target_arch = "x86_64")]
        let mut paths = x86::available();
        #[cfg(not(target_arch = "x86_64"))]
        let mut paths = Vec::new();
        paths.push(Path::Portable);
        paths
    }

    pub fn best() -> Path {
        Self::available()[0]
    }
}

/// A loop over independent values, worth compiling for each instruction set.
pub trait Loop {
    type Output;
    /// To be marked `#[inline(always)]`: only so does it take on the caller's instructions.
    fn run(self) -> Self::Output;
}

/// Runs a loop with the instructions of a path.
pub fn vectorised<L: Loop>(path: Path, l: L) -> L::Output {
    match path {
        Path::Portable => l.run(),
        #[cfg(target_arch = "x86_64")]
        _ => x86::vectorised(path, l),
    }
}

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
    /// Whether all windows lie inside `input`: what the unchecked loads of the vector paths rely on.
    fn fits(&self) -> bool {
        self.width > 0
            && self.rows > 0
            && (self.width - 1) * self.step + (self.rows - 1) * self.row_pitch + self.span <= self.input.len()
    }
}

/// Weights in the order in which a path reads them.
pub struct Packed {
    path: Path,
    /// Blocks of [`LANES`] output channels.
    blocks: usize,
    /// Bytes of a pixel as the path reads them: the channels and their padding.
    pitch: usize,
    /// Bytes of one row of a window; with AMX in whole chunks, whose rest has weights of zero.
    span: usize,
    /// Bytes of a window.
    taps: usize,
    /// Block, group of four taps, channel, tap: for the dot-product instructions.
    #[cfg(target_arch = "x86_64")]
    quads: Vec<Quad>,
    /// Block, tap, channel: for the portable path.
    words: Vec<i16>,
}

/// Four taps of each channel of a block.
#[derive(Clone, Copy)]
#[repr(align(64))]
#[cfg(target_arch = "x86_64")]
struct Quad([i8; 4 * LANES]);

impl Packed {
    /// `pitch`: bytes of a pixel of the input, the channels and their padding.
    pub fn new(conv: &Conv, pitch: usize, path: Path) -> Self {
        let [rows, columns] = conv.kernel;
        let (pitch, span) = match path {
            #[cfg(target_arch = "x86_64")]
            Path::Amx => amx::pitch_and_span(columns, pitch),
            _ => (pitch, columns * pitch),
        };
        let taps = rows * span;
        let blocks = conv.out_channels.div_ceil(LANES);
        let (words, quads) = if path == Path::Portable { (blocks * taps * LANES, 0) } else { (0, blocks * taps / 4) };
        let mut packed = Packed {
            path,
            blocks,
            pitch,
            span,
            taps,
            #[cfg(target_arch = "x86_64")]
            quads: vec![Quad([0; 4 * LANES]); quads],
            words: vec![0; words],
        };
        for (o, of_channel) in conv.weights.chunks_exact(conv.in_channels * rows * columns).enumerate() {
            let (block, lane) = (o / LANES, o % LANES);
            for (i, plane) in of_channel.chunks_exact(rows * columns).enumerate() {
                for (k, &weight) in plane.iter().enumerate() {
                    let tap = k / columns * span + k % columns * pitch + i;
                    match path {
                        Path::Portable => packed.words[(block * taps + tap) * LANES + lane] = i16::from(weight),
                        #[cfg(target_arch = "x86_64")]
                        _ => packed.quads[(block * taps + tap) / 4].0[lane * 4 + tap % 4] = weight,
                    }
                }
            }
        }
        packed
    }

    /// Bytes of a pixel in the padded image; and where one that begins at a multiple of so many bytes is read fastest.
    pub fn pitch(&self) -> usize {
        self.pitch
    }

    pub fn alignment(&self) -> usize {
        match self.path {
            #[cfg(target_arch = "x86_64")]
            Path::Amx => amx::CHUNK,
            _ => 1,
        }
    }

    /// Bytes beyond the padded image that a path may read, and ignores.
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
        match self.path {
            Path::Portable => portable::row(self, row, finish, output, pitch),
            #[cfg(target_arch = "x86_64")]
            _ => x86::row(self, row, finish, output, pitch),
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
