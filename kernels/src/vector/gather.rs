//! From surroundings to details and codes.

use super::lanes::{LANES, Lanes};
use super::scratch::Scratch;
use crate::row::{OWN, References, Row};
use crate::scales::Scales;

/// A small positive number in both halves of a pair.
#[inline(always)]
fn both<L: Lanes>(l: L, x: L::V) -> L::V {
    l.or(x, l.shl_by::<16>(x))
}

/// A number in both halves of a pair.
const fn twice(x: i16) -> i32 {
    (x as u16 as i32) << 16 | x as u16 as i32
}

/// Details and codes of the targets from `x` on.
///
/// # Safety
/// The row was checked, and sixteen targets begin at `x`.
#[inline(always)]
pub unsafe fn gather<L: Lanes>(
    l: L,
    row: &Row,
    scales: &Scales,
    x: usize,
    prediction: L::V,
    group: usize,
    scratch: &mut Scratch,
) {
    let (quads, _) = row.own.as_chunks::<4>();
    let mut extent = l.splat(0);
    for own in quads {
        // SAFETY: by contract, here and below.
        let [a, b, c, d] = unsafe { [at(l, own[0], x), at(l, own[1], x), at(l, own[2], x), at(l, own[3], x)] };
        let ab = l.or(l.abs(l.sub(a, prediction)), l.abs(l.sub(b, prediction)));
        let cd = l.or(l.abs(l.sub(c, prediction)), l.abs(l.sub(d, prediction)));
        extent = l.or(extent, l.or(ab, cd));
    }
    // The length of what exceeds 14 bits; the exponent of zero is far below.
    let shift = l.shr_zeros_by::<23>(l.float_bits(l.shr_zeros_by::<14>(extent)));
    let shift = l.max(l.sub(shift, l.splat(126)), l.splat(0));
    let half = l.shr_by::<1>(l.shl(l.splat(1), shift));

    let narrow = Narrow { l, shift, half, limit: l.splat(twice(1 << 14)), below: l.splat(twice(-1 << 14)) };
    let (base, share) = (l.sub(half, prediction), l.splat(twice(scales.share as i16)));
    let (mut sums, mut nearest) = ([l.splat(0); 2], l.splat(0));
    for (i, own) in quads.iter().enumerate() {
        // SAFETY: as above.
        let [a, b, c, d] = unsafe { [at(l, own[0], x), at(l, own[1], x), at(l, own[2], x), at(l, own[3], x)] };
        // No detail exceeds 2^14, for the shift is theirs.
        let pairs = [
            l.pair(narrow.detail(a, base), narrow.detail(b, base)),
            l.pair(narrow.detail(c, base), narrow.detail(d, base)),
        ];
        if i == 0 {
            nearest = l.dot_i16(l.dot_i16(nearest, pairs[0], l.splat(twice(1))), pairs[1], l.splat(twice(1)));
        }
        for k in 0..2 {
            sums[k] = l.dot_i16(sums[k], l.abs_i16(pairs[k]), share);
            scratch.pairs[2 * i + k].write(l, group, pairs[k]);
        }
    }

    let bins = Bins { l, shift, offset: l.sub(l.shl_by::<3>(shift), l.splat(scales.bin + LOG8_BIAS)) };
    let scale = bins.plus(l.shr_by::<8>(l.add(sums[0], sums[1])), scales.noise);
    let log = l.sub(l.shr_zeros_by::<23>(l.float_bits(scale)), l.splat(127));
    scratch.prediction.write(l, group, prediction);
    scratch.shift.write(l, group, shift);
    scratch.log.write(l, group, log);

    let coder = Coder::new(l, log);
    let codes = &mut scratch.codes[0];
    for i in 0..quads.len() {
        // SAFETY: written above.
        let (a, b) = unsafe { (scratch.pairs[2 * i].read(l, group), scratch.pairs[2 * i + 1].read(l, group)) };
        codes[i].write(l, group, l.codes(coder.small(a), coder.small(b)));
    }
    if quads.len() < OWN / 4 {
        let zero = l.splat(0);
        scratch.pairs[OWN / 2 - 2].write(l, group, zero);
        scratch.pairs[OWN / 2 - 1].write(l, group, zero);
        codes[OWN / 4 - 1].write(l, group, l.codes(zero, zero));
    }
    let near = bins.log(bins.plus(l.abs(nearest), scales.near));
    let level = l.splat(scales.level & 0xffff | scales.resolution << 16);
    codes[7].write(l, group, l.codes(l.pair(bins.log(scale), near), level));
    let mut activity = [l.splat(0); 4];
    for i in 0..4 {
        // SAFETY: by contract.
        let k = l.load_i16(unsafe { chunk(row.activity[i], x) });
        let k = l.min(l.max(k, l.splat(0)), l.splat(16383));
        activity[i] = l.sub(log8(l, l.add(l.shl_by::<4>(k), l.splat(1))), l.splat(LOG8_BIAS + 32));
    }
    codes[8].write(l, group, l.codes(l.pair(activity[0], activity[1]), l.pair(activity[2], activity[3])));
    if let Some(references) = &row.references {
        // SAFETY: by contract.
        unsafe { referred(l, references, scales, x, prediction, group, scratch, &narrow, &coder, &bins) };
    }
}

/// Details and codes of the reference frames.
///
/// # Safety
/// As [`gather`].
#[expect(clippy::too_many_arguments, reason = "one more stage of the function above")]
#[inline(always)]
unsafe fn referred<L: Lanes>(
    l: L,
    references: &References,
    scales: &Scales,
    x: usize,
    prediction: L::V,
    group: usize,
    scratch: &mut Scratch,
    narrow: &Narrow<L>,
    coder: &Coder<L>,
    bins: &Bins<L>,
) {
    let zero = l.splat(0);
    // SAFETY: by contract, here and below.
    let target = unsafe { at(l, references.mean[0], x) };
    let base = l.sub(narrow.half, target);
    // Mean 0 to 12, difference 0 to 4.
    let mut details = [zero; 18];
    details[0] = narrow.detail(target, l.sub(narrow.half, prediction));
    for i in 1..13 {
        // SAFETY: as above.
        details[i] = narrow.detail(unsafe { at(l, references.mean[i], x) }, base);
    }
    if let Some(difference) = &references.difference {
        for i in 0..5 {
            // SAFETY: as above.
            details[13 + i] = narrow.detail(unsafe { at(l, difference[i], x) }, narrow.half);
        }
    }
    let mut pairs = [zero; 9];
    for i in 0..9 {
        pairs[i] = narrow.pair(details[2 * i], details[2 * i + 1]);
    }

    let mut around = l.dot_i16(zero, l.abs_i16(pairs[0]), l.splat(21 << 16));
    for i in 1..6 {
        around = l.dot_i16(around, l.abs_i16(pairs[i]), l.splat(twice(21)));
    }
    around = l.dot_i16(around, l.abs_i16(pairs[6]), l.splat(21));
    // SAFETY: as above.
    let misfit = narrow.pair(narrow.detail(unsafe { at(l, references.misfit, x) }, narrow.half), zero);
    let (first, second) = (l.splat(1), l.splat(1 << 16));
    let of_target = bins.of(l.dot_i16(zero, l.abs_i16(pairs[0]), first), scales);
    let of_mean = l.pair(of_target, bins.of(l.shr_by::<8>(around), scales));
    let of_misfit = l.pair(bins.of(l.dot_i16(zero, l.abs_i16(misfit), first), scales), l.splat(scales.references));
    let of_difference = match references.difference {
        Some(_) => bins.of(l.dot_i16(zero, l.abs_i16(pairs[6]), second), scales),
        None => zero,
    };

    let codes = &mut scratch.codes[0];
    for i in 0..4 {
        codes[9 + i].write(l, group, l.codes(coder.any(pairs[2 * i]), coder.any(pairs[2 * i + 1])));
    }
    codes[13].write(l, group, l.codes(coder.any(pairs[8]), of_mean));
    codes[14].write(l, group, l.codes(of_misfit, l.pair(of_difference, zero)));
    for i in 0..9 {
        scratch.pairs[OWN / 2 + i].write(l, group, pairs[i]);
    }
}

/// # Safety
/// Sixteen values begin at `x`.
#[inline(always)]
pub unsafe fn chunk<T>(slice: &[T], x: usize) -> &[T; LANES] {
    debug_assert!(x + LANES <= slice.len());
    // SAFETY: by contract.
    unsafe { &*slice.as_ptr().add(x).cast() }
}

/// # Safety
/// As [`chunk`].
#[inline(always)]
unsafe fn at<L: Lanes>(l: L, slice: &[i32], x: usize) -> L::V {
    // SAFETY: by contract.
    l.load(unsafe { chunk(slice, x) })
}

/// The exponent of a binary32, and three bits of its mantissa, are eight logarithms more than this.
const LOG8_BIAS: i32 = 8 * 127;

/// Eight logarithms of 1 ≤ x < 2^24, plus [`LOG8_BIAS`].
#[inline(always)]
fn log8<L: Lanes>(l: L, x: L::V) -> L::V {
    l.shr_zeros_by::<20>(l.float_bits(x))
}

/// Logarithms in bins of what is in units of a shift.
struct Bins<L: Lanes> {
    l: L,
    shift: L::V,
    offset: L::V,
}

impl<L: Lanes> Bins<L> {
    #[inline(always)]
    fn log(&self, x: L::V) -> L::V {
        self.l.add(log8(self.l, x), self.offset)
    }

    /// With what is negligible, and one.
    #[inline(always)]
    fn plus(&self, x: L::V, part: i32) -> L::V {
        let l = self.l;
        l.add(x, l.add(l.shr(l.splat(part), self.shift), l.splat(1)))
    }

    /// Of a size.
    #[inline(always)]
    fn of(&self, size: L::V, scales: &Scales) -> L::V {
        self.log(self.plus(size, scales.single))
    }
}

/// From differences to details.
struct Narrow<L: Lanes> {
    l: L,
    shift: L::V,
    half: L::V,
    limit: L::V,
    below: L::V,
}

impl<L: Lanes> Narrow<L> {
    /// `base` is half a unit less what the difference is from.
    #[inline(always)]
    fn detail(&self, value: L::V, base: L::V) -> L::V {
        self.l.shr(self.l.add(value, base), self.shift)
    }

    #[inline(always)]
    fn pair(&self, a: L::V, b: L::V) -> L::V {
        self.l.max_i16(self.l.min_i16(self.l.pair(a, b), self.limit), self.below)
    }
}

/// From details to codes: the product with 2^(4 - log), halves upwards.
struct Coder<L: Lanes> {
    l: L,
    /// Of a small scale, what brings details to one of 5 bits.
    left: L::V,
    factor: L::V,
    /// Beyond these `left` would overflow, and codes are at their limits in any case.
    limit: L::V,
    below: L::V,
}

impl<L: Lanes> Coder<L> {
    #[inline(always)]
    fn new(l: L, log: L::V) -> Self {
        let left = l.max(l.sub(l.splat(5), log), l.splat(0));
        let limit = both(l, l.shr(l.splat(32767), left));
        Coder {
            l,
            left: both(l, l.shl(l.splat(1), left)),
            factor: both(l, l.shl(l.splat(1), l.sub(l.splat(19), l.max(log, l.splat(5))))),
            limit,
            below: l.sub(l.splat(-1), limit),
        }
    }

    /// Of details that made the scale: none is beyond the limits.
    #[inline(always)]
    fn small(&self, pair: L::V) -> L::V {
        self.l.mul_round_i16(self.l.mul_i16(pair, self.left), self.factor)
    }

    #[inline(always)]
    fn any(&self, pair: L::V) -> L::V {
        self.small(self.l.max_i16(self.l.min_i16(pair, self.limit), self.below))
    }
}
