//! Tiles whose frames lie on a grid of equal steps that starts elsewhere in each, as messages of GRIB do that were packed one by one: they are
//! coded as numbers of steps.

use super::bin::Bin;
use crate::entropy::BitCoder;

/// Bits of fraction of a step.
const FRACTION: u32 = 16;
/// Frames and values of each that are looked at before all of them are.
const FRAMES: usize = 4;
const SAMPLES: usize = 1 << 10;
/// The smallest step, in lattice units and in parts of a bin: smaller ones are not told from rounding, or gain nothing.
const SMALLEST: i64 = 16;
const PARTS: i64 = 8;
/// Steps are at least as many times as long as rounding, to the lattice and of the values before, may lead from a grid.
const STEADY: i64 = 4;
/// Bits that each value must save.
const WORTH: f64 = 0.1;

/// Where the values of a tile lie: whole steps from the origin of their frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// In 1/65536 of a lattice unit.
    step: i64,
    /// Steps to a bin; odd.
    multiple: u16,
    /// One for each frame, in lattice units.
    origins: Vec<i32>,
}

impl Grid {
    /// The grid of a tile of frames of so many points, if there is one that is likely to pay, and how many bits it saves.
    pub fn find(values: &[i32], mask: Option<&[bool]>, points: usize, bin_bits: u32) -> Option<(Self, f64)> {
        let smallest = SMALLEST.max((1 << bin_bits) / PARTS);
        let rounding = smallest / STEADY;
        let frames = values.len() / points.max(1);
        let counts = |i: &usize| mask.is_none_or(|mask| !mask[*i]);
        // Of a frame each value once, in order, if they are far apart.
        let kept = |frame: usize, stride: usize| {
            let mut kept: Vec<i32> = (frame * points..(frame + 1) * points).step_by(stride).filter(counts).map(|i| values[i]).collect();
            kept.sort_unstable();
            kept.dedup();
            Some(kept).filter(|kept| gaps(kept).all(|gap| gap >= smallest))
        };
        let sample: Vec<_> = (0..frames.min(FRAMES)).map(|frame| kept(frame, points.div_ceil(SAMPLES))).collect::<Option<_>>()?;
        if frames < 2 || sample.iter().all(|kept| kept.len() < 2) {
            return None;
        }
        let frames: Vec<_> = (0..frames).map(|frame| kept(frame, 1)).collect::<Option<_>>()?;
        let step = step_of(&frames, rounding as f64)?;
        let origins = frames.iter().map(|kept| kept.first().map_or(0, |&first| f64::from(first).rem_euclid(step) as i32)).collect();
        let mut grid = Grid { step: (step * f64::from(1u32 << FRACTION)).round() as i64, multiple: 1, origins };
        let off = |(frame, kept): (usize, &Vec<i32>)| {
            kept.iter().map(|&v| grid.value(frame, grid.position(frame, v)).abs_diff(v)).max().unwrap_or(0)
        };
        let off = i64::from(frames.iter().enumerate().map(off).max().unwrap_or(0));
        let half = 1i64 << bin_bits >> 1;
        if off > rounding.min(half) {
            return None;
        }
        let within = |steps: &u16| (f64::from(*steps) * step).ceil() as i64 + off <= half;
        grid.multiple = 2 * (1..255).take_while(within).last().unwrap_or(0) + 1;
        let saved = (step * f64::from(grid.multiple) / (1u64 << bin_bits) as f64).log2();
        let told = f64::from(grid.origin_bits()) * frames.len() as f64;
        let count = (0..values.len()).filter(counts).count();
        (saved > WORTH).then_some((grid, saved * count as f64 - told))
    }

    pub fn bin(&self) -> Bin {
        Bin::odd(i32::from(self.multiple))
    }

    /// How many steps a value of a frame is from its origin.
    pub fn position(&self, frame: usize, value: i32) -> i32 {
        let from = (i64::from(value) - i64::from(self.origins[frame])) << FRACTION;
        from.wrapping_add(self.step / 2).div_euclid(self.step) as i32
    }

    /// The value so many steps from the origin of a frame.
    pub fn value(&self, frame: usize, position: i32) -> i32 {
        let from = i64::from(position).wrapping_mul(self.step).wrapping_add(1 << FRACTION >> 1) >> FRACTION;
        self.origins[frame].wrapping_add(from as i32)
    }

    /// Tells a grid of so many frames.
    pub fn code<C: BitCoder>(coder: &mut C, grid: Option<&Self>, frames: usize) -> Self {
        let upper = coder.code_raw(grid.map_or(0, |g| (g.step >> 32) as u32), 16);
        let lower = coder.code_raw(grid.map_or(0, |g| g.step as u32), 32);
        let step = i64::from(upper) << 32 | i64::from(lower);
        let multiple = coder.code_raw(grid.map_or(0, |g| g.multiple.into()), 16) as u16;
        let mut told = Grid { step, multiple, origins: Vec::new() };
        let bits = told.origin_bits();
        told.origins = (0..frames).map(|frame| coder.code_raw(grid.map_or(0, |g| g.origins[frame] as u32), bits) as i32).collect();
        told
    }

    /// Origins are less than a step.
    fn origin_bits(&self) -> u32 {
        (self.step >> FRACTION).checked_ilog2().map_or(0, |log| log + 1)
    }
}

/// Differences of ascending values.
fn gaps(kept: &[i32]) -> impl Iterator<Item = i64> {
    kept.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0]))
}

/// The step of which all gaps between values of the same frame are multiples, but for rounding.
fn step_of(frames: &[Vec<i32>], rounding: f64) -> Option<f64> {
    let mut all: Vec<i64> = frames.iter().flat_map(|kept| gaps(kept)).collect();
    all.sort_unstable();
    // The larger a gap, the better the step must be known to tell how many it is; the smaller ones tell it better and better.
    let (mut sum, mut steps) = (0.0, 0.0);
    let mut step = *all.first()? as f64;
    for gap in all {
        let count = (gap as f64 / step).round();
        if (gap as f64 - count * step).abs() > rounding {
            return None;
        }
        (sum, steps) = (sum + gap as f64, steps + count);
        step = sum / steps;
    }
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Decoder, Encoder};

    /// Frames of 1000 points in steps of 877.3 from origins of their own.
    fn packed(origins: &[i32]) -> Vec<i32> {
        let value = |(frame, &origin): (usize, &i32)| (0..1000usize).map(move |i| origin + ((i * i + frame) % 365) as i32 * 8773 / 10);
        origins.iter().enumerate().flat_map(value).collect()
    }

    #[test]
    fn frames_packed_one_by_one_have_one_and_it_comes_back() {
        let values = packed(&[17, -5000, 801, 123_456]);
        let (grid, saved) = Grid::find(&values, None, 1000, 6).expect("all lie on it");
        // From a bin of 64 to one of 877 for each of 4000.
        assert!((15_000.0..15_200.0).contains(&saved), "{saved}");
        assert_eq!(grid.multiple, 1);
        for (i, &value) in values.iter().enumerate() {
            let off = grid.value(i / 1000, grid.position(i / 1000, value)) - value;
            assert!(off.abs() <= 4, "{off} at {i}");
        }
        let mut encoder = Encoder::new();
        Grid::code(&mut encoder, Some(&grid), 4);
        let bytes = encoder.finish();
        assert!(bytes.len() < 20);
        assert_eq!(Grid::code(&mut Decoder::new(&bytes), None, 4), grid);
    }

    #[test]
    fn bins_hold_as_many_steps_as_the_bound_allows() {
        // Half a bin is 1024: a step on either side.
        assert_eq!(Grid::find(&packed(&[17, -5000]), None, 1000, 11).expect("three steps are wider than a bin").0.multiple, 3);
        assert_eq!(Grid::find(&packed(&[17, -5000]), None, 1000, 10), None);
    }

    #[test]
    fn others_have_none() {
        let mut values = packed(&[17, -5000, 801]);
        assert_eq!(Grid::find(&values[..1000], None, 1000, 6), None);
        values[2500] += 100;
        assert_eq!(Grid::find(&values, None, 1000, 6), None);
        let mask: Vec<bool> = (0..3000).map(|i| i == 2500).collect();
        assert!(Grid::find(&values, Some(&mask), 1000, 6).is_some());
        assert_eq!(Grid::find(&values, Some(&[true; 3000]), 1000, 6), None);
        assert_eq!(Grid::find(&[], None, 1000, 6), None);
    }

    #[test]
    fn hostile_steps_and_positions_are_values() {
        for step in [0, 1, u64::MAX >> 16] {
            let mut encoder = Encoder::new();
            encoder.code_raw((step >> 32) as u32, 16);
            encoder.code_raw(step as u32, 32);
            encoder.code_raw(u32::MAX, 16);
            let grid = Grid::code(&mut Decoder::new(&encoder.finish()), None, 3);
            for position in [i32::MIN, 0, i32::MAX] {
                grid.value(2, position);
            }
        }
    }
}
