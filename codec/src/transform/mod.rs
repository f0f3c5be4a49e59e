//! The integer block transform and the entropy coding of its coefficients: shared by CAESAR-V's latents and by the
//! mean-square residual stage.

mod coder;
mod dct;
mod layout;
mod trellis;

pub use coder::code_blocks;
pub use dct::{FRACTION_BITS, MAX_INPUT_BITS, forward, inverse};
pub use layout::{Layout, MAX_BLOCK, PLANE_OCTAVES, SIDES, TIME_OCTAVES};
pub use trellis::{State, estimate, quantise};

/// Steps to an octave.
pub const STEPS: u8 = 8;

/// 2^(i/8) in 1/256.
const MANTISSAS: [i32; STEPS as usize] = [256, 279, 304, 332, 362, 395, 431, 470];

/// The largest index of a [`step`].
pub const LAST_STEP: u8 = STEPS * 22 - 1;

/// Quantiser steps by index: eight to an octave, in whole lattice units from 1 to 2^22.
pub fn step(index: u8) -> i32 {
    (MANTISSAS[usize::from(index % STEPS)] << (index / STEPS).min(21)) >> 8
}

/// The index of the largest step that is not above `units`.
pub fn step_index(units: i64) -> u8 {
    (0..=LAST_STEP).rev().find(|&i| i64::from(step(i)) <= units).unwrap_or(0)
}
