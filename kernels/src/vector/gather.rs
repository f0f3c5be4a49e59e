//! From surroundings to details and codes.

use super::lanes::{LANES, Lanes, clamp_i16, twice};
use super::scratch::Scratch;
use crate::row::{OWN, References, Row};
use crate::scales::Scales;

/// Details and codes of the sixteen targets from `x` on.
///
/// # Safety
/// The row was checked, and so many targets begin at `x`.
#[inline(always)]
pub unsafe fn gather<L: Lanes>(
    l: L,
    row: &Row,
    scales: &Scales,
    prediction: &[i32],
    x: usize,
    group: usize,
    scratch: &mut Scratch,
) {
    // SAFETY: by contract.
    unsafe {
        gather_own(l, row, scales, prediction, x, group, scratch);
        gather_rest(l, row, scales, x, group, scratch);
    }
}

/// Their own details, which say whether they are quiet.
///
/// # Safety
/// As [`gather`].
#[inline(always)]
pub unsafe fn gather_own<L: Lanes>(
    l: L,
    row: &Row,
    scales: &Scales,
    prediction: &[i32],
    x: usize,
    group: usize,
    scratch: &mut Scratch,
) {
    // SAFETY: by contract; each stage reads what those before it wrote.
    unsafe {
        shift(l, row.own, prediction, x, group, scratch);
        own_details(l, row.own, scales, x, group, scratch);
    }
}

/// What a network needs beside them.
///
/// # Safety
/// As [`gather`], after [`gather_own`].
#[inline(always)]
pub unsafe fn gather_rest<L: Lanes>(l: L, row: &Row, scales: &Scales, x: usize, group: usize, scratch: &mut Scratch) {
    // SAFETY: by contract; each stage reads what those before it wrote.
    unsafe {
        if let Some(references) = &row.references {
            referred_details(l, references, scales, x, group, scratch);
        }
        codes(l, row, scales, x, group, scratch);
    }
}

/// The shift that brings the differences from a prediction into 14 bits.
///
/// # Safety
/// As [`gather`].
#[inline(always)]
unsafe fn shift<L: Lanes>(l: L, own: &[&[i32]], prediction: &[i32], x: usize, group: usize, scratch: &mut Scratch) {
    // SAFETY: by contract.
    let (prediction, mut extent) = (unsafe { at(l, prediction, x) }, l.splat(0));
    for four in own.as_chunks::<4>().0 {
        // SAFETY: by contract.
        let [a, b, c, d] = unsafe { [at(l, four[0], x), at(l, four[1], x), at(l, four[2], x), at(l, four[3], x)] };
        let ab = l.or(l.abs(l.sub(a, prediction)), l.abs(l.sub(b, prediction)));
        let cd = l.or(l.abs(l.sub(c, prediction)), l.abs(l.sub(d, prediction)));
        extent = l.or(extent, l.or(ab, cd));
    }
    // The length of what exceeds 14 bits; the exponent of zero is far below.
    let length = l.sub(l.shr_zeros_by::<23>(l.float_bits(l.shr_zeros_by::<14>(extent))), l.splat(126));
    scratch.prediction.write(l, group, prediction);
    scratch.shift.write(l, group, l.max(length, l.splat(0)));
}

/// # Safety
/// As [`gather`].
#[inline(always)]
unsafe fn own_details<L: Lanes>(l: L, own: &[&[i32]], scales: &Scales, x: usize, group: usize, scratch: &mut Scratch) {
    // SAFETY: by contract.
    let (prediction, narrow) = unsafe { (scratch.prediction.read(l, group), Narrow::new(l, group, scratch)) };
    let (base, share) = (l.sub(narrow.half, prediction), l.splat(twice(scales.share as i16)));
    let (mut sums, mut nearest) = ([l.splat(0); 2], l.splat(0));
    for (i, four) in own.as_chunks::<4>().0.iter().enumerate() {
        // SAFETY: by contract.
        let [a, b, c, d] = unsafe { [at(l, four[0], x), at(l, four[1], x), at(l, four[2], x), at(l, four[3], x)] };
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
    if own.len() < OWN {
        scratch.pairs[OWN / 2 - 2].write(l, group, l.splat(0));
        scratch.pairs[OWN / 2 - 1].write(l, group, l.splat(0));
    }
    scratch.scale.write(l, group, narrow.plus(l.shr_by::<8>(l.add(sums[0], sums[1])), scales.noise));
    scratch.near.write(l, group, narrow.plus(l.abs(nearest), scales.near));
}

/// # Safety
/// As [`gather`].
#[inline(always)]
unsafe fn referred_details<L: Lanes>(
    l: L,
    references: &References,
    scales: &Scales,
    x: usize,
    group: usize,
    scratch: &mut Scratch,
) {
    let References { mean, misfit, difference } = references;
    // SAFETY: by contract, here and below.
    let (prediction, narrow) = unsafe { (scratch.prediction.read(l, group), Narrow::new(l, group, scratch)) };
    let (zero, first, second) = (l.splat(0), l.splat(1), l.splat(1 << 16));
    // SAFETY: as above.
    let (target, misfit) = unsafe { (at(l, mean[0], x), at(l, misfit, x)) };
    let (own, base) = (l.sub(narrow.half, prediction), l.sub(narrow.half, target));
    let mut of_mean = [zero; 2];
    let mut of_target = zero;
    for i in 0..6 {
        // SAFETY: as above.
        let (a, b) = unsafe { (at(l, mean[2 * i], x), at(l, mean[2 * i + 1], x)) };
        let pair = narrow.pair(narrow.detail(a, if i == 0 { own } else { base }), narrow.detail(b, base));
        let size = l.abs_i16(pair);
        if i == 0 {
            of_target = l.dot_i16(zero, size, first);
        }
        of_mean[i % 2] = l.dot_i16(of_mean[i % 2], size, l.splat(if i == 0 { 21 << 16 } else { twice(21) }));
        scratch.pairs[OWN / 2 + i].write(l, group, pair);
    }
    let mut differences = [zero; 5];
    if let Some(difference) = difference {
        for i in 0..5 {
            // SAFETY: as above.
            differences[i] = narrow.detail(unsafe { at(l, difference[i], x) }, narrow.half);
        }
    }
    // SAFETY: as above.
    let pair = narrow.pair(narrow.detail(unsafe { at(l, mean[12], x) }, base), differences[0]);
    scratch.pairs[OWN / 2 + 6].write(l, group, pair);
    scratch.pairs[OWN / 2 + 7].write(l, group, narrow.pair(differences[1], differences[2]));
    scratch.pairs[OWN / 2 + 8].write(l, group, narrow.pair(differences[3], differences[4]));

    let size = l.abs_i16(pair);
    let around = l.add(l.dot_i16(of_mean[0], size, l.splat(21)), of_mean[1]);
    let misfit = l.abs_i16(narrow.pair(narrow.detail(misfit, narrow.half), zero));
    let sizes = [of_target, l.shr_by::<8>(around), l.dot_i16(zero, misfit, first), l.dot_i16(zero, size, second)];
    let bins = Bins::new(l, narrow.shift, scales);
    let mut logs = [zero; 4];
    for i in 0..if difference.is_some() { 4 } else { 3 } {
        logs[i] = bins.log(narrow.plus(sizes[i], scales.single));
    }
    scratch.sizes[0].write(l, group, l.pair(logs[0], logs[1]));
    scratch.sizes[1].write(l, group, l.pair(logs[2], l.splat(scales.references)));
    scratch.sizes[2].write(l, group, l.pair(logs[3], zero));
}

/// # Safety
/// As [`gather`].
#[inline(always)]
unsafe fn codes<L: Lanes>(l: L, row: &Row, scales: &Scales, x: usize, group: usize, scratch: &mut Scratch) {
    let Scratch { pairs, codes: [codes, _], sizes, .. } = scratch;
    // SAFETY: by contract, here and below.
    let (shift, scale) = unsafe { (scratch.shift.read(l, group), scratch.scale.read(l, group)) };
    // SAFETY: as above.
    let near = unsafe { scratch.near.read(l, group) };
    let log = l.sub(l.shr_zeros_by::<23>(l.float_bits(scale)), l.splat(127));
    scratch.log.write(l, group, log);
    let coder = Coder::new(l, log);
    for i in 0..row.own.len() / 4 {
        // SAFETY: as above.
        let (a, b) = unsafe { (pairs[2 * i].read(l, group), pairs[2 * i + 1].read(l, group)) };
        codes[i].write(l, group, l.codes(coder.small(a), coder.small(b)));
    }
    if row.own.len() < OWN {
        codes[OWN / 4 - 1].write(l, group, l.codes(l.splat(0), l.splat(0)));
    }
    let bins = Bins::new(l, shift, scales);
    let level = l.splat(scales.level & 0xffff | scales.resolution << 16);
    codes[7].write(l, group, l.codes(l.pair(bins.log(scale), bins.log(near)), level));
    let mut activity = [l.splat(0); 4];
    for i in 0..4 {
        // SAFETY: as above.
        let k = l.load_i16(unsafe { chunk(row.activity[i], x) });
        let k = l.min(l.max(k, l.splat(0)), l.splat(16383));
        activity[i] = l.sub(log8(l, l.add(l.shl_by::<4>(k), l.splat(1))), l.splat(LOG8_BIAS + 32));
    }
    codes[8].write(l, group, l.codes(l.pair(activity[0], activity[1]), l.pair(activity[2], activity[3])));
    if row.references.is_none() {
        return;
    }
    for i in 0..4 {
        let of = OWN / 2 + 2 * i;
        // SAFETY: as above.
        let (a, b) = unsafe { (pairs[of].read(l, group), pairs[of + 1].read(l, group)) };
        codes[9 + i].write(l, group, l.codes(coder.any(a), coder.any(b)));
    }
    // SAFETY: as above.
    let (pair, [a, b, c]) = unsafe {
        (pairs[OWN / 2 + 8].read(l, group), [sizes[0].read(l, group), sizes[1].read(l, group), sizes[2].read(l, group)])
    };
    codes[13].write(l, group, l.codes(coder.any(pair), a));
    codes[14].write(l, group, l.codes(b, c));
}

/// # Safety
/// Sixteen values begin at `x`.
#[inline(always)]
unsafe fn chunk<T>(slice: &[T], x: usize) -> &[T; LANES] {
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
    offset: L::V,
}

impl<L: Lanes> Bins<L> {
    #[inline(always)]
    fn new(l: L, shift: L::V, scales: &Scales) -> Self {
        Bins { l, offset: l.sub(l.shl_by::<3>(shift), l.splat(scales.bin + LOG8_BIAS)) }
    }

    #[inline(always)]
    fn log(&self, x: L::V) -> L::V {
        self.l.add(log8(self.l, x), self.offset)
    }
}

/// From differences to details.
struct Narrow<L: Lanes> {
    l: L,
    shift: L::V,
    half: L::V,
}

impl<L: Lanes> Narrow<L> {
    /// # Safety
    /// The group's shift is written.
    #[inline(always)]
    unsafe fn new(l: L, group: usize, scratch: &Scratch) -> Self {
        // SAFETY: by contract.
        let shift = unsafe { scratch.shift.read(l, group) };
        Narrow { l, shift, half: l.shr_by::<1>(l.shl(l.splat(1), shift)) }
    }

    /// `base` is half a unit less what the difference is from.
    #[inline(always)]
    fn detail(&self, value: L::V, base: L::V) -> L::V {
        self.l.shr(self.l.add(value, base), self.shift)
    }

    #[inline(always)]
    fn pair(&self, a: L::V, b: L::V) -> L::V {
        clamp_i16(self.l, self.l.pair(a, b), 1 << 14)
    }

    /// A size with what of it is negligible, and one.
    #[inline(always)]
    fn plus(&self, size: L::V, part: i32) -> L::V {
        let l = self.l;
        l.add(size, l.add(l.shr(l.splat(part), self.shift), l.splat(1)))
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

/// A small positive number in both halves of a pair.
#[inline(always)]
fn both<L: Lanes>(l: L, x: L::V) -> L::V {
    l.or(x, l.shl_by::<16>(x))
}
