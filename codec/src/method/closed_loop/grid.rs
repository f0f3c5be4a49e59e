//! Tiles whose frames lie on grids, each on one of its own, as messages of GRIB do that were packed one by one: they are coded as numbers of
//! steps.

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
/// Steps of frames that differ by less are the same.
const SAME: f64 = 0.01;
/// Bits that each value must save, and those it loses in a frame without a grid, where predictions are rounded to bins.
const WORTH: f64 = 0.1;
const LOST: f64 = 0.1;

/// Where the values of a tile lie: whole steps from the origin of their frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Steps to a bin; odd.
    multiple: u16,
    /// For each frame its step, in 1/65536 of a lattice unit, and its origin, in lattice units.
    frames: Vec<(i64, i32)>,
}

/// What counts of a frame: each value once, in order, and how many there are.
struct Frame {
    kept: Vec<i32>,
    count: usize,
}

impl Grid {
    /// The grid of a tile of frames of so many points, if there is one that is likely to pay, and how many bits it saves.
    pub fn find(values: &[i32], mask: Option<&[bool]>, points: usize, bin_bits: u32) -> Option<(Self, f64)> {
        let bin = (1i64 << bin_bits) as f64;
        let smallest = SMALLEST.max((1 << bin_bits) / PARTS);
        let rounding = smallest / STEADY;
        let count = values.len() / points.max(1);
        let frame = |frame: usize, stride: usize| {
            let all = (frame * points..(frame + 1) * points).step_by(stride);
            let mut kept: Vec<i32> = all.filter(|&i| mask.is_none_or(|mask| !mask[i])).map(|i| values[i]).collect();
            let count = kept.len();
            kept.sort_unstable();
            kept.dedup();
            Frame { kept, count }
        };
        let is_coarse = |frame: &Frame| frame.kept.len() > 1 && gaps(&frame.kept).all(|gap| gap >= smallest);
        let mut sample = (0..count).step_by(count.div_ceil(FRAMES).max(1)).map(|i| frame(i, points.div_ceil(SAMPLES)));
        if count < 2 || !sample.any(|frame| is_coarse(&frame)) {
            return None;
        }
        let frames: Vec<Frame> = (0..count).map(|i| frame(i, 1)).collect();
        let steps = steps_of(&frames, is_coarse, rounding as f64);
        let shortest = steps.iter().flatten().copied().reduce(f64::min)?;
        let half = (1i64 << bin_bits >> 1) as f64;
        let with = |steps: &[Option<f64>], multiple: u16| {
            let wider = |step: f64| (step * f64::from(multiple) / bin).log2();
            let place = |(frame, &step): (&Frame, &Option<f64>)| {
                let (step, saved) = match step {
                    Some(step) if multiple > 1 || wider(step) > 0.0 => (step, wider(step)),
                    // On a grid of bins.
                    _ => (bin, -LOST),
                };
                let origin = frame.kept.first().map_or(0.0, |&first| f64::from(first).rem_euclid(step));
                (((step * f64::from(1u32 << FRACTION)).round() as i64, origin as i32), saved * frame.count as f64)
            };
            let (places, saved): (Vec<_>, Vec<_>) = frames.iter().zip(steps).map(place).unzip();
            let grid = Grid { multiple, frames: places };
            // What is off at a position is off at those that share its bin.
            let is_off = |frame: usize, value: i32| {
                let reach = f64::from(multiple / 2) * grid.frames[frame].0 as f64 / f64::from(1u32 << FRACTION);
                f64::from(grid.value(frame, grid.position(frame, value)).abs_diff(value)) + reach.ceil() > half
            };
            let is_any_off = frames.iter().enumerate().any(|(i, frame)| frame.kept.iter().any(|&value| is_off(i, value)));
            let saved = saved.into_iter().sum::<f64>() - grid.told();
            (!is_any_off).then_some((grid, saved))
        };
        // Each in its own step, or all in the shortest of them, of which a bin may hold several.
        let same = vec![Some(shortest); frames.len()];
        let most = 2 * (half / shortest).min(255.0) as u16 + 1;
        let found = [with(&steps, 1), with(&same, most), with(&same, most.max(3) - 2)];
        let (grid, saved) = found.into_iter().flatten().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let count = frames.iter().map(|frame| frame.count).sum::<usize>();
        (saved > WORTH * count as f64).then_some((grid, saved))
    }

    pub fn bin(&self) -> Bin {
        Bin::odd(i32::from(self.multiple))
    }

    /// How many steps a value of a frame is from its origin.
    pub fn position(&self, frame: usize, value: i32) -> i32 {
        let (step, origin) = self.frames[frame];
        let from = (i64::from(value) - i64::from(origin)) << FRACTION;
        // Only hostile steps are 0.
        (from + step / 2).div_euclid(step.max(1)) as i32
    }

    /// The value so many steps from the origin of a frame.
    pub fn value(&self, frame: usize, position: i32) -> i32 {
        let (step, origin) = self.frames[frame];
        let from = i64::from(position).wrapping_mul(step).wrapping_add(1 << FRACTION >> 1) >> FRACTION;
        origin.wrapping_add(from as i32)
    }

    /// What turns a position in one frame into the nearest in another, if its step is another.
    pub fn between(&self, from: usize, to: usize) -> Option<impl Fn(i32) -> i32> {
        (self.frames[from].0 != self.frames[to].0).then_some(move |position| self.position(to, self.value(from, position)))
    }

    /// Tells a grid of so many frames: a step where it is not that of the frame before.
    pub fn code<C: BitCoder>(coder: &mut C, grid: Option<&Self>, frames: usize) -> Self {
        let multiple = coder.code_raw(grid.map_or(0, |g| g.multiple.into()), 16) as u16;
        let mut last = 0;
        let frame = |frame: usize| {
            let (step, origin) = grid.map_or((0, 0), |g| g.frames[frame]);
            if coder.code_raw((step != last).into(), 1) == 1 {
                let upper = coder.code_raw((step >> 32) as u32, 16);
                last = i64::from(upper) << 32 | i64::from(coder.code_raw(step as u32, 32));
            }
            (last, coder.code_raw(origin as u32, origin_bits(last)) as i32)
        };
        Grid { multiple, frames: (0..frames).map(frame).collect() }
    }

    /// About how many bits that takes.
    fn told(&self) -> f64 {
        let of_steps = 1 + self.frames.windows(2).filter(|pair| pair[0].0 != pair[1].0).count();
        self.frames.iter().map(|&(step, _)| f64::from(1 + origin_bits(step))).sum::<f64>() + 48.0 * of_steps as f64
    }
}

/// Origins are less than a step.
fn origin_bits(step: i64) -> u32 {
    (step >> FRACTION).checked_ilog2().map_or(0, |log| log + 1)
}

/// The steps of which all gaps between values of a frame are multiples, but for rounding; about equal ones are one.
fn steps_of(frames: &[Frame], is_coarse: impl Fn(&Frame) -> bool, rounding: f64) -> Vec<Option<f64>> {
    let mut all: Vec<[f64; 2]> = Vec::new();
    let of_frames: Vec<Option<usize>> = frames.iter().map(|frame| {
        let found @ [sum, steps] = if is_coarse(frame) { steps_between(&frame.kept, rounding)? } else { return None };
        let same = |known: &[f64; 2]| (sum / steps * known[1] / known[0] - 1.0).abs() < SAME;
        let at = all.iter().position(same).unwrap_or_else(|| {
            all.push([0.0; 2]);
            all.len() - 1
        });
        all[at].iter_mut().zip(found).for_each(|(known, found)| *known += found);
        Some(at)
    }).collect();
    of_frames.into_iter().map(|at| at.map(|at| all[at][0] / all[at][1])).collect()
}

/// Differences of ascending values.
fn gaps(kept: &[i32]) -> impl Iterator<Item = i64> {
    kept.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0]))
}

/// What the gaps between values add up to, and to how many steps, all of them being whole steps but for rounding.
fn steps_between(kept: &[i32], rounding: f64) -> Option<[f64; 2]> {
    let mut all: Vec<i64> = gaps(kept).collect();
    all.sort_unstable();
    // The larger a gap, the better the step must be known to tell how many it is; the smaller ones tell it better and better.
    let [mut sum, mut steps] = [0.0; 2];
    let mut step = *all.first()? as f64;
    for gap in all {
        let count = (gap as f64 / step).round();
        if (gap as f64 - count * step).abs() > rounding {
            return None;
        }
        [sum, steps] = [sum + gap as f64, steps + count];
        step = sum / steps;
    }
    Some([sum, steps])
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
        assert!((14_900.0..15_200.0).contains(&saved), "{saved}");
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
    fn frames_may_have_steps_of_their_own() {
        let mut values = packed(&[17, -5000, 801]);
        values[1000..2000].iter_mut().for_each(|v| *v *= 4);
        values[2000..].iter_mut().enumerate().for_each(|(i, v)| *v = i as i32 * 7);
        let (grid, _) = Grid::find(&values, None, 1000, 6).expect("two of three lie on one");
        let steps = [0, 1, 2].map(|frame| grid.frames[frame].0 as f64 / 65536.0);
        assert!((steps[0] - 877.3).abs() < 0.1 && (steps[1] - 4.0 * 877.3).abs() < 0.4 && steps[2] == 64.0, "{steps:?}");
        for (i, &value) in values.iter().enumerate() {
            assert!((grid.value(i / 1000, grid.position(i / 1000, value)) - value).abs() <= if i < 2000 { 16 } else { 32 });
        }
    }

    #[test]
    fn others_have_none() {
        let mut values = packed(&[17, -5000, 801]);
        assert_eq!(Grid::find(&values[..1000], None, 1000, 6), None);
        let noise = |i: u32| (i.wrapping_mul(2654435761).rotate_left(15).wrapping_mul(0x9e37_79b9) >> 12) as i32;
        assert_eq!(Grid::find(&(0..3000).map(noise).collect::<Vec<_>>(), None, 1000, 6), None);
        values[2500] += 100;
        let mask: Vec<bool> = (0..3000).map(|i| i == 2500).collect();
        let saved = [None, Some(&mask[..])].map(|mask| Grid::find(&values, mask, 1000, 6).expect("two or three frames lie on it").1);
        assert!(saved[0] < saved[1] * 0.7);
        assert_eq!(Grid::find(&values, Some(&[true; 3000]), 1000, 6), None);
        assert_eq!(Grid::find(&[], None, 1000, 6), None);
    }

    #[test]
    fn hostile_steps_and_positions_are_values() {
        for step in [0, 1, u64::MAX >> 16] {
            let mut encoder = Encoder::new();
            encoder.code_raw(u32::MAX, 16);
            encoder.code_raw(1, 1);
            encoder.code_raw((step >> 32) as u32, 16);
            encoder.code_raw(step as u32, 32);
            let grid = Grid::code(&mut Decoder::new(&encoder.finish()), None, 3);
            for position in [i32::MIN, 0, i32::MAX] {
                grid.value(2, position);
            }
        }
    }
}
