//! The decoder network on a band of an image: what the transform blurred or blocked, it corrects.
//!
//! It sees the image less its local mean in 1/32 step, eight (or one) frames of a 4 × 4 patch as channels, and gives
//! its correction as an exact multiple of a power of two of the step. Of the rows beside a band it sees as many as matter,
//! so that bands make no difference.

use super::{Networks, unusable};
use crate::error::Result;
use crate::network::{Network, Tensor};
use crate::transform::FRACTION_BITS;
use std::ops::Range;
use std::sync::Arc;

/// Points of a patch in each direction.
pub const PATCH: usize = 4;
/// Side of the square whose mean is taken off.
const MEAN: usize = 9;
const REACH: usize = MEAN / 2;

pub struct Head {
    network: Arc<dyn Network>,
    /// Of what a correction counts in.
    bits: u32,
    frames: usize,
    /// Rows above and below that the network sees.
    reach: usize,
}

impl Head {
    pub fn of(model: &Networks) -> Result<Head> {
        let network = model.model.graph("decoder")?;
        let &[bits] = model.model.table("decoder_scale_bits")? else {
            return unusable("the decoder's scale is not one number".into());
        };
        let reach = network.reach().map_or(usize::MAX, |patches| patches.saturating_mul(PATCH));
        Ok(Head { network, bits: bits.clamp(0, 30) as u32, frames: model.frames, reach })
    }

    /// Rows of a band such that not too much is computed twice.
    pub fn rows(&self) -> usize {
        self.reach.saturating_mul(8).max(16 * PATCH)
    }

    /// Rows beyond a band that have a part in it.
    pub fn beyond(&self) -> usize {
        self.reach.saturating_add(REACH)
    }

    /// The correction of some rows of an image of extents `[_, rows, columns]`, multiples of [`PATCH`], that `row` gives by frame
    /// and row in 1/64 step.
    pub fn correction<'a>(&self, row: impl Fn(usize, usize) -> &'a [i32], rows: Range<usize>, [_, high, wide]: [usize; 3]) -> Result<Correction> {
        let seen = rows.start.saturating_sub(self.reach)..rows.end.saturating_add(self.reach).min(high);
        let shape = [1, seen.len() / PATCH, wide / PATCH, self.frames * PATCH * PATCH];
        let mut pixels = Tensor { shape: shape.to_vec(), data: vec![0; shape.iter().product()] };
        let [_, _, across, channels] = shape;
        for t in 0..self.frames {
            details(|y| row(t, y), seen.clone(), high, wide, |y, detail| {
                let line = &mut pixels.data[(y - seen.start) / PATCH * across * channels..][..across * channels];
                let channel = (t * PATCH + y % PATCH) * PATCH;
                for (patch, pixel) in detail.as_chunks::<PATCH>().0.iter().zip(line.chunks_exact_mut(channels)) {
                    pixel[channel..channel + PATCH].copy_from_slice(patch);
                }
            });
        }
        let output = self.network.run_pixels(&pixels)?;
        if output.shape != shape || output.data.len() != pixels.data.len() {
            return unusable(format!("a decoder that makes {:?} of {shape:?}", output.shape));
        }
        Ok(Correction { output, first: seen.start, bits: self.bits })
    }
}

/// What a network adds to some rows of an image.
pub struct Correction {
    output: Tensor<i32>,
    /// Its first row.
    first: usize,
    bits: u32,
}

impl Correction {
    /// Adds row `y` of frame `t`.
    pub fn add(&self, points: &mut [i32], t: usize, y: usize) {
        let channels = self.output.shape[3];
        let line = (y - self.first) / PATCH * (points.len() / PATCH) * channels;
        add_row(points, &self.output.data[line + (t * PATCH + y % PATCH) * PATCH..], channels, self.bits);
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

/// Some rows of a plane of `high` rows less its mean over 9 × 9 points (its border repeated), in 1/32 step around 128.
fn details<'a>(row: impl Fn(usize) -> &'a [i32], rows: Range<usize>, high: usize, wide: usize, mut to: impl FnMut(usize, &[u8])) {
    // The row so many below, or above, the plane's border repeated.
    let near = |y: usize, below: usize, above: usize| row((y + below).saturating_sub(above).min(high - 1));
    // Sums over the rows of the square, kept up to date row by row, with the border repeated to both sides.
    let mut sums = vec![0i32; wide + 2 * REACH];
    let nothing = vec![0; wide];
    for below in 0..MEAN {
        shift(&mut sums[REACH..][..wide], near(rows.start, below, REACH), &nothing);
    }
    let mut threes = vec![0; wide + 2 * REACH - 2];
    let mut detail = vec![0; wide];
    for y in rows.clone() {
        if y > rows.start {
            shift(&mut sums[REACH..][..wide], near(y, REACH, 0), near(y, 0, REACH + 1));
        }
        let (first, last) = (sums[REACH], sums[REACH + wide - 1]);
        sums[..REACH].fill(first);
        sums[REACH + wide..].fill(last);
        differences(row(y), &sums, &mut threes, &mut detail);
        to(y, &detail);
    }
}

caesar_kernels::loops! {
    fn shift(sums: &mut [i32], enters: &[i32], leaves: &[i32]) {
        for ((sum, enters), leaves) in sums.iter_mut().zip(enters).zip(leaves) {
            *sum = sum.wrapping_add(enters.wrapping_sub(*leaves));
        }
    }
}

caesar_kernels::loops! {
    /// Differences of points from the means of which there are `sums` by column.
    fn differences(points: &[i32], sums: &[i32], threes: &mut [i32], detail: &mut [u8]) {
        for (three, ((a, b), c)) in threes.iter_mut().zip(sums.iter().zip(&sums[1..]).zip(&sums[2..])) {
            *three = a.wrapping_add(*b).wrapping_add(*c);
        }
        let nines = threes.iter().zip(&threes[3..]).zip(&threes[6..]);
        for ((detail, u), ((a, b), c)) in detail.iter_mut().zip(points).zip(nines) {
            let sum = a.wrapping_add(*b).wrapping_add(*c);
            // Far from the middle the end of the scale is all that matters.
            let difference = u.wrapping_mul(81).wrapping_sub(sum).clamp(-81 * 256, 81 * 256);
            *detail = (((up_from_81(difference) + 1).clamp(-256, 255) >> 1) + 128) as u8;
        }
    }
}

/// A difference within ±81 · 256 divided by 81 and rounded up, without a division.
#[inline(always)]
fn up_from_81(difference: i32) -> i32 {
    // 51782 is 2^22 / 81, rounded up: precise enough for numbers below 2^16.
    let above = (difference + 80 + 81 * 256) as u32;
    (above * 51782 >> 22) as i32 - 256
}

#[cfg(test)]
mod tests {
    use super::{details, up_from_81};

    #[test]
    fn detail_is_the_difference_from_the_mean_of_a_square() {
        let (rows, columns) = (13i64, 17i64);
        for (amplitude, middle) in [(300, 0), (20_000, 0), (9_000, i32::MAX - 9_000), (9_000, i32::MIN + 9_000)] {
            let plane: Vec<i32> = (0..221i32).map(|i| middle + i.wrapping_mul(i).wrapping_mul(0x9E37_79B9u32 as i32) % amplitude).collect();
            let mut found = Vec::new();
            for rows in [0..4, 4..5, 5..13] {
                details(|y| &plane[y * 17..][..17], rows, 13, 17, |_, detail| found.extend_from_slice(detail));
            }
            let at = |y: i64, x: i64| i64::from(plane[(y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)) as usize]);
            for (i, &found) in found.iter().enumerate() {
                let (y, x) = (i as i64 / columns, i as i64 % columns);
                let sum: i64 = (-4..=4).flat_map(|dy| (-4..=4).map(move |dx| (dy, dx))).map(|(dy, dx)| at(y + dy, x + dx)).sum();
                let expected = (at(y, x) - sum.div_euclid(81) + 1 >> 1).clamp(-128, 127) + 128;
                assert_eq!(i64::from(found), expected, "{y} {x}");
            }
        }
    }

    #[test]
    fn a_quotient_is_rounded_up() {
        assert!((-81 * 256..=81 * 256).all(|d: i32| up_from_81(d) == -(-d).div_euclid(81)));
    }
}
