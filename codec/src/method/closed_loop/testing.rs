//! What the tests of all closed-loop methods share.

use crate::lattice::LATTICE_LIMIT;
use crate::options::Effort;
use proptest::prelude::*;

pub const EFFORTS: [Effort; 3] = [Effort::Fast, Effort::Balanced, Effort::Best];

pub fn assert_within_half_a_bin(values: &[i32], decoded: &[i32], mask: Option<&[bool]>, bin_bits: u32) {
    let half = 1i64 << bin_bits >> 1;
    for i in (0..values.len()).filter(|&i| mask.is_none_or(|m| !m[i])) {
        let off = (i64::from(values[i]) - i64::from(decoded[i])).abs();
        assert!(off <= half, "{} became {} at {i}", values[i], decoded[i]);
    }
}

pub fn shapes() -> impl Strategy<Value = [usize; 3]> {
    prop_oneof![
        prop::array::uniform3(1usize..12),
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
