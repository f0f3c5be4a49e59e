//! The mean square stage: block-wise correction of the residual in an orthonormal basis (methods.md 3.1).
//!
//! Every 8 × 8 patch whose residual is longer than τ gets its largest coefficients, in steps of 2ε with τ = 8ε, until what is
//! left is within τ. The basis is fixed, the cosine transform: a trained one would have to be stored with every
//! tile and would cap the ratio. One τ serves the whole tile and is the largest that keeps the target.

use super::Errors;
use crate::entropy::{Decoder, Encoder};
use crate::lattice::Tile;
use crate::transform::{self, BlockCoder, Layout, MAX_INPUT_BITS, State};

const SIDE: usize = 8;
const PATCH: usize = SIDE * SIDE;
/// Trials of a smaller τ, a fiftieth each, before the other stage is taken.
const TRIALS: u32 = 40;

/// A correction that keeps its target.
pub struct Correction {
    pub step: u16,
    layout: Layout,
    codes: Vec<i32>,
}

impl Correction {
    /// The correction with the largest τ that brings the sum of squares to `limit`; `None` where integers are too
    /// coarse for the limit or the residual is too large for the transform.
    pub fn find(tile: &Tile, prediction: &[i32], limit: u128, errors: &Errors) -> Option<Correction> {
        let layout = Layout::new(tile.shape, 1, SIDE);
        let residual: Vec<i32> = (0..prediction.len())
            .map(|i| if tile.mask.is_some_and(|m| m[i]) { 0 } else { tile.values[i] - prediction[i] })
            .collect();
        if residual.iter().any(|r| r.unsigned_abs() >> MAX_INPUT_BITS != 0) {
            return None;
        }
        let residual: Vec<f32> = residual.into_iter().map(|r| r as f32).collect();
        let coefficients: Vec<i32> = transform::forward(&residual, &layout, None, 1).into_iter().map(|c| c.round() as i32).collect();
        let order: Vec<u8> = coefficients.chunks_exact(PATCH).flat_map(by_size).collect();
        let mut low = 0.0;
        let mut high = coefficients.chunks_exact(PATCH).map(norm).fold(0.0, f64::max).sqrt();
        for _ in 0..12 {
            let tau = 0.5 * (low + high);
            let left = correct(&coefficients, &order, tau).map_or(f64::INFINITY, |(_, _, left)| left);
            if left <= limit as f64 { low = tau } else { high = tau }
        }
        // Rounding in the transform may cost a little more than the sum over coefficients says.
        (0..TRIALS).find_map(|trial| {
            let (step, codes, _) = correct(&coefficients, &order, low * f64::from(50 - trial) / 50.0)?;
            let correction = Correction { step, layout: layout.clone(), codes };
            let decoded = apply(prediction.to_vec(), &correction.codes, step, &correction.layout);
            (errors.square(&decoded) <= limit).then_some(correction)
        })
    }

    /// Writes the codes and returns the corrected values.
    pub fn encode(mut self, coder: &mut Encoder, prediction: Vec<i32>) -> Vec<i32> {
        transform::code_blocks(coder, &mut self.codes, BlockCoder::new(&self.layout, None, None, State::PLAIN));
        apply(prediction, &self.codes, self.step, &self.layout)
    }
}

pub fn decode(coder: &mut Decoder, prediction: Vec<i32>, shape: [usize; 3], step: u16) -> Vec<i32> {
    let layout = Layout::new(shape, 1, SIDE);
    let mut codes = vec![0; layout.len()];
    transform::code_blocks(coder, &mut codes, BlockCoder::new(&layout, None, None, State::PLAIN));
    apply(prediction, &codes, step, &layout)
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

fn norm(patch: &[i32]) -> f64 {
    patch.iter().map(|&c| f64::from(c) * f64::from(c)).sum()
}

/// Positions of a patch's coefficients, largest first.
fn by_size(patch: &[i32]) -> [u8; PATCH] {
    let mut order: [u8; PATCH] = std::array::from_fn(|i| i as u8);
    order.sort_by_key(|&i| std::cmp::Reverse(patch[usize::from(i)].unsigned_abs()));
    order
}

/// Step, codes and remaining sum of squares for one τ; `None` for a τ below what integer steps can do.
fn correct(coefficients: &[i32], order: &[u8], tau: f64) -> Option<(u16, Vec<i32>, f64)> {
    // q = 2ε = τ/4: with every coefficient kept, half a step each stays within τ.
    let units = (tau / 4.0) as i64;
    if units < 2 {
        return None;
    }
    let index = transform::step_index(units);
    let step = transform::step(index);
    let mut codes = vec![0; coefficients.len()];
    let mut total = 0.0;
    for ((patch, order), codes) in
        coefficients.chunks_exact(PATCH).zip(order.chunks_exact(PATCH)).zip(codes.chunks_exact_mut(PATCH))
    {
        let mut left = norm(patch);
        for &i in order {
            if left <= tau * tau {
                break;
            }
            let c = patch[usize::from(i)];
            let code = (c.signum() * ((2 * c.abs() + step) / (2 * step))).clamp(-(1 << 24), 1 << 24);
            let missed = f64::from(c - code * step);
            left += missed * missed - f64::from(c) * f64::from(c);
            codes[usize::from(i)] = code;
        }
        total += left;
    }
    Some((index, codes, total))
}
