//! The integer block transform and the entropy coding of its coefficients: shared by CAESAR-V's latents and by the
//! mean-square residual stage.

mod coder;
mod dct;
mod edges;
mod estimate;
mod layout;
mod partition;
mod trellis;

pub use coder::{BlockCoder, PARTS, Rest, Scale, code_blocks};
pub use dct::{FRACTION_BITS, MAX_INPUT_BITS, forward, inverse, inverse_strip};
pub use estimate::{Estimate, Rates};
pub use layout::{Layout, MAX_BLOCK, PLANE_OCTAVES, Scan};
pub use partition::{Partition, SIDES};
pub use trellis::{State, quantise};

/// Up to where there is anything but zeros.
pub fn used<T: Copy + Default + PartialEq>(values: &[T]) -> usize {
    /// Of so many values at once all are looked at.
    const SOME: usize = 64;
    let is_used = |&value: &T| value != T::default();
    let end = values.rchunks(SOME).position(|some| some.iter().fold(false, |any, value| any | is_used(value)));
    end.map_or(0, |zeros| {
        let values = &values[..values.len() - zeros * SOME];
        values.iter().rposition(is_used).map_or(0, |last| last + 1)
    })
}

/// Bits of a step's mantissa, and so of an octave's steps.
const MANTISSA_BITS: u16 = 8;

/// Steps to an octave.
pub const STEPS: u16 = 1 << MANTISSA_BITS;

/// The largest index of a [`step`].
pub const LAST_STEP: u16 = STEPS * 22 - 1;

/// Bits of an index.
pub const STEP_BITS: u32 = 13;

/// Quantiser steps by index: as many to an octave as there are mantissas, in whole lattice units from 1 to 2^22.
pub fn step(index: u16) -> i32 {
    i32::from(STEPS + index % STEPS) << (index / STEPS).min(21) >> MANTISSA_BITS
}

/// The index of the largest step that is not above `units`.
pub fn step_index(units: i64) -> u16 {
    (0..=LAST_STEP).rev().find(|&i| i64::from(step(i)) <= units).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn used_ends_behind_the_last_that_is_not_zero() {
        for len in [0, 1, 63, 64, 65, 200] {
            let mut values = vec![0; len];
            assert_eq!(super::used(&values), 0);
            for last in 0..len {
                values[last] = -1;
                assert_eq!(super::used(&values), last + 1);
                assert_eq!(super::used(&values[last..]), 1);
            }
        }
    }
}
