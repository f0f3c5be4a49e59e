//! The integer block transform and the entropy coding of its coefficients: shared by CAESAR-V's latents and by the
//! mean-square residual stage.

mod coder;
mod dct;
mod layout;

pub use coder::code_blocks;
pub use dct::{FRACTION_BITS, MAX_INPUT_BITS, forward, inverse};
pub use layout::Layout;

/// Quantiser steps by index: four to an octave, in whole lattice units.
pub fn step(index: u8) -> i32 {
    let mantissa = [16, 19, 23, 27][usize::from(index % 4)];
    ((mantissa << (index / 4).min(24)) >> 4).max(1)
}

/// The largest index [`step`] tells apart.
pub const LAST_STEP: u8 = 4 * 25 - 1;

/// The index of the largest step that is not above `units`.
pub fn step_index(units: i64) -> u8 {
    (0..=LAST_STEP).rev().find(|&i| i64::from(step(i)) <= units).unwrap_or(0)
}
