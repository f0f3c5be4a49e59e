//! What the tests of all closed-loop methods share.

use crate::lattice::{Coded, LATTICE_LIMIT, Tile};
use crate::options::Effort;
use proptest::prelude::*;

const EFFORTS: [Effort; 3] = [Effort::Fast, Effort::Balanced, Effort::Best];

/// A tile of any shape, of smooth to extreme values, masked or not.
#[derive(Debug)]
pub struct Case {
    pub shape: [usize; 3],
    pub values: Vec<i32>,
    pub mask: Option<Vec<bool>>,
    pub bin_bits: u32,
    pub effort: Effort,
    pub seed: u32,
}

impl Case {
    pub fn tile(&self) -> Tile<'_> {
        Tile { shape: self.shape, values: &self.values, mask: self.mask.as_deref(), bin_bits: self.bin_bits }
    }
}

pub fn cases() -> impl Strategy<Value = Case> {
    let masked = prop_oneof![Just(0), Just(30), Just(90), Just(100)];
    (shapes(), 0u8..5, any::<u32>(), 0u32..=8, masked, 0usize..3).prop_map(|(shape, kind, seed, bin_bits, masked, effort)| {
        let points = 0..shape.iter().product::<usize>();
        let is_masked = |i| (values(3, seed ^ 5, i / 3) as u32 % 100) < masked;
        let mask = (masked > 0).then(|| points.clone().map(is_masked).collect());
        let values = points.map(|i| values(kind, seed, i)).collect();
        Case { shape, values, mask, bin_bits, effort: EFFORTS[effort], seed }
    })
}

/// What the decoder sees is what the encoder foresaw, and within half a bin of the values.
pub fn assert_kept(tile: &Tile, coded: &Coded, decoded: &[i32]) {
    assert!(decoded == coded.decoded, "the decoder sees what the encoder foresaw");
    let half = 1i64 << tile.bin_bits >> 1;
    for i in (0..tile.values.len()).filter(|&i| tile.mask.is_none_or(|m| !m[i])) {
        let off = (i64::from(tile.values[i]) - i64::from(decoded[i])).abs();
        assert!(off <= half, "{} became {} at {i} of {:?}", tile.values[i], decoded[i], tile.shape);
    }
}

pub fn shapes() -> impl Strategy<Value = [usize; 3]> {
    prop_oneof![
        prop::array::uniform3(1usize..12),
        (12usize..80, 1usize..9, 1usize..9).prop_map(|(frames, rows, columns)| [frames, rows, columns]),
        (1usize..40, 1usize..40).prop_map(|(rows, columns)| [1, rows, columns]),
        (1usize..600).prop_map(|n| [1, 1, n]),
        (1usize..200).prop_map(|n| [n, 1, 1]),
        (1usize..30, 1usize..30).prop_map(|(planes, rows)| [planes, rows, 1]),
    ]
}

/// Smooth, rough, packed and extreme values.
pub fn values(kind: u8, seed: u32, index: usize) -> i32 {
    let noise = (index as u32).wrapping_mul(2654435761).wrapping_add(seed).wrapping_mul(0x9e37_79b9) >> 3;
    match kind {
        0 => (index as i32 % 97) * 4000 - 200_000,
        1 => (noise >> 18) as i32 - 1000,
        2 => (noise >> 20) as i32 % 50 * 30_000,
        3 => noise as i32 % LATTICE_LIMIT,
        _ => if noise % 7 == 0 { LATTICE_LIMIT } else { -LATTICE_LIMIT },
    }
}
