//! The kernel in AMX instructions: tiles of 16 pixels × 64 codes times tiles of 64 codes × 16 channels.
//!
//! Windows are walked in chunks of 64 bytes, so the codes of 16 neighbouring pixels are a tile as they lie in the image.

use super::{Finish, LANES, Packed, Quad, Row, store};
use caesar_kernels::amx::{ROW, ROWS, WHOLE};
use std::arch::asm;

/// Codes of a tile's row.
pub const CHUNK: usize = ROW;
/// Pixels of a tile.
const PIXELS: usize = ROWS;

/// Bytes of a pixel, and of a row of a window in whole chunks. A chunk that lies across two lines of the cache takes two to three times as
/// long, so pixels that begin a line are worth twice the chunks.
pub fn pitch_and_span(columns: usize, pitch: usize) -> (usize, usize) {
    let span = |pitch: usize| (columns * pitch).next_multiple_of(CHUNK);
    let whole = pitch.next_multiple_of(CHUNK);
    let pitch = if span(whole) <= 2 * span(pitch) { whole } else { pitch };
    (pitch, span(pitch))
}

/// Whether tiles suit a row: enough pixels, and what a last chunk reads beyond a window lies inside the input.
pub fn suits(packed: &Packed, row: &Row) -> bool {
    row.width >= PIXELS && (row.width - 1) * row.step + (row.rows - 1) * row.row_pitch + packed.span <= row.input.len()
}

/// Sums of up to four tiles of pixels and one block of channels.
#[repr(align(64))]
struct Sums([[[i32; LANES]; PIXELS]; 4]);

/// # Safety
/// The processor has AMX, and the system lets this process use it. The quads are those of the packed weights. The row [`suits`], and
/// has as many rows as the packed windows.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub unsafe fn row<F: Finish>(packed: &Packed, quads: &[Quad], row: &Row, finish: &F, output: &mut [F::Lane], pitch: usize) {
    let chunks: Vec<usize> =
        (0..row.rows).flat_map(|r| (0..packed.span).step_by(CHUNK).map(move |k| r * row.row_pitch + k)).collect();
    let mut sums = Sums([[[0; LANES]; PIXELS]; 4]);
    // SAFETY: by contract.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &WHOLE, options(nostack, preserves_flags, readonly)) };
    for (block, weights) in quads.chunks_exact(packed.taps / 4).enumerate() {
        let mut x = 0;
        while x < row.width {
            let tiles = (row.width - x).div_ceil(PIXELS).min(row.width / PIXELS).min(4);
            // The last pixels begin earlier rather than end beyond the row.
            let start = x.min(row.width - tiles * PIXELS);
            let input = &row.input[start * row.step..];
            let job = Job { input: input.as_ptr(), step: row.step, chunks: &chunks, weights: weights.as_ptr().cast() };
            // SAFETY: the pixels from `start` on belong to the row, whose windows with their last chunks lie in the input; `weights` are
            // 1024 bytes for each chunk.
            unsafe {
                match tiles {
                    1 => job.one(&mut sums),
                    2 => job.two(&mut sums),
                    3 => job.three(&mut sums),
                    _ => job.four(&mut sums),
                }
            }
            let pixels = output[start * pitch..].chunks_exact_mut(pitch);
            for (pixel, sums) in pixels.zip(sums.0[..tiles].as_flattened()) {
                store(&finish.lanes(sums, block), pixel, block);
            }
            x = start + tiles * PIXELS;
        }
    }
    // SAFETY: as above; nobody needs them any more.
    unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) };
}

struct Job<'a> {
    /// The first pixel's window.
    input: *const u8,
    /// Bytes from a pixel to the next.
    step: usize,
    /// Where in a window its chunks begin.
    chunks: &'a [usize],
    weights: *const i8,
}

/// A function that computes some tiles of pixels: the registers of each tile's sums and codes.
macro_rules! tiles {
    ($name:ident: $($sums:literal $codes:literal),*) => {
        /// # Safety
        /// Registers are configured. The chunks of 16 windows for each tile, `step` apart, can
        /// be read, and 1024 bytes of weights for each chunk.
        unsafe fn $name(&self, sums: &mut Sums) {
            let chunks = self.chunks.as_ptr_range();
            // SAFETY: `sums` holds four tiles, the rest is the caller's.
            unsafe {
                asm!(
                    $(concat!("tilezero tmm", $sums),)*
                    "2:",
                    "mov {at}, [{chunk}]",
                    "add {at}, {input}",
                    "tileloadd tmm7, [{weights} + {line}]",
                    $(
                        concat!("tileloadd tmm", $codes, ", [{at} + {step}]"),
                        concat!("tdpbusd tmm", $sums, ", tmm", $codes, ", tmm7"),
                        "add {at}, {next}",
                    )*
                    "add {weights}, 1024",
                    "add {chunk}, 8",
                    "cmp {chunk}, {end}",
                    "jne 2b",
                    $(
                        concat!("tilestored [{sums} + {line}], tmm", $sums),
                        "add {sums}, 1024",
                    )*
                    at = out(reg) _,
                    chunk = inout(reg) chunks.start => _,
                    end = in(reg) chunks.end,
                    input = in(reg) self.input,
                    step = in(reg) self.step,
                    next = in(reg) PIXELS * self.step,
                    weights = inout(reg) self.weights => _,
                    line = in(reg) CHUNK,
                    sums = inout(reg) sums => _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                )
            }
        }
    };
}

impl Job<'_> {
    tiles!(one: 0 4);
    tiles!(two: 0 4, 1 5);
    tiles!(three: 0 4, 1 5, 2 6);
    tiles!(four: 0 4, 1 5, 2 6, 3 4);
}
