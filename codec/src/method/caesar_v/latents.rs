//! Latents: the coefficients of the block transform in units of the step.

use crate::entropy::BitCoder;
use crate::transform::{self, BlockCoder, Estimate, FRACTION_BITS, Layout, Rates, Signs, State};
use caesar_kernels::{Team, look_until};
use std::sync::mpsc;

/// Latents stay below this in magnitude, so that what follows stays within 32 bits.
const LIMIT: i32 = 1 << (transform::MAX_INPUT_BITS - FRACTION_BITS);

/// Codes the latents of a tile, strip of blocks after strip.
pub struct LatentCoder<'a, C> {
    layout: &'a Layout,
    blocks: BlockCoder<'a>,
    coder: &'a mut C,
    /// Where they have a code of their own.
    signs: Option<(Signs<'a>, &'a mut C)>,
}

impl<'a, C: BitCoder + Send> LatentCoder<'a, C> {
    /// `scale`: when a hyperprior gives one. `signs`: for a code of their own.
    pub fn new(coder: &'a mut C, signs: Option<&'a mut C>, scale: Option<&'a transform::Scale>, layout: &'a Layout, skipped: &'a [bool]) -> Self {
        let blocks = BlockCoder::new(layout, scale, Some(skipped), State::DEPENDENT);
        let blocks = if signs.is_some() { blocks.without_signs() } else { blocks };
        let signs = signs.map(|coder| (Signs::apart(layout, Some(skipped)), coder));
        LatentCoder { layout, blocks, coder, signs }
    }

    pub fn code(mut self, latents: &mut [i32]) {
        let strip = self.layout.strip_len().max(1);
        latents.chunks_exact_mut(strip).enumerate().for_each(|(i, latents)| self.code_strip(i, latents));
    }

    fn code_strip(&mut self, strip: usize, latents: &mut [i32]) {
        self.blocks.code_strip(self.coder, strip, latents);
        if let Some((signs, coder)) = &mut self.signs {
            signs.code_strip(*coder, &self.blocks.take_unsigned(), strip, latents);
        }
    }

    /// Reads each strip in its turn.
    pub fn reader(mut self) -> impl FnMut(usize) -> Vec<i32> + Send {
        move |strip| {
            let mut latents = vec![0; self.layout.strip_len()];
            self.code_strip(strip, &mut latents);
            latents
        }
    }

    /// Reads on two threads: magnitudes of all strips on one, signs of each strip in its turn on another, which waits for them.
    pub fn readers(self) -> (impl FnOnce() + 'a, impl FnMut(usize) -> Vec<i32> + Send + 'a) where C: 'a {
        let LatentCoder { layout, mut blocks, coder, signs } = self;
        let (sender, receiver) = mpsc::channel();
        let magnitudes = move || {
            for strip in 0..layout.strips() {
                let mut latents = vec![0; layout.strip_len()];
                blocks.code_strip(coder, strip, &mut latents);
                // Nobody receives it where the other thread failed.
                let _ = sender.send((latents, blocks.take_unsigned()));
            }
        };
        let mut signs = signs;
        let latents = move |strip: usize| {
            let mut magnitudes = None;
            look_until(|| {
                magnitudes = receiver.try_recv().ok();
                magnitudes.is_some()
            });
            let (mut latents, unsigned) = magnitudes.or_else(|| receiver.recv().ok()).expect("magnitudes of every strip");
            if let Some((signs, coder)) = &mut signs {
                signs.code_strip(*coder, &unsigned, strip, &mut latents);
            }
            latents
        };
        (magnitudes, latents)
    }
}

/// So many signs are worth a code of their own.
const MANY_SIGNS: usize = 10_000;

pub fn are_signs_many(latents: &[i32]) -> bool {
    latents.iter().filter(|&&q| q != 0).count() >= MANY_SIGNS
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
pub fn quantise(coefficients: &[f32], step: i32, layout: &Layout, skip: &[bool], rates: &Rates, team: Team) -> Vec<i32> {
    transform::quantise(coefficients, scale(step), layout, skip, rates, WEIGHT, team)
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
