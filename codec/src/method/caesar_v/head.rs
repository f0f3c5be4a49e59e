//! The decoder network on an image: what the transform blurred or blocked, it corrects.
//!
//! It sees the image less its local mean in 1/32 step, eight (or one) frames of a 4 × 4 patch as channels, and gives
//! its correction as an exact multiple of a power of two of the step.

use super::{Networks, unusable};
use crate::error::Result;
use crate::network::{Network, Tensor};
use crate::threads::{pieces_side_by_side, side_by_side};
use crate::transform::FRACTION_BITS;
use std::ops::Range;

/// Points of a patch in each direction.
pub const PATCH: usize = 4;
/// Side of the square whose mean is taken off.
const MEAN: usize = 9;
const REACH: usize = MEAN / 2;
/// Windows that the network sees at once; CAESAR's tile.
const WINDOW: usize = 256;

/// Adds the network's correction to an image in 1/64 step, extents `[T, H, W]`, multiples of frames and patch.
pub fn sharpen(image: &mut [i32], [frames, rows, columns]: [usize; 3], model: &Networks) -> Result<()> {
    let network = model.model.graph("decoder")?;
    let &[bits] = model.model.table("decoder_scale_bits")? else {
        return unusable("the decoder's scale is not one number".into());
    };
    let bits = bits.clamp(0, 30) as u32;
    let plane = rows * columns;
    debug_assert_eq!(frames % model.frames, 0);
    let starts = (0..rows).step_by(WINDOW).flat_map(|y| (0..columns).step_by(WINDOW).map(move |x| [y, x]));
    let window = |start @ [y, x]: [usize; 2]| {
        let extent = [WINDOW.min(rows - y), WINDOW.min(columns - x)];
        Window { frames: model.frames, plane: [rows, columns], start, extent }
    };
    let windows: Vec<Window> = starts.map(window).collect();
    let mut detail = vec![0; image.len()];
    pieces_side_by_side(model.threads, &mut detail, plane.max(1), |t, detail| detail_of(&image[t * plane..][..plane], columns, detail));
    let group = |i: usize| i / windows.len() * model.frames * plane..(i / windows.len() + 1) * model.frames * plane;
    let window = |i: usize| &windows[i % windows.len()];
    let mut failure = None;
    let run = |i: usize| window(i).run(network.as_ref(), &detail[group(i)]);
    side_by_side(model.threads, frames / model.frames * windows.len(), run, |i, correction| match correction {
        Ok(correction) => window(i).add(&mut image[group(i)], &correction, bits),
        Err(error) => failure = Some(error),
    });
    failure.map_or(Ok(()), Err)
}

/// A part of a group of frames.
struct Window {
    frames: usize,
    plane: [usize; 2],
    start: [usize; 2],
    extent: [usize; 2],
}

impl Window {
    /// Patches of all frames: the network's pixels. Their channels are frame, row and column in the patch.
    fn shape(&self) -> [usize; 4] {
        [1, self.extent[0] / PATCH, self.extent[1] / PATCH, self.frames * PATCH * PATCH]
    }

    /// Where the window's rows of points lie in the group, and for each the row of patches and the first of its channels.
    fn rows(&self) -> impl Iterator<Item = (Range<usize>, usize, usize)> + '_ {
        let ([rows, columns], [y, x], [high, wide]) = (self.plane, self.start, self.extent);
        (0..self.frames).flat_map(move |t| {
            (0..high).map(move |dy| {
                let start = (t * rows + y + dy) * columns + x;
                (start..start + wide, dy / PATCH, (t * PATCH + dy % PATCH) * PATCH)
            })
        })
    }

    fn run(&self, network: &dyn Network, detail: &[u8]) -> Result<Tensor<i32>> {
        let shape @ [_, _, wide, channels] = self.shape();
        let mut pixels = Tensor { shape: shape.to_vec(), data: vec![0; shape.iter().product()] };
        for (row, down, channel) in self.rows() {
            let line = &mut pixels.data[down * wide * channels..][..wide * channels];
            for (patch, pixel) in detail[row].as_chunks::<PATCH>().0.iter().zip(line.chunks_exact_mut(channels)) {
                pixel[channel..channel + PATCH].copy_from_slice(patch);
            }
        }
        let correction = network.run_pixels(&pixels)?;
        if correction.shape != shape || correction.data.len() != pixels.data.len() {
            return unusable(format!("a decoder that makes {:?} of {shape:?}", correction.shape));
        }
        Ok(correction)
    }

    fn add(&self, image: &mut [i32], correction: &Tensor<i32>, bits: u32) {
        let [_, _, wide, channels] = self.shape();
        for (row, down, channel) in self.rows() {
            let line = &correction.data[down * wide * channels..][..wide * channels];
            add_row(&mut image[row], &line[channel..], channels, bits);
        }
    }
}

caesar_kernels::loops! {
    /// Adds a row of patches, the network's pixels `pitch` apart.
    fn add_row(points: &mut [i32], pixels: &[i32], pitch: usize, bits: u32) {
        let half = (1i64 << bits) >> 1;
        for (points, pixel) in points.as_chunks_mut::<PATCH>().0.iter_mut().zip(pixels.chunks(pitch)) {
            for i in 0..PATCH {
                let change = (i64::from(pixel[i]) << FRACTION_BITS) + half >> bits;
                points[i] = points[i].wrapping_add(change as i32);
            }
        }
    }
}

caesar_kernels::loops! {
    /// A plane less its mean over 9 × 9 points (its border repeated), in 1/32 step around 128.
    fn detail_of(plane: &[i32], columns: usize, detail: &mut [u8]) {
        let rows = plane.len() / columns;
        let row = |y: usize| &plane[y.saturating_sub(REACH).min(rows - 1) * columns..][..columns];
        // Sums over the rows of the square, kept up to date row by row, with the border repeated to both sides.
        let mut sums = vec![0i64; columns + 2 * REACH];
        for y in 0..MEAN {
            for (sum, &u) in sums[REACH..].iter_mut().zip(row(y)) {
                *sum += i64::from(u);
            }
        }
        let mut threes = vec![0; columns + 2 * REACH - 2];
        for (y, detail) in detail.chunks_exact_mut(columns).enumerate() {
            let (first, last) = (sums[REACH], sums[REACH + columns - 1]);
            sums[..REACH].fill(first);
            sums[REACH + columns..].fill(last);
            for (three, ((&a, &b), &c)) in threes.iter_mut().zip(sums.iter().zip(&sums[1..]).zip(&sums[2..])) {
                *three = a + b + c;
            }
            let nines = threes.iter().zip(&threes[3..]).zip(&threes[6..]);
            for ((detail, &u), ((&a, &b), &c)) in detail.iter_mut().zip(row(y + REACH)).zip(nines) {
                let difference = i64::from(u) - mean(a + b + c);
                *detail = (((difference + 1).clamp(-256, 255) as i32 >> 1) + 128) as u8;
            }
            for ((sum, &leaves), &enters) in sums[REACH..].iter_mut().zip(row(y)).zip(row(y + MEAN)) {
                *sum += i64::from(enters) - i64::from(leaves);
            }
        }
    }
}

/// The mean of 81 numbers of 32 bits from their sum, rounded down, without a division.
#[inline(always)]
fn mean(sum: i64) -> i64 {
    const BITS: u64 = (1 << 19) - 1;
    let sum = (sum + (81 << 31)) as u64;
    let (high, low) = (sum >> 19 & 2 * BITS + 1, sum & BITS);
    // 2^19 is 6472 · 81 + 56, and 106048576 is 2^33 / 81, rounded up: precise enough for numbers below 2^26.
    let quotient = 6472 * high + ((56 * high + low) * 106_048_576 >> 33);
    quotient as i64 - (1 << 31)
}

#[cfg(test)]
mod tests {
    use super::{detail_of, mean};
    use proptest::prelude::*;

    #[test]
    fn detail_is_the_difference_from_the_mean_of_a_square() {
        let (rows, columns) = (13i64, 17i64);
        for amplitude in [300, i32::MAX] {
            let plane: Vec<i32> =
                (0..221i32).map(|i| i.wrapping_mul(i).wrapping_mul(0x9E37_79B9u32 as i32) % amplitude).collect();
            let mut found = vec![0; plane.len()];
            detail_of(&plane, columns as usize, &mut found);
            let at = |y: i64, x: i64| i64::from(plane[(y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)) as usize]);
            for (i, &found) in found.iter().enumerate() {
                let (y, x) = (i as i64 / columns, i as i64 % columns);
                let sum: i64 =
                    (-4..=4).flat_map(|dy| (-4..=4).map(move |dx| (dy, dx))).map(|(dy, dx)| at(y + dy, x + dx)).sum();
                let expected = (at(y, x) - sum.div_euclid(81) + 1 >> 1).clamp(-128, 127) + 128;
                assert_eq!(i64::from(found), expected, "{y} {x}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_mean_is_rounded_down(sum in 81 * i64::from(i32::MIN)..=81 * i64::from(i32::MAX)) {
            prop_assert_eq!(mean(sum), sum.div_euclid(81));
            for bound in [i32::MIN, -1, 0, 1, i32::MAX].map(i64::from) {
                prop_assert_eq!(mean(81 * bound), bound);
            }
        }
    }
}
