//! From sums and filtered details to predictions and classes.

use super::lanes::{LANES, Lanes, clamp_i16};
use super::scratch::Scratch;
use crate::predictor::FILTERS;
use crate::scales::Scales;

/// Replaces the first sixteen predictions and classes.
///
/// # Safety
/// The group has its sums and filtered details.
#[inline(always)]
pub unsafe fn finish<L: Lanes>(
    l: L,
    scales: &Scales,
    group: usize,
    scratch: &Scratch,
    predictions: &mut [i32],
    classes: &mut [u8],
) {
    let Scratch { prediction, shift, log, sums, filtered, .. } = scratch;
    // SAFETY: by contract, here and below.
    let (prediction, shift, log) = unsafe { (prediction.read(l, group), shift.read(l, group), log.read(l, group)) };
    // SAFETY: as above.
    let (offset, scale) = unsafe { (sums[FILTERS].read(l, group), sums[FILTERS + 1].read(l, group)) };
    let mut correction = l.add(l.shl(clamp(l, offset, 16384), log), l.splat(1024));
    for j in (0..FILTERS).step_by(2) {
        // SAFETY: as above.
        let [a, b] = unsafe { [sums[j].read(l, group), sums[j + 1].read(l, group)] };
        let gates = clamp_i16(l, l.pair(a, b), 8191);
        // SAFETY: as above.
        let [a, b] = unsafe { [filtered[j].read(l, group), filtered[j + 1].read(l, group)] };
        let filtered = clamp_i16(l, l.pair(l.shr_by::<12>(a), l.shr_by::<12>(b)), 16384);
        correction = l.dot_i16(correction, gates, filtered);
    }
    // SAFETY: as above.
    let loud = l.sub(l.splat(-1), unsafe { quiet(l, scales, group, scratch) });
    let prediction = l.add(prediction, l.and(l.shl(l.shr_by::<11>(correction), shift), loud));

    let octaves = l.sub(l.shl_by::<11>(l.add(log, shift)), l.splat(scales.bin << 8));
    let quarters = l.shl_by::<2>(l.add(clamp(l, scale, 65536), octaves));
    let class = l.and(l.add(l.shr_by::<11>(l.add(quarters, l.splat(1024))), l.splat(24)), loud);
    predictions[..LANES].copy_from_slice(&l.to_array(prediction));
    classes[..LANES].copy_from_slice(&l.to_u8(l.max(l.min(class, l.splat(67)), l.splat(0))));
}

/// All bits in the lanes of quiet targets, none in the others.
///
/// # Safety
/// The group is gathered.
#[inline(always)]
pub unsafe fn quiet<L: Lanes>(l: L, scales: &Scales, group: usize, scratch: &Scratch) -> L::V {
    // SAFETY: by contract.
    let (scale, shift) = unsafe { (scratch.scale.read(l, group), scratch.shift.read(l, group)) };
    l.shr_by::<31>(l.sub(l.sub(scale, l.splat(1)), l.shr(l.splat(scales.quiet), shift)))
}

#[inline(always)]
fn clamp<L: Lanes>(l: L, v: L::V, limit: i32) -> L::V {
    l.max(l.min(v, l.splat(limit)), l.splat(-limit))
}
