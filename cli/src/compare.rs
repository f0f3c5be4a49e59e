//! Two versions of a data set, chunk by chunk: how far apart they are, and whether a bound was kept.

use caesar_codec::{Bound, Element, Patches};
use std::ops::Range;

/// Anything this large is a fill value (`docs/format.md`, special values).
const HUGE: f64 = 1e35;
/// Sums of squares depend on the order of their terms; a mean may be this much above its bound.
const SUM_ROUNDING: f64 = 1e-9;

/// The rows of a box of a row-major array, as ranges of elements in increasing order. The box begins at `start`, has
/// the extents `count` and ends where the array ends.
fn rows(shape: &[usize], start: &[usize], count: &[usize]) -> Vec<Range<usize>> {
    let mut rows = Vec::from([Range { start: 0, end: 1 }]);
    for axis in 0..shape.len() {
        let ends = start[axis]..(start[axis] + count[axis]).min(shape[axis]);
        let is_last = axis + 1 == shape.len();
        rows = rows
            .iter()
            .flat_map(|row| {
                let first = row.start * shape[axis];
                let points = if is_last { ends.start..ends.start + 1 } else { ends.clone() };
                points.map(move |at| first + at..first + at + 1)
            })
            .collect();
        if is_last {
            rows.iter_mut().for_each(|row| row.end = row.start + ends.len());
        }
    }
    rows
}

/// A box of an array whose elements have `size` bytes; what reaches over the array's end is left out.
pub fn inside(bytes: &[u8], size: usize, shape: &[usize], start: &[usize], count: &[usize]) -> Vec<u8> {
    rows(shape, start, count).iter().flat_map(|row| &bytes[row.start * size..row.end * size]).copied().collect()
}

/// One chunk of both versions, little-endian, as far as it lies within the data set: padding is nobody's value, so no range
/// and no mean comes of it.
pub struct Pair<'a> {
    pub element: Element,
    pub original: &'a [u8],
    pub copy: &'a [u8],
    pub shape: &'a [usize],
    /// Bit patterns of values that make no range: the stream took them for fills. That was the copy's writer's guess, which may
    /// have been made of other values than the original's, so they may change within the bound.
    pub specials: &'a [u64],
    /// Bit patterns of values that are declared not to be part of the field.
    pub fills: &'a [u64],
    pub bound: Option<Bound>,
}

impl Pair<'_> {
    /// Whether a value is held against the bound.
    fn counts(&self, original: Value, decoded: Value) -> bool {
        original.is_ordinary(self.fills) && (original.bits != decoded.bits || !self.specials.contains(&original.bits))
    }
}

/// What a data set's chunks come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Ordinary values: finite, no fills.
    pub points: usize,
    pub max_error: f64,
    pub squares: f64,
    pub low: f64,
    pub high: f64,
    /// The largest share of its bound that a chunk uses up; `None` where there is no bound.
    pub used: Option<f64>,
    /// Values that are not bit for bit the same.
    pub changed: usize,
    /// Those of them that must be: NaN, infinities, whatever is no float, everything under a lossless bound.
    pub broken: usize,
    /// Declared fill values among the changed ones: readers no longer know them for what they are.
    pub unmasked: usize,
}

impl Default for Comparison {
    fn default() -> Self {
        let (low, high) = (f64::INFINITY, f64::NEG_INFINITY);
        Comparison { points: 0, max_error: 0.0, squares: 0.0, low, high, used: None, changed: 0, broken: 0, unmasked: 0 }
    }
}

impl Comparison {
    pub fn of(pair: &Pair) -> Self {
        let size = pair.element.size.max(1);
        let elements = || pair.original.chunks_exact(size).zip(pair.copy.chunks_exact(size));
        let mut found = Comparison::default();
        if !pair.element.is_bounded() {
            found.changed = elements().filter(|(x, y)| x != y).count();
            found.broken = found.changed;
            return found;
        }
        let mut used = 0f64;
        for (x, y) in elements() {
            found.changed += usize::from(x != y);
            let (original, decoded) = (Value::of(x), Value::of(y));
            if !pair.counts(original, decoded) {
                let lost = if original.is_ordinary(&[]) { &mut found.unmasked } else { &mut found.broken };
                *lost += usize::from(x != y);
                continue;
            }
            let error = original.distance(decoded);
            if let Some(Bound::PointwiseRelative(fraction)) = pair.bound {
                used = used.max(share(error, fraction * original.number.abs()));
            }
            found.max_error = found.max_error.max(error);
            found.squares += error * error;
            found.points += 1;
            if original.is_ordinary(pair.specials) {
                found.low = found.low.min(original.number);
                found.high = found.high.max(original.number);
            }
        }
        found.used = pair.bound.map(|bound| {
            let allowed = bound.error((found.high - found.low).max(0.0));
            match bound {
                Bound::Lossless => {
                    (found.broken, found.unmasked) = (found.changed, 0);
                    0.0
                }
                Bound::PointwiseRelative(_) => used,
                Bound::Absolute(_) | Bound::Relative(_) => share(found.max_error, allowed),
                Bound::Nrmse(_) | Bound::Psnr(_) => mean_share(found.rmse(), allowed),
                Bound::PatchNrmse(_) | Bound::PatchPsnr(_) => mean_share(worst_patch(pair), allowed),
            }
        });
        found
    }

    /// Root mean square error.
    fn rmse(&self) -> f64 {
        (self.squares / self.points.max(1) as f64).sqrt()
    }

    pub fn add(&mut self, chunk: &Comparison) {
        self.points += chunk.points;
        self.max_error = self.max_error.max(chunk.max_error);
        self.squares += chunk.squares;
        self.low = self.low.min(chunk.low);
        self.high = self.high.max(chunk.high);
        self.used = match (self.used, chunk.used) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.changed += chunk.changed;
        self.broken += chunk.broken;
        self.unmasked += chunk.unmasked;
    }

    /// Root mean square error over the range of the whole data set.
    pub fn nrmse(&self) -> Option<f64> {
        let range = self.high - self.low;
        (self.points > 0 && range > 0.0).then(|| self.rmse() / range)
    }

    /// In decibel, of the whole data set; infinite where nothing differs.
    pub fn psnr(&self) -> Option<f64> {
        self.nrmse().map(|nrmse| -20.0 * nrmse.log10())
    }
}

/// [`Comparison::rmse`] of the patch in which it is largest.
fn worst_patch(pair: &Pair) -> f64 {
    let size = pair.element.size.max(1);
    let patches = Patches::new(pair.shape);
    let mut sums = vec![(0.0, 0.0); patches.count()];
    let values = pair.original.chunks_exact(size).zip(pair.copy.chunks_exact(size));
    for (patch, (x, y)) in patches.of_points().zip(values) {
        let (original, decoded) = (Value::of(x), Value::of(y));
        if pair.counts(original, decoded) {
            let (squares, points) = sums[patch];
            sums[patch] = (squares + original.distance(decoded).powi(2), points + 1.0);
        }
    }
    sums.into_iter().map(|(squares, points)| (squares / f64::max(points, 1.0)).sqrt()).fold(0.0, f64::max)
}

/// How much of a bound an error uses up; without error nothing, even of a bound of 0.
fn share(error: f64, bound: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / bound }
}

/// The same of a root mean square.
fn mean_share(rmse: f64, bound: f64) -> f64 {
    let share = share(rmse, bound);
    if share > 1.0 && share <= 1.0 + SUM_ROUNDING { 1.0 } else { share }
}

/// A binary32 or binary64 number.
#[derive(Clone, Copy)]
pub struct Value {
    bits: u64,
    pub number: f64,
}

impl Value {
    /// From its four or eight little-endian bytes.
    pub fn of(bytes: &[u8]) -> Self {
        match *bytes {
            [a, b, c, d] => {
                let bits = u32::from_le_bytes([a, b, c, d]);
                Value { bits: bits.into(), number: f32::from_bits(bits).into() }
            }
            _ => {
                let bits = u64::from_le_bytes(bytes.try_into().expect("floats have four or eight bytes"));
                Value { bits, number: f64::from_bits(bits) }
            }
        }
    }

    /// A NaN in the place of a number is no small error.
    fn distance(self, decoded: Value) -> f64 {
        let distance = (self.number - decoded.number).abs();
        if distance.is_nan() { f64::INFINITY } else { distance }
    }

    /// Whether it belongs to the field: no NaN, no fill.
    pub fn is_ordinary(self, specials: &[u64]) -> bool {
        self.number.abs() < HUGE && !specials.contains(&self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(original: &[f32], copy: &[f32], bound: &str) -> Comparison {
        compare_beside(original, copy, &[], &[], bound)
    }

    fn compare_beside(original: &[f32], copy: &[f32], specials: &[f32], fills: &[f32], bound: &str) -> Comparison {
        let bytes = |values: &[f32]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits().into()).collect::<Vec<u64>>();
        Comparison::of(&Pair {
            element: Element::F32,
            original: &bytes(original),
            copy: &bytes(copy),
            shape: &[original.len()],
            specials: &bits(specials),
            fills: &bits(fills),
            bound: Some(bound.parse::<caesar_codec::Options>().unwrap().bound),
        })
    }

    const FIELD: [f32; 4] = [0.0, 1.0, 2.0, 4.0];
    const OFF: [f32; 4] = [0.0, 1.25, 2.0, 4.0];

    #[test]
    fn each_bound_has_its_share() {
        for (bound, used) in [
            ("abs=0.25", 1.0),
            ("abs=0.5", 0.5),
            ("rel=0.0625", 1.0),
            ("pw_rel=0.25", 1.0),
            ("nrmse=0.03125", 1.0),
            ("psnr=30.102999566398", 1.0),
            ("patch_nrmse=0.03125", 1.0),
            ("patch_psnr=30.102999566398", 1.0),
            ("abs=0", f64::INFINITY),
        ] {
            let used_up = compare(&FIELD, &OFF, bound).used.unwrap();
            assert!(used_up == used || (used_up - used).abs() < 1e-9, "{bound}: {used_up}");
        }
        assert_eq!(compare(&FIELD, &FIELD, "abs=0").used, Some(0.0));
        assert_eq!(compare(&FIELD, &OFF, "lossless").broken, 1);
    }

    #[test]
    fn what_is_no_field_must_stay() {
        let original = [0.0, f32::NAN, 1e36, f32::INFINITY];
        assert_eq!(compare(&original, &original, "abs=1").broken, 0);
        assert_eq!(compare(&original, &[0.0, 1.0, 2e36, 1.0], "abs=1").broken, 3);
        // Another NaN is another value.
        assert_eq!(compare(&original, &[0.0, f32::from_bits(0x7fc0_0001), 1e36, f32::INFINITY], "abs=1").broken, 1);
    }

    #[test]
    fn a_declared_fill_value_that_moved_is_counted() {
        let found = compare_beside(&FIELD, &OFF, &[], &[1.0], "abs=1");
        assert_eq!((found.unmasked, found.broken, found.points), (1, 0, 3));
        assert_eq!(compare_beside(&FIELD, &FIELD, &[], &[1.0], "abs=1").unmasked, 0);
        assert_eq!(compare_beside(&FIELD, &OFF, &[], &[1.0], "lossless").broken, 1);
    }

    #[test]
    fn what_a_stream_took_for_a_fill_may_change_within_the_bound() {
        let found = compare_beside(&FIELD, &OFF, &[1.0], &[], "abs=0.5");
        assert_eq!((found.broken, found.unmasked, found.used), (0, 0, Some(0.5)));
        assert!(compare_beside(&FIELD, &OFF, &[1.0], &[], "abs=0.1").used.unwrap() > 1.0);
    }

    #[test]
    fn a_nan_for_a_number_breaks_every_bound() {
        let copy = [0.0, f32::NAN, 2.0, 4.0];
        for bound in ["abs=1e9", "rel=1", "pw_rel=1", "nrmse=1", "patch_nrmse=1"] {
            let mut total = compare(&FIELD, &copy, bound);
            assert!(total.used > Some(1.0), "{bound}");
            // Other chunks do not make it good.
            total.add(&compare(&FIELD, &FIELD, bound));
            assert!(total.used > Some(1.0), "{bound}");
        }
    }

    #[test]
    fn a_range_is_that_of_the_field_without_fills() {
        assert!(compare(&FIELD, &OFF, "rel=0.01").used.unwrap() > 1.0);
        let (field, off) = ([0.0, 1.0, 2.0, 4.0, -40.0], [0.0, 1.25, 2.0, 4.0, -40.0]);
        assert!(compare(&field, &off, "rel=0.01").used.unwrap() <= 1.0);
        assert!(compare_beside(&field, &off, &[-40.0], &[], "rel=0.01").used.unwrap() > 1.0);
        assert!(compare_beside(&field, &off, &[], &[-40.0], "rel=0.01").used.unwrap() > 1.0);
    }

    #[test]
    fn the_worst_patch_counts() {
        let original: Vec<f32> = (0..34).map(|i| i as f32 % 5.0).collect();
        // Twelve squared in the second patch, of eight values; then less in the last, of two.
        let mut copy = original.clone();
        copy[12] += 12.0;
        copy[33] += 4.0;
        let used = |rmse: f64| rmse / (4.0 * 0.5);
        assert!((compare(&original, &copy, "patch_nrmse=0.5").used.unwrap() - used(12.0 / 8f64.sqrt())).abs() < 1e-9);
        copy[12] = original[12];
        assert!((compare(&original, &copy, "patch_nrmse=0.5").used.unwrap() - used(4.0 / 2f64.sqrt())).abs() < 1e-9);
    }

    #[test]
    fn a_box_is_cut_out_and_clipped() {
        let bytes: Vec<u8> = (0..12).collect();
        assert_eq!(inside(&bytes, 1, &[3, 4], &[1, 2], &[2, 3]), [6, 7, 10, 11]);
        assert_eq!(inside(&[7, 8], 2, &[], &[], &[]), [7, 8]);
        assert_eq!(inside(&bytes, 2, &[6], &[1], &[9]), bytes[2..]);
    }
}
