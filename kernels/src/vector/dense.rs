//! Dense layers and filters: four outputs of up to four vectors of targets at a time.

use super::lanes::Lanes;
use super::packed::{Layer, Packed, Reduction, TILE, Tile};
use super::scratch::{Plane, Scratch};

/// What a tile multiplies.
trait Dot {
    fn dot<L: Lanes>(l: L, sum: L::V, a: L::V, b: L::V) -> L::V;
}

struct Codes;
struct Details;

impl Dot for Codes {
    #[inline(always)]
    fn dot<L: Lanes>(l: L, sum: L::V, a: L::V, b: L::V) -> L::V {
        l.dot_codes(sum, a, b)
    }
}

impl Dot for Details {
    #[inline(always)]
    fn dot<L: Lanes>(l: L, sum: L::V, a: L::V, b: L::V) -> L::V {
        l.dot_i16(sum, a, b)
    }
}

/// The network.
///
/// # Safety
/// `groups` groups are gathered.
#[inline(always)]
pub unsafe fn network<L: Lanes>(l: L, packed: &Packed, groups: usize, scratch: &mut Scratch) {
    // SAFETY: by contract.
    unsafe {
        if l.network(packed, groups, scratch) {
            return;
        }
        match (L::WIDE, groups) {
            (true, 4) => layers::<L, 4>(l, packed, 0, scratch),
            (true, 3) => layers::<L, 3>(l, packed, 0, scratch),
            (true, 2) => layers::<L, 2>(l, packed, 0, scratch),
            _ => {
                for group in 0..groups {
                    layers::<L, 1>(l, packed, group, scratch);
                }
            }
        }
    }
}

/// The filters over the first `details`.
///
/// # Safety
/// `groups` groups are gathered.
#[inline(always)]
pub unsafe fn filter<L: Lanes>(l: L, packed: &Packed, details: usize, groups: usize, scratch: &mut Scratch) {
    for (t, taps) in packed.filters.iter().enumerate() {
        let (taps, to) = (&taps[..details / 2], &mut scratch.filtered[TILE * t..]);
        // SAFETY: by contract.
        unsafe {
            match (L::WIDE, groups) {
                (true, 4) => tile::<L, Details, 4>(l, &scratch.pairs, taps, [0; TILE], to, 0),
                (true, 3) => tile::<L, Details, 3>(l, &scratch.pairs, taps, [0; TILE], to, 0),
                (true, 2) => tile::<L, Details, 2>(l, &scratch.pairs, taps, [0; TILE], to, 0),
                _ => {
                    for group in 0..groups {
                        tile::<L, Details, 1>(l, &scratch.pairs, taps, [0; TILE], to, group);
                    }
                }
            }
        }
    }
}

/// # Safety
/// G groups from `group` on are gathered.
#[inline(always)]
unsafe fn layers<L: Lanes, const G: usize>(l: L, packed: &Packed, group: usize, scratch: &mut Scratch) {
    let [first, second, last] = &packed.layers;
    let [a, b] = &mut scratch.codes;
    // SAFETY: each reads what is gathered, or what the one before wrote.
    unsafe {
        hidden::<L, G>(l, first, group, a, b);
        hidden::<L, G>(l, second, group, b, a);
        for (t, of) in last.tiles.iter().enumerate() {
            tile::<L, Codes, G>(l, a, weights(last, t), of.bias(L::SIGNED), &mut scratch.sums[TILE * t..], group);
        }
    }
}

#[inline(always)]
fn weights(layer: &Layer, tile: usize) -> &[[i32; TILE]] {
    &layer.weights[layer.quads * tile..][..layer.quads]
}

/// # Safety
/// The layer's inputs are written in `from`.
#[inline(always)]
unsafe fn hidden<L: Lanes, const G: usize>(l: L, layer: &Layer, group: usize, from: &[Plane], to: &mut [Plane]) {
    for (t, tile) in layer.tiles.iter().enumerate() {
        // SAFETY: by contract.
        let sums = unsafe { sums::<L, Codes, G>(l, from, weights(layer, t), tile.bias(L::SIGNED), group) };
        let codes = round(l, tile, sums);
        for g in 0..G {
            to[t].write(l, group + g, codes[g]);
        }
    }
}

/// # Safety
/// As many planes of `from` as there are weights are written.
#[inline(always)]
unsafe fn sums<L: Lanes, D: Dot, const G: usize>(
    l: L,
    from: &[Plane],
    weights: &[[i32; TILE]],
    bias: [i32; TILE],
    group: usize,
) -> [[L::V; G]; TILE] {
    let mut sums = [[l.splat(0); G]; TILE];
    for o in 0..TILE {
        sums[o] = [l.splat(bias[o]); G];
    }
    for (plane, weights) in from.iter().zip(weights) {
        let mut v = [l.splat(0); G];
        for g in 0..G {
            // SAFETY: by contract.
            v[g] = unsafe { plane.read(l, group + g) };
        }
        for o in 0..TILE {
            let weights = l.splat(weights[o]);
            for g in 0..G {
                sums[o][g] = D::dot(l, sums[o][g], v[g], weights);
            }
        }
    }
    sums
}

/// # Safety
/// As [`sums`].
#[inline(always)]
unsafe fn tile<L: Lanes, D: Dot, const G: usize>(
    l: L,
    from: &[Plane],
    weights: &[[i32; TILE]],
    bias: [i32; TILE],
    to: &mut [Plane],
    group: usize,
) {
    // SAFETY: by contract.
    let sums = unsafe { sums::<L, D, G>(l, from, weights, bias, group) };
    for o in 0..TILE {
        for g in 0..G {
            to[o].write(l, group + g, sums[o][g]);
        }
    }
}

/// Codes of four outputs.
#[inline(always)]
pub fn round<L: Lanes, const G: usize>(l: L, tile: &Tile, mut sums: [[L::V; G]; TILE]) -> [L::V; G] {
    if let Some(reduction) = &tile.reduction {
        for o in 0..TILE {
            for g in 0..G {
                sums[o][g] = reduce(l, sums[o][g], reduction, o);
            }
        }
    }
    let mut codes = [l.splat(0); G];
    for g in 0..G {
        codes[g] = l.quantise([sums[0][g], sums[1][g], sums[2][g], sums[3][g]], &tile.rounding);
    }
    codes
}

#[inline(always)]
fn reduce<L: Lanes>(l: L, sum: L::V, by: &Reduction, output: usize) -> L::V {
    let doubled = l.splat(by.doubled[output]);
    let sum = l.shl(sum, doubled);
    let lost = l.min(l.and(sum, l.splat(by.lost[output])), l.splat(1));
    l.or(l.shr(sum, l.splat(by.right[output])), l.or(lost, doubled))
}
