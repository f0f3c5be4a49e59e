//! Latents: the coefficients of the block transform in units of the step.

use super::hyper::Scales;
use crate::entropy::BitCoder;
use crate::transform::{self, BlockCoder, Estimate, FRACTION_BITS, Layout, Rates, State};

/// Latents stay below this in magnitude, so that what follows stays within 32 bits.
const LIMIT: i32 = 1 << (transform::MAX_INPUT_BITS - FRACTION_BITS);

/// Codes the latents of a tile, under a hyperprior's scales when there are any.
pub fn code<C: BitCoder>(coder: &mut C, latents: &mut [i32], scales: Option<&Scales>, layout: &Layout, skipped: &[bool]) {
    let scale = scales.map(Scales::lookup);
    transform::code_blocks(coder, latents, self::coder(layout, scale.as_ref().map(|scale| scale as _), skipped));
}

/// Codes them row of blocks after row of blocks.
pub fn coder<'a>(layout: &'a Layout, scale: Option<&'a transform::Scale>, skipped: &'a [bool]) -> BlockCoder<'a> {
    BlockCoder::new(layout, scale, Some(skipped), State::DEPENDENT)
}

/// Multiples that codes stand for are of 5/8 step: what dependent quantisation errs then is what plain rounding to a step would.
const UNIT: i32 = 40;

/// What values with a code of one are larger than its multiple, in the mean of many fields, in 1/64 step.
const BEYOND_ONE: i32 = 2;

/// Squared units that a bit is worth: where both are cheapest together, flat from 0.2 to 0.5.
const WEIGHT: f32 = 0.35;

/// Units in a lattice unit.
fn scale(step: i32) -> f32 {
    (1 << FRACTION_BITS) as f32 / (step as f32 * UNIT as f32)
}

/// Latents of coefficients in lattice units, found by weighing bits against error.
pub fn quantise(coefficients: &[f32], step: i32, layout: &Layout, skip: &[bool], rates: &Rates, threads: usize) -> Vec<i32> {
    transform::quantise(coefficients, scale(step), layout, skip, rates, WEIGHT, threads)
}

/// About what the latents of blocks of one size cost, in bits and in errors.
pub fn estimate(image: &[f32], step: i32, layout: Layout, skip: &[bool]) -> Estimate {
    Estimate::of(image, layout, scale(step), skip, WEIGHT)
}

/// What a block costs more for `bits`.
pub fn cost_of(bits: f32) -> f32 {
    WEIGHT * bits
}

/// What the latents of a block stand for, in 1/64 step, and up to where they are.
pub fn dequantise(latents: &[i32], points: &mut [i32]) -> usize {
    let used = transform::used(latents);
    let mut state = State::DEPENDENT;
    for (&q, point) in latents[..used].iter().zip(points) {
        let size = q.unsigned_abs().min(LIMIT as u32);
        let size = state.multiple(size) as i32 * UNIT + if size == 1 { BEYOND_ONE } else { 0 };
        *point = if q < 0 { -size } else { size };
        state = state.after(q);
    }
    used
}
