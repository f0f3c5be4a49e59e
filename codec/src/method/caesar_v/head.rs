//! The decoder network on a band of an image: what the transform blurred or blocked, it corrects.
//!
//! It sees a frame less its local mean in 1/32 step, and so many frames before and after it, a 4 × 4 patch of each as channels; and
//! gives its correction of the frame as an exact multiple of a power of two of the step. Of the rows beside a band it sees as many
//! as matter, so that bands make no difference.

use super::{Networks, unusable};
use crate::error::Result;
use crate::network::{Network, Tensor};
use crate::transform::FRACTION_BITS;
use std::ops::Range;
use std::sync::Arc;

/// Points of a patch in each direction.
pub const PATCH: usize = 4;
/// Points of a patch.
const PIXEL: usize = PATCH * PATCH;
/// Side of the square whose mean is taken off.
const MEAN: usize = 9;
const REACH: usize = MEAN / 2;
/// Frames before and after its own that a network may see at most.
const MOST_BESIDE: i64 = 4;

pub struct Head {
    network: Arc<dyn Network>,
    /// Of what a correction counts in.
    bits: u32,
    /// Frames before and after its own that the network sees.
    beside: usize,
    /// Rows above and below that the network sees.
    reach: usize,
}

impl Head {
    pub fn of(model: &Networks) -> Result<Head> {
        let network = model.model.graph("decoder")?;
        let &[bits] = model.model.table("decoder_scale_bits")? else {
            return unusable("the decoder's scale is not one number".into());
        };
        let &[beside @ 0..=MOST_BESIDE] = model.model.table("decoder_beside")? else {
            return unusable(format!("what the decoder sees beside a frame is not one number up to {MOST_BESIDE}"));
        };
        let reach = network.reach().map_or(usize::MAX, |patches| patches.saturating_mul(PATCH));
        Ok(Head { network, bits: bits.clamp(0, 30) as u32, beside: beside as usize, reach })
    }

    /// Rows of a band such that not too much is computed twice.
    pub fn rows(&self) -> usize {
        self.reach.saturating_mul(8).max(16 * PATCH)
    }

    /// Rows beyond a band that have a part in it.
    pub fn beyond(&self) -> usize {
        self.reach.saturating_add(REACH)
    }

    /// Frames beside its own that have a part in a correction, to either side.
    pub fn beside(&self) -> usize {
        self.beside
    }

    /// Makes the corrections of some rows of some frames of an image of extents `[frames, rows, columns]`, rows and columns multiples of
    /// [`PATCH`], that `row` gives by frame and row in 1/64 step; `to` takes them by frame.
    pub fn correct<'a>(
        &self,
        row: impl Fn(usize, usize) -> &'a [i32],
        frames: Range<usize>,
        rows: Range<usize>,
        [all, high, wide]: [usize; 3],
        mut to: impl FnMut(usize, &Correction),
    ) -> Result<()> {
        let seen = rows.start.saturating_sub(self.reach)..rows.end.saturating_add(self.reach).min(high);
        let [down, across] = [seen.len(), wide].map(|n| n / PATCH);
        let first = frames.start.saturating_sub(self.beside);
        let planes = (first..(frames.end + self.beside).min(all)).map(|t| patches(|y| row(t, y), seen.clone(), high, wide));
        let planes: Vec<Vec<u8>> = planes.collect();
        for t in frames {
            let near = (t..t + 2 * self.beside + 1).map(|t| &planes[t.saturating_sub(self.beside).min(all - 1) - first]);
            let pixels = Tensor { shape: vec![1, down, across, near.len() * PIXEL], data: interleaved(near) };
            let wanted = [rows.start, rows.end].map(|y| (y - seen.start) / PATCH);
            let output = self.network.run_pixels(pixels, wanted[0]..wanted[1])?;
            if output.shape != [1, wanted[1] - wanted[0], across, PIXEL] || output.data.len() != output.shape.iter().product() {
                return unusable(format!("a decoder that makes {:?} of {across} by {down}", output.shape));
            }
            to(t, &Correction { output: output.data, first: rows.start, bits: self.bits });
        }
        Ok(())
    }
}

/// What a network sees of some rows of a plane, one patch after the other.
fn patches<'a>(row: impl Fn(usize) -> &'a [i32], rows: Range<usize>, high: usize, wide: usize) -> Vec<u8> {
    let mut patches = vec![0; rows.len() * wide];
    details(row, rows.clone(), high, wide, |y, detail| {
        let line = &mut patches[(y - rows.start) / PATCH * PATCH * wide..][..PATCH * wide];
        for (of, patch) in detail.as_chunks::<PATCH>().0.iter().zip(line.as_chunks_mut::<PIXEL>().0) {
            patch[y % PATCH * PATCH..][..PATCH].copy_from_slice(of);
        }
    });
    patches
}

/// Of each patch that of the first plane, that of the second, …
fn interleaved<'a>(planes: impl ExactSizeIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    let channels = planes.len() * PIXEL;
    let mut pixels = Vec::new();
    for (i, plane) in planes.enumerate() {
        pixels.resize(plane.len() / PIXEL * channels, 0);
        for (pixel, patch) in pixels.chunks_exact_mut(channels).zip(plane.as_chunks::<PIXEL>().0) {
            pixel[i * PIXEL..][..PIXEL].copy_from_slice(patch);
        }
    }
    pixels
}

/// What a network adds to some rows of a frame.
pub struct Correction {
    output: Vec<i32>,
    /// Its first row.
    first: usize,
    bits: u32,
}

impl Correction {
    /// Adds row `y`.
    pub fn add(&self, points: &mut [i32], y: usize) {
        let line = (y - self.first) / PATCH * PATCH * points.len();
        add_row(points, &self.output[line + y % PATCH * PATCH..], self.bits);
    }
}

caesar_kernels::loops! {
    /// Adds a row of patches.
    fn add_row(points: &mut [i32], pixels: &[i32], bits: u32) {
        let half = (1i64 << bits) >> 1;
        for (points, pixel) in points.as_chunks_mut::<PATCH>().0.iter_mut().zip(pixels.chunks(PIXEL)) {
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
