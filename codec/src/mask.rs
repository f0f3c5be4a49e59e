//! Points that are not part of the field: NaN, infinities, fill values, land. They are stored exactly and cheaply as
//! a map of classes ([`crate::class_map`]), and filled in smoothly so that no predictor stumbles over them.
//!
//! Class 0 is an ordinary value, class i > 0 is the i-th of the header's special values.

use crate::stream::header::MAX_SPECIALS;
use crate::value::Value;
use caesar_kernels::{Loops, run};
use std::collections::HashMap;

/// Anything this large is a fill value, whoever wrote it (the convention of the climate archives).
const HUGE: f64 = 1e35;
/// Magnitudes that are fills wherever they are the largest or smallest value of a chunk and far from all others.
const KNOWN_FILLS: [f64; 12] =
    [9.969209968386869e36, 1e20, 1e30, 1e34, 1e15, 999.0, 9999.0, 99999.0, 999999.0, 32767.0, 32768.0, 65535.0];
/// Points looked at to find values that repeat.
const SAMPLE: usize = 4096;

/// What one look at all values finds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// Bit patterns of the special values.
    pub specials: Vec<u64>,
    /// Smallest and largest ordinary value; meaningless when there is none.
    pub low: f64,
    pub high: f64,
    /// Smallest and largest magnitude of the ordinary values that are not zero.
    pub smallest: f64,
    pub largest: f64,
    /// Number of ordinary values.
    pub ordinary: usize,
    /// How many of them are zero.
    pub zeros: usize,
    /// Number of all values.
    pub total: usize,
}

impl Survey {
    /// Finds the special values of a chunk and the range of the others. `columns` is the last extent.
    /// With `zeros`, both zeros are special too (a bound relative to each value). `declared` are bit patterns that the host calls fill values.
    pub fn of<V: Value>(values: &[V], columns: usize, zeros: bool, declared: &[u64]) -> Survey {
        let mut survey = Survey { total: values.len(), ..Survey::default() };
        for &fill in declared {
            if values.iter().any(|v| v.bits() == fill) {
                survey.add(fill);
            }
        }
        survey.measure(values);
        let odd = survey.ordinary < values.len();
        if survey.zeros > 0 {
            let special = [-0.0, 0.0].map(|zero| V::from_f64(zero).bits());
            let special = &special[..if zeros { 2 } else { 1 }];
            values.iter().map(|v| v.bits()).filter(|bits| special.contains(bits)).for_each(|zero| {
                survey.add(zero);
            });
            survey.measure(values);
        }
        // Each round may lay bare another fill behind the first; few chunks have more than two.
        for _ in 0..4 {
            let Some(fill) = survey.repeated_extreme(values) else { break };
            survey.add(fill.bits());
            survey.measure(values);
        }
        for (candidate, share) in frequent(values) {
            // What is rare but repeats to the bit, where hardly anything else does, needs no other sign.
            let is_fill = || share < OFTEN || stands_out(values, columns, candidate);
            if survey.is_ordinary(candidate) && is_fill() && survey.add(candidate.bits()) {
                survey.measure(values);
            }
        }
        // Last, for they are special with a class or without.
        if odd {
            values.iter().filter(|v| !(v.to_f64().abs() < HUGE)).for_each(|v| {
                survey.add(v.bits());
            });
        }
        survey
    }

    fn add(&mut self, bits: u64) -> bool {
        let new = !self.specials.contains(&bits) && self.specials.len() < MAX_SPECIALS;
        if new {
            self.specials.push(bits);
        }
        new
    }

    /// Whether a value belongs to the field.
    pub fn is_ordinary<V: Value>(&self, v: V) -> bool {
        v.to_f64().abs() < HUGE && !self.specials.contains(&v.bits())
    }

    fn measure<V: Value>(&mut self, values: &[V]) {
        let seen = run(Look { values, specials: &self.specials, at: Extent::default() });
        self.low = least(seen.low);
        self.high = greatest(seen.high);
        self.smallest = least(seen.smallest);
        self.largest = greatest(seen.largest);
        self.ordinary = seen.ordinary.into_iter().sum::<u64>() as usize;
        self.zeros = seen.zeros.into_iter().sum::<u64>() as usize;
    }

    /// The smallest or largest value where it is a fill: repeated, and far from all others.
    fn repeated_extreme<V: Value>(&self, values: &[V]) -> Option<V> {
        let ends = Ends { low: self.low, high: self.high, next_low: [f64::INFINITY; LANES], next_high: [f64::NEG_INFINITY; LANES], lows: [0; LANES], highs: [0; LANES] };
        let seen = run(Look { values, specials: &self.specials, at: ends });
        let (next_low, next_high) = (least(seen.next_low), greatest(seen.next_high));
        let [lows, highs] = [seen.lows, seen.highs].map(|counts| counts.into_iter().sum::<u64>() as usize);
        let fill = |x: f64, count: usize, gap: f64, rest: f64| {
            let v = V::from_f64(x);
            let known = KNOWN_FILLS.iter().any(|&f| V::from_f64(f).to_f64() == x.abs());
            let often = count >= (values.len() / 1024).max(4);
            let alien = rest > 0.0 && (gap > 1e5 * rest || (often && gap > 1.5 * rest));
            (count < self.ordinary && ((known && gap > rest) || alien)).then_some(v)
        };
        fill(self.high, highs, self.high - next_high, next_high - self.low)
            .or_else(|| fill(self.low, lows, next_low - self.low, self.high - next_low))
    }

    /// The class of each value, and whether any is not ordinary. A special value without a class of its own
    /// (more than [`MAX_SPECIALS`] patterns of NaN) gets class [`UNLISTED`].
    pub fn classes<V: Value>(&self, values: &[V]) -> Option<Vec<u8>> {
        if self.ordinary == self.total || (self.ordinary > 0 && values.iter().all(|&v| self.is_ordinary(v))) {
            return None;
        }
        let class = |v: &V| match self.specials.iter().position(|&bits| bits == v.bits()) {
            Some(i) => i as u8 + 1,
            None if self.is_ordinary(*v) => 0,
            None => UNLISTED,
        };
        Some(values.iter().map(class).collect())
    }
}

/// Lanes side by side, which the compiler turns into vectors: every value of every chunk is looked at.
const LANES: usize = 8;

/// Something to look at values for.
trait Aspect {
    /// Takes in a value in its lane, if it counts as one of the field.
    fn see(&mut self, lane: usize, x: f64, counts: bool);
}

/// A look at all values.
struct Look<'a, V, A> {
    values: &'a [V],
    specials: &'a [u64],
    at: A,
}

impl<V: Value, A: Aspect> Loops for Look<'_, V, A> {
    type Result = A;

    #[inline(always)]
    fn run(self) -> A {
        let Look { values, specials, mut at } = self;
        match specials {
            [] => look(values, &mut at, |_| false),
            [one] => look(values, &mut at, |bits| bits == *one),
            _ => look(values, &mut at, |bits| specials.contains(&bits)),
        }
        at
    }
}

#[inline(always)]
fn look<V: Value>(values: &[V], at: &mut impl Aspect, is_special: impl Fn(u64) -> bool) {
    let mut see = |lane: usize, v: V| at.see(lane, v.to_f64(), (v.to_f64().abs() < HUGE) & !is_special(v.bits()));
    let (blocks, rest) = values.as_chunks::<LANES>();
    blocks.iter().for_each(|block| (0..LANES).for_each(|lane| see(lane, block[lane])));
    rest.iter().for_each(|&v| see(0, v));
}

fn least(lanes: [f64; LANES]) -> f64 {
    lanes.into_iter().fold(f64::INFINITY, f64::min)
}

fn greatest(lanes: [f64; LANES]) -> f64 {
    lanes.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

/// How far values and their magnitudes reach.
struct Extent {
    low: [f64; LANES],
    high: [f64; LANES],
    /// Above zero.
    smallest: [f64; LANES],
    largest: [f64; LANES],
    ordinary: [u64; LANES],
    zeros: [u64; LANES],
}

impl Default for Extent {
    fn default() -> Self {
        Extent {
            low: [f64::INFINITY; LANES],
            high: [f64::NEG_INFINITY; LANES],
            smallest: [f64::INFINITY; LANES],
            largest: [0.0; LANES],
            ordinary: [0; LANES],
            zeros: [0; LANES],
        }
    }
}

impl Aspect for Extent {
    #[inline(always)]
    fn see(&mut self, lane: usize, x: f64, counts: bool) {
        let magnitude = x.abs();
        lower(&mut self.low[lane], x, counts);
        raise(&mut self.high[lane], x, counts);
        lower(&mut self.smallest[lane], magnitude, counts & (magnitude > 0.0));
        raise(&mut self.largest[lane], magnitude, counts);
        self.ordinary[lane] += u64::from(counts);
        self.zeros[lane] += u64::from(counts & (magnitude == 0.0));
    }
}

/// How often the lowest and the highest value occur, and the values next to them.
struct Ends {
    low: f64,
    high: f64,
    next_low: [f64; LANES],
    next_high: [f64; LANES],
    lows: [u64; LANES],
    highs: [u64; LANES],
}

impl Aspect for Ends {
    #[inline(always)]
    fn see(&mut self, lane: usize, x: f64, counts: bool) {
        self.lows[lane] += u64::from(counts & (x == self.low));
        self.highs[lane] += u64::from(counts & (x == self.high));
        lower(&mut self.next_low[lane], x, counts & (x != self.low));
        raise(&mut self.next_high[lane], x, counts & (x != self.high));
    }
}

#[inline(always)]
fn lower(least: &mut f64, x: f64, counts: bool) {
    *least = if counts & (x < *least) { x } else { *least };
}

#[inline(always)]
fn raise(greatest: &mut f64, x: f64, counts: bool) {
    *greatest = if counts & (x > *greatest) { x } else { *greatest };
}

/// Class of special values that are stored one by one.
pub const UNLISTED: u8 = MAX_SPECIALS as u8 + 1;

/// A share of a sample that is a large one.
const OFTEN: f64 = 0.02;

/// Bit patterns that make up a large share of a sample, or are far more frequent in it than others, and their shares; most frequent first, at most two.
fn frequent<V: Value>(values: &[V]) -> Vec<(V, f64)> {
    let stride = (values.len() / SAMPLE).max(1);
    let mut counts = HashMap::new();
    for v in values.iter().step_by(stride) {
        *counts.entry(v.bits()).or_insert(0usize) += 1;
    }
    let sampled = values.len().div_ceil(stride);
    let distinct = counts.len();
    let share = |n: usize| n as f64 / sampled as f64;
    let is_frequent = |n: usize| share(n) >= OFTEN && n > 2 || n * distinct > 8 * sampled;
    let mut often: Vec<_> = counts.into_iter().filter(|&(_, n)| is_frequent(n)).collect();
    often.sort_by_key(|&(bits, n)| (std::cmp::Reverse(n), bits));
    often.into_iter().take(2).map(|(bits, n)| (V::from_bits(bits), share(n))).collect()
}

/// Whether a frequent value is foreign to the field (land at 0 in a temperature): steps into and out of it are
/// much larger than steps between the others.
fn stands_out<V: Value>(values: &[V], columns: usize, fill: V) -> bool {
    let fill = fill.bits();
    let (mut inside, mut insides, mut border, mut borders) = (0.0, 0u64, 0.0, 0u64);
    for row in values.chunks(columns.max(1)) {
        for pair in row.windows(2) {
            let step = (pair[0].to_f64() - pair[1].to_f64()).abs();
            if !(step < HUGE) {
                continue;
            }
            match (pair[0].bits() == fill, pair[1].bits() == fill) {
                (false, false) => (inside, insides) = (inside + step, insides + 1),
                (true, true) => (),
                _ => (border, borders) = (border + step, borders + 1),
            }
        }
    }
    insides > 0 && borders > 0 && border / borders as f64 > 6.0 * inside / insides as f64
}

/// Replaces masked values by a smooth continuation of the others, frame by frame: means over ever larger
/// blocks, each masked point taking that of the smallest block that holds a value. Encoders use it; decoders do not need it.
pub fn fill_smooth(values: &mut [i32], mask: &[bool], [_, rows, columns]: [usize; 3]) {
    let plane = (rows * columns).max(1);
    for (frame, mask) in values.chunks_exact_mut(plane).zip(mask.chunks_exact(plane)) {
        let level = frame.iter().zip(mask).map(|(&v, &m)| if m { None } else { Some(v) }).collect();
        let filled = fill_level(level, rows, columns);
        frame.copy_from_slice(&filled);
    }
}

fn fill_level(level: Vec<Option<i32>>, rows: usize, columns: usize) -> Vec<i32> {
    if level.iter().all(|v| v.is_some()) || level.len() == 1 {
        return level.into_iter().map(|v| v.unwrap_or(0)).collect();
    }
    let (half_rows, half_columns) = (rows.div_ceil(2), columns.div_ceil(2));
    let mean = |i: usize| {
        let (y, x) = (i / half_columns * 2, i % half_columns * 2);
        let block = [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)];
        let inside = block.iter().filter(|&&(y, x)| y < rows && x < columns).filter_map(|&(y, x)| level[y * columns + x]);
        let (sum, count) = inside.fold((0i64, 0i64), |(sum, count), v| (sum + i64::from(v), count + 1));
        (count > 0).then(|| (sum / count) as i32)
    };
    let coarse = fill_level((0..half_rows * half_columns).map(mean).collect(), half_rows, half_columns);
    let at = |i: usize| coarse[i / columns / 2 * half_columns + i % columns / 2];
    level.into_iter().enumerate().map(|(i, v)| v.unwrap_or_else(|| at(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ocean(rows: usize, columns: usize, land: f32) -> Vec<f32> {
        (0..rows * columns)
            .map(|i| {
                let (y, x) = (i / columns, i % columns);
                if (y / 20 + x / 30) % 3 == 0 { land } else { 15.0 + (x as f32 * 0.05).sin() * 8.0 - y as f32 * 0.1 }
            })
            .collect()
    }

    #[test]
    fn fills_are_found() {
        for land in [f32::NAN, 9.96921e36, 1e20, -1e30, -9999.0, 1e15, f32::INFINITY, 0.0, -0.0] {
            let values = ocean(120, 180, land);
            let survey = Survey::of(&values, 180, false, &[]);
            assert_eq!(survey.specials, [land.bits()], "{land}");
            assert!(survey.low > -50.0 && survey.high < 50.0);
        }
    }

    /// As nccopy hands them on, which tells a filter of no fill value.
    #[test]
    fn scattered_fills_are_found() {
        for (fill, low, high) in [(-1.0f32, 30.0, 37.0), (0.0, -20.0, 20.0), (-99.0, -20.0, 20.0), (-999.0, -5000.0, 5000.0), (15.0, -0.1, 60.0)] {
            let wave = |i: usize| ((i % 180) as f32 * 0.05).sin() * ((i / 180) as f32 * 0.04).cos();
            let value = |i: usize| if i * 7919 % 64 == 5 { fill } else { low + (high - low) * (0.5 + 0.5 * wave(i)) };
            let values: Vec<f32> = (0..120 * 180).map(value).collect();
            assert_eq!(Survey::of(&values, 180, false, &[]).specials, [fill.bits()], "{fill}");
        }
    }

    #[test]
    fn single_fills_are_found() {
        for fill in [-1e34f32, -999.0, 1e12] {
            let mut values = ocean(120, 180, 16.0);
            values[777] = fill;
            assert_eq!(Survey::of(&values, 180, false, &[]).specials[0], fill.bits(), "{fill}");
        }
        let mut values = ocean(120, 180, 16.0);
        values[777] = -5.0;
        assert_eq!(Survey::of(&values, 180, false, &[(-5f32).bits()]).specials[0], (-5f32).bits(), "what the host declares is special");
    }

    #[test]
    fn rain_is_not_masked() {
        // Zero over half of the field, but rain sets in softly.
        let rain: Vec<f32> = (0..200 * 200).map(|i| ((i % 200) as f32 * 0.1).sin().max(0.0)).collect();
        assert!(Survey::of(&rain, 200, false, &[]).specials.is_empty());
    }

    #[test]
    fn a_fill_is_smooth() {
        let mut values: Vec<i32> = (0..64 * 64).map(|i| i % 64 * 100).collect();
        let mask: Vec<bool> = (0..64 * 64).map(|i| i % 64 > 20 && i % 64 < 28).collect();
        values.iter_mut().zip(&mask).for_each(|(v, &m)| if m { *v = i32::MAX });
        fill_smooth(&mut values, &mask, [1, 64, 64]);
        assert!(values.iter().zip(&mask).all(|(&v, &m)| !m || (1500..3500).contains(&v)));
    }
}
