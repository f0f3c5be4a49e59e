//! A bound resolved to numbers: the lattice on which a chunk is coded, and the check of decoded values in the stored type.

use crate::lattice::LATTICE_LIMIT;
use crate::mask::Survey;
use crate::options::Bound;
use crate::value::Value;
use caesar_kernels::{Loops, run};

/// What the lattice's integers stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The value.
    Linear,
    /// The base-2 logarithm of the value's magnitude (a bound relative to each value).
    Logarithmic,
}

/// How lattice integers become values: `origin + step · v`, held within `low..=high`, in f64, then rounded to
/// the stored type. The origin is the middle of the range; clamping never moves a value away from its
/// original and keeps the decoded field inside the range of the data (no negative rain), or 1/128 of the bound outside where that lets both
/// ends be f32: so a stream has them in half as many bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lattice {
    pub domain: Domain,
    pub low: f64,
    pub high: f64,
    pub step: f64,
    /// A quantiser bin is `1 << bin_bits` lattice units.
    pub bin_bits: u32,
}

/// Lattice units a bin has when the range allows it: rounding values to the lattice then costs 1/256 of the bound.
const BIN_BITS: u32 = 8;

impl Lattice {
    /// The finest lattice for values in `low..=high` on which half a bin, plus the rounding of the value to the
    /// lattice and of the result to the stored type, stays within `error`. `None` when no lattice of 2^28 steps does.
    fn new<V: Value>(domain: Domain, low: f64, high: f64, error: f64) -> Option<Lattice> {
        let largest = match domain {
            Domain::Linear => low.abs().max(high.abs()),
            // A relative error of the result is an absolute one of its logarithm.
            Domain::Logarithmic => std::f64::consts::LOG2_E,
        };
        let exact = error - largest * V::ROUNDING;
        let error = if exact > error / 2.0 { exact } else { error / 2.0 };
        let range = high - low;
        (0..=BIN_BITS).rev().find_map(|bin_bits| {
            let half_bin = if bin_bits == 0 { 0.0 } else { (1 << (bin_bits - 1)) as f64 };
            // Twenty bits behind the leading one, as a stream has room for.
            let step = f64::from_bits((error / (half_bin + 0.5)).to_bits() >> 32 << 32);
            // One factor of two in the origin's favour, one for predictions that overshoot.
            let fits = step.is_normal() && range.is_finite() && range / step < f64::from(LATTICE_LIMIT);
            // A constant comes back as it was.
            let short = Some(around(low, high)).filter(|(below, above)| low < high && (low - below).max(above - high) <= error / 128.0);
            let (low, high) = short.unwrap_or((low, high));
            fits.then_some(Lattice { domain, low, high, step, bin_bits })
        })
    }

    /// Whether these numbers, which may come from a stream, make a lattice.
    pub fn is_sound(&self) -> bool {
        self.bin_bits <= BIN_BITS
            && self.low <= self.high
            && self.low.is_finite()
            && self.high.is_finite()
            && self.step.is_normal()
            && self.step > 0.0
    }

    #[inline(always)]
    fn origin(&self) -> f64 {
        self.low + (self.high - self.low) / 2.0
    }

    #[inline(always)]
    fn integer(&self, x: f64) -> i32 {
        let y = (x - self.origin()) * (1.0 / self.step);
        (y + 0.5f64.copysign(y)) as i32
    }

    #[inline(always)]
    fn value(&self, v: i32) -> f64 {
        let x = self.origin() + self.step * f64::from(v);
        // Not `max` and `min`, which leave open which of two zeros they give.
        let x = if x < self.low { self.low } else { x };
        if x > self.high { self.high } else { x }
    }

    /// The lattice integers nearest to values. What a value that is not ordinary gives does not matter.
    pub fn integers<V: Value>(&self, values: &[V]) -> Vec<i32> {
        match self.domain {
            Domain::Linear => run(Integers(self, values)),
            Domain::Logarithmic => values.iter().map(|v| self.integer(v.to_f64().abs().log2())).collect(),
        }
    }

    /// Fills in the values of lattice integers; `negative` says which values below zero stand behind their logarithms.
    pub fn fill<V: Value>(&self, values: &mut [V], integers: &[i32], negative: Option<&[u8]>) {
        let magnitudes = integers.iter().map(|&v| self.value(v));
        match (self.domain, negative) {
            (Domain::Linear, _) => run(Values(self, integers, values)),
            (Domain::Logarithmic, None) => values.iter_mut().zip(magnitudes).for_each(|(value, x)| *value = V::from_f64(exp2(x))),
            (Domain::Logarithmic, Some(negative)) => {
                for ((value, x), &n) in values.iter_mut().zip(magnitudes).zip(negative) {
                    *value = V::from_f64(if n != 0 { -exp2(x) } else { exp2(x) });
                }
            }
        }
    }
}

struct Integers<'a, V>(&'a Lattice, &'a [V]);

impl<V: Value> Loops for Integers<'_, V> {
    type Result = Vec<i32>;

    #[inline(always)]
    fn run(self) -> Vec<i32> {
        let Integers(lattice, values) = self;
        values.iter().map(|v| lattice.integer(v.to_f64())).collect()
    }
}

struct Values<'a, V>(&'a Lattice, &'a [i32], &'a mut [V]);

impl<V: Value> Loops for Values<'_, V> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let Values(lattice, integers, values) = self;
        values.iter_mut().zip(integers).for_each(|(value, &v)| *value = V::from_f64(lattice.value(v)));
    }
}

/// 2^x from additions and multiplications alone, so that every machine gives the same bits (a system's own
/// `exp2` need not); relative error below 2^-50.
fn exp2(x: f64) -> f64 {
    let whole = x.round().clamp(-1100.0, 1100.0);
    let t = (x - whole) * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for n in (1..=14).rev() {
        sum = 1.0 + sum * t / f64::from(n);
    }
    // In two steps, so that a result below the normal range is reached through normal factors.
    let half = (whole / 2.0).trunc();
    let power = |n: f64| f64::from_bits(((n as i64 + 1023) as u64) << 52);
    sum * power(half) * power(whole - half)
}

/// What a chunk's bound comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolved {
    /// Bit for bit: asked for, or nothing cheaper keeps the bound.
    Lossless,
    Lossy(Lattice, Target),
}

/// What every decoded value, or all together, must meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// |x − x'| ≤ this for each value.
    Absolute(f64),
    /// |x − x'| ≤ this · |x| for each value.
    PointwiseRelative(f64),
    /// Mean of (x − x')² over the ordinary values ≤ this.
    MeanSquare(f64),
    /// Mean of (x − x')² over the ordinary values of every patch ([`crate::Patches`]) ≤ this.
    PatchMeanSquare(f64),
}

impl Target {
    /// Whether a decoded value is good enough as it stands (its part of a mean is judged elsewhere).
    pub fn accepts<V: Value>(&self, original: V, decoded: V) -> bool {
        let error = (original.to_f64() - decoded.to_f64()).abs();
        match *self {
            Target::Absolute(bound) => error <= bound,
            Target::PointwiseRelative(bound) => error <= bound * original.to_f64().abs(),
            Target::MeanSquare(_) | Target::PatchMeanSquare(_) => true,
        }
    }
}

/// Resolves a bound for a chunk of values.
///
/// Defined answers for what is not a proper bound: a bound of 0, and a relative bound on a constant, are
/// lossless; so is one too tight for 2^28 steps over the range, or a range beyond f64. A bound wider than the range is kept as
/// it is and costs next to nothing.
pub fn resolve<V: Value>(bound: Bound, survey: &Survey) -> Resolved {
    let error = bound.error(survey.high - survey.low);
    if survey.ordinary == 0 {
        // Nothing but special values: any lattice serves.
        let lattice = Lattice { domain: Domain::Linear, low: 0.0, high: 0.0, step: 1.0, bin_bits: 0 };
        return if bound == Bound::Lossless { Resolved::Lossless } else { Resolved::Lossy(lattice, Target::Absolute(0.0)) };
    }
    let pointwise = |error: f64| match Lattice::new::<V>(Domain::Linear, survey.low, survey.high, error) {
        Some(lattice) if error > 0.0 => Resolved::Lossy(lattice, Target::Absolute(error)),
        _ => Resolved::Lossless,
    };
    match bound {
        Bound::Lossless => Resolved::Lossless,
        Bound::Absolute(_) | Bound::Relative(_) => pointwise(error),
        Bound::PointwiseRelative(fraction) => {
            // The tighter side of the interval: log2(1 + r) < -log2(1 - r).
            let error = fraction.ln_1p() * std::f64::consts::LOG2_E;
            let (low, high) = (survey.smallest.log2(), survey.largest.log2());
            match Lattice::new::<V>(Domain::Logarithmic, low, high, error) {
                Some(lattice) if fraction > 0.0 => Resolved::Lossy(lattice, Target::PointwiseRelative(fraction)),
                _ => Resolved::Lossless,
            }
        }
        Bound::Nrmse(_) | Bound::Psnr(_) => mean_square::<V>(survey, error, EVEN, Target::MeanSquare),
        Bound::PatchNrmse(_) | Bound::PatchPsnr(_) => mean_square::<V>(survey, error, EVEN_IN_PATCHES, Target::PatchMeanSquare),
    }
}

/// An error evenly spread over ±e has a root mean square of e / √3; in a patch it is seldom more than e / 1.25.
const EVEN: f64 = 1.7320508075688772;
const EVEN_IN_PATCHES: f64 = 1.25;

fn mean_square<V: Value>(survey: &Survey, rmse: f64, spread: f64, target: fn(f64) -> Target) -> Resolved {
    let limit = rmse * rmse;
    match Lattice::new::<V>(Domain::Linear, survey.low, survey.high, rmse * spread) {
        // Sums of squares are numbers too.
        Some(lattice) if limit.is_normal() && (limit * survey.ordinary as f64).is_finite() => Resolved::Lossy(lattice, target(limit)),
        _ => Resolved::Lossless,
    }
}

impl Lattice {
    /// The same lattice with bins for another pointwise error; `None` when none fits.
    pub fn with_error<V: Value>(&self, error: f64) -> Option<Lattice> {
        Lattice::new::<V>(self.domain, self.low, self.high, error)
    }

    /// The pointwise error that half a bin stands for.
    pub fn error(&self) -> f64 {
        let half_bin = if self.bin_bits == 0 { 0.0 } else { (1 << (self.bin_bits - 1)) as f64 };
        self.step * (half_bin + 0.5)
    }
}

/// The ends of the narrowest range around another that are f32, or infinite.
fn around(low: f64, high: f64) -> (f64, f64) {
    let (below, above) = (low as f32, high as f32);
    let below = if f64::from(below) > low { below.next_down() } else { below };
    let above = if f64::from(above) < high { above.next_up() } else { above };
    (below.into(), above.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn exp2_is_exact_enough(x in -1070f64..1020.0) {
            let (ours, std) = (exp2(x), x.exp2());
            prop_assert!((ours - std).abs() <= std * 2f64.powi(-49) + f64::from_bits(2), "{x}: {ours} {std}");
        }

        /// Half a bin on the lattice is within the bound in the stored type.
        #[test]
        fn half_a_bin_keeps_the_bound(low in -1e6f32..1e6, range in 1e-3f32..1e7, bound in 1e-6f64..1.0, at in 0f32..1.0, off in -1i32..=1) {
            let high = low + range;
            let survey = Survey { low: low.into(), high: high.into(), ordinary: 2, ..Survey::default() };
            let error = bound * f64::from(high - low);
            if let Resolved::Lossy(lattice, target) = resolve::<f32>(Bound::Absolute(error), &survey) {
                let x = (low + at * (high - low)).clamp(low, high);
                let half = if lattice.bin_bits == 0 { 0 } else { 1 << (lattice.bin_bits - 1) };
                let v = lattice.integers(&[x])[0];
                prop_assert!(v.abs() <= LATTICE_LIMIT);
                let mut decoded = [0.0f32];
                lattice.fill(&mut decoded, &[v + off * half], None);
                let [decoded] = decoded;
                if error > 4.0 * f64::from(low.abs().max(high.abs()) * f32::EPSILON) {
                    prop_assert!(target.accepts(x, decoded), "{x} {decoded} {error}");
                }
            }
        }
    }
}
