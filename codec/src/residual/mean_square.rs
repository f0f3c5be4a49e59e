//! The mean square stage: corrections of 8 × 8 patches in an orthonormal basis, as CAESAR's (`docs/method-caesar-v.md`, "Residual stage").
//!
//! A patch gets coefficients, all in multiples of the tile's one step, until what it misses is within its limit. The basis is fixed, the
//! cosine transform: a trained one would have to be stored with every tile and would cap the ratio.

use super::errors::Errors;
use super::pursuit::Pursuit;
use crate::entropy::{BitCoder, Decoder, Encoder};
use crate::lattice::Tile;
use crate::patches::{PATCH, Patches, SIDE};
use crate::transform::{self, BlockCoder, Layout, MAX_INPUT_BITS, State};

/// The step, in root mean square errors. In steps of two a patch with every coefficient coded is always within its limit, in steps of √12
/// it is in the mean; few patches need more than a few.
const STEP: f64 = 3.1;
/// Below, rounding in the transform would be too much of what is allowed, in lattice units.
const LEAST: f64 = 4.0;
/// Rounds in which patches that rounding keeps from their limit get a smaller one.
const ROUNDS: usize = 4;
/// Halvings in the search for the least gain that is worth a code, and where it starts, in squared steps.
const HALVINGS: usize = 10;
const MOST_GAIN: f64 = 64.0;

/// Codes for what a prediction lacks.
pub struct Correction {
    pub step: u16,
    layout: Layout,
    codes: Vec<i32>,
}

impl Correction {
    /// A correction to the target, for patches but for a few points, which are then to be repaired. `None` where there is none:
    /// integers are too coarse for the target, or the residual is too large for the transform.
    pub fn find(tile: &Tile, prediction: &[i32], errors: &Errors) -> Option<Correction> {
        let rms = errors.mean().sqrt();
        if rms < LEAST {
            return None;
        }
        let pursuit = Pursuit::new(tile, prediction, &Patches::new(&tile.shape))?;
        let layout = Layout::new(tile.shape, 1, SIDE);
        let mut correction = Correction { step: transform::step_index((STEP * rms) as i64), codes: vec![0; layout.len()], layout };
        correction.codes = match errors.by_patch() {
            true => correction.of_patches(&pursuit, prediction, errors),
            false => correction.of_tile(&pursuit, prediction, errors)?,
        };
        Some(correction)
    }

    /// Codes that bring every patch to its limit, as nearly as the step allows.
    fn of_patches(&self, pursuit: &Pursuit, prediction: &[i32], errors: &Errors) -> Vec<i32> {
        let missed = errors.squares(prediction);
        let mut limits = errors.allowed.clone();
        let mut codes = vec![0; self.layout.len()];
        for round in 0..ROUNDS {
            let left = errors.squares(&apply(prediction.to_vec(), &codes, self.step, &self.layout));
            for patch in (0..left.len()).filter(|&patch| left[patch] > errors.allowed[patch]) {
                if round > 0 {
                    limits[patch] *= 0.98 * errors.allowed[patch] / left[patch];
                }
                let codes = &mut codes[patch * PATCH..][..PATCH];
                pursuit.codes(patch, transform::step(self.step) as f32, missed[patch], limits[patch], 0.0, codes);
            }
        }
        codes
    }

    /// Codes for everything that gains more than the most without which the tile keeps its limit.
    fn of_tile(&self, pursuit: &Pursuit, prediction: &[i32], errors: &Errors) -> Option<Vec<i32>> {
        let step = transform::step(self.step) as f32;
        let above = |gain: f64| {
            let mut codes = vec![0; self.layout.len()];
            for (patch, codes) in codes.chunks_exact_mut(PATCH).enumerate() {
                pursuit.codes(patch, step, f64::INFINITY, 0.0, gain * f64::from(step * step), codes);
            }
            errors.kept(&apply(prediction.to_vec(), &codes, self.step, &self.layout)).then_some(codes)
        };
        let mut best = above(0.0)?;
        let (mut low, mut high) = (0.0, MOST_GAIN);
        for _ in 0..HALVINGS {
            let gain = 0.5 * (low + high);
            match above(gain) {
                Some(codes) => (low, best) = (gain, codes),
                None => high = gain,
            }
        }
        Some(best)
    }

    /// Writes the codes and returns the corrected values.
    pub fn encode(mut self, coder: &mut Encoder, prediction: Vec<i32>) -> Vec<i32> {
        code(coder, &mut self.codes, &self.layout);
        apply(prediction, &self.codes, self.step, &self.layout)
    }
}

pub fn decode(coder: &mut Decoder, prediction: Vec<i32>, shape: [usize; 3], step: u16) -> Vec<i32> {
    let layout = Layout::new(shape, 1, SIDE);
    let mut codes = vec![0; layout.len()];
    code(coder, &mut codes, &layout);
    apply(prediction, &codes, step, &layout)
}

/// Writes codes, or reads others.
fn code<C: BitCoder>(coder: &mut C, codes: &mut [i32], layout: &Layout) {
    transform::code_blocks(coder, codes, BlockCoder::new(layout, None, None, State::PLAIN));
}

fn apply(mut prediction: Vec<i32>, codes: &[i32], step: u16, layout: &Layout) -> Vec<i32> {
    const LIMIT: i64 = 1 << MAX_INPUT_BITS;
    let step = i64::from(transform::step(step));
    let image = transform::inverse(codes, layout, |codes, coefficients| {
        for (c, &k) in coefficients.iter_mut().zip(codes) {
            *c = (i64::from(k) * step).clamp(-LIMIT, LIMIT) as i32;
        }
        codes.iter().rposition(|&k| k != 0).map_or(0, |last| last + 1)
    });
    for (p, &c) in prediction.iter_mut().zip(&image) {
        *p = p.wrapping_add(c);
    }
    prediction
}
