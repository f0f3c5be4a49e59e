//! The definition of the kernel, in plain Rust that compilers vectorise.

use super::{Finish, LANES, Packed, Row, store};

/// Pixels that share a load of weights.
const PIXELS: usize = 2;

pub fn row<F: Finish>(packed: &Packed, words: &[i16], row: &Row, finish: &F, output: &mut [F::Lane], pitch: usize) {
    for (block, weights) in words.chunks_exact(packed.taps * LANES).enumerate() {
        let mut x = 0;
        while x < row.width {
            // The last group begins earlier rather than end beyond the row; narrow rows repeat a pixel.
            let start = x.min(row.width.saturating_sub(PIXELS));
            let pixels: [usize; PIXELS] = std::array::from_fn(|p| (start + p).min(row.width - 1));
            let sums = window_sums(row, weights, pixels);
            for (p, sums) in pixels.iter().zip(&sums) {
                store(&finish.lanes(sums, block), &mut output[p * pitch..][..pitch], block);
            }
            x += PIXELS;
        }
    }
}

#[inline(always)]
fn window_sums(row: &Row, weights: &[i16], pixels: [usize; PIXELS]) -> [[i32; LANES]; PIXELS] {
    let mut sums = [[0i32; LANES]; PIXELS];
    for (r, weights) in weights.chunks_exact(row.span * LANES).enumerate() {
        let lines = pixels.map(|p| &row.input[p * row.step + r * row.row_pitch..][..row.span]);
        for (k, pair) in weights.chunks_exact(2 * LANES).enumerate() {
            let (first, second) = pair.split_at(LANES);
            for (sums, line) in sums.iter_mut().zip(lines) {
                let (a, b) = (i16::from(line[2 * k]), i16::from(line[2 * k + 1]));
                for i in 0..LANES {
                    sums[i] += i32::from(a * first[i] + b * second[i]);
                }
            }
        }
    }
    sums
}
