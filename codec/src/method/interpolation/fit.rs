//! Weights of clues fitted to the codes of a step; only the encoder does this, so it may use floats.

use super::expect::{UNIT, WEIGHT_LIMIT, WEIGHT_UNIT};
use crate::method::closed_loop::fit::{Equations, FEWEST, Search, log2};
use crate::method::closed_loop::told::change_bits;

/// Some codes of a step with their clues.
#[derive(Clone)]
pub struct ClueSamples<const M: usize> {
    pub clues: [Vec<f32>; M],
    pub magnitudes: Vec<f32>,
    /// Targets of the step for each sample.
    pub share: f64,
    /// Which clues may have a part.
    allowed: [bool; M],
}

impl<const M: usize> ClueSamples<M> {
    /// None yet of a step of so many targets.
    pub fn new(search: Search, rows: usize, columns: usize, allowed: [bool; M]) -> Self {
        let (room, share) = (search.looked_at(rows, columns), search.share(rows, columns));
        ClueSamples { clues: std::array::from_fn(|_| Vec::with_capacity(room)), magnitudes: Vec::with_capacity(room), share, allowed }
    }

    /// These and others of the same step.
    pub fn and(&self, other: &Self) -> Self {
        let both = |a: &[f32], b: &[f32]| [a, b].concat();
        let clues = std::array::from_fn(|i| both(&self.clues[i], &other.clues[i]));
        ClueSamples { clues, magnitudes: both(&self.magnitudes, &other.magnitudes), ..*self }
    }

    fn expected(&self, weights: &[i16; M]) -> Vec<f32> {
        let mut expected = vec![0.005; self.magnitudes.len()];
        for (clue, &weight) in self.clues.iter().zip(weights).filter(|(_, w)| **w != 0) {
            let weight = f32::from(weight) / UNIT as f32;
            expected.iter_mut().zip(clue).for_each(|(e, c)| *e += weight * c);
        }
        expected
    }

    /// The bits of all codes of the step, were they geometrically distributed.
    fn bits(&self, weights: &[i16; M]) -> f64 {
        let bits = |(&m, e): (&f32, f32)| log2(1.0 + e) + m * log2(1.0 + 1.0 / e);
        f64::from(self.magnitudes.iter().zip(self.expected(weights)).map(bits).sum::<f32>()) * self.share
    }

    /// Weights that pay for being told instead of `start`, or `start`.
    pub fn better_weights(&self, start: &[i16; M]) -> [i16; M] {
        if self.magnitudes.len() < FEWEST {
            return *start;
        }
        let weights = self.fit();
        let gain = self.bits(start) - self.bits(&weights);
        if gain * 0.6 > change_bits(start, &weights, WEIGHT_UNIT) { weights } else { *start }
    }

    /// Weights, none of them negative, under which the expected magnitudes are the likeliest.
    pub fn fit(&self) -> [i16; M] {
        let mean = self.magnitudes.iter().sum::<f32>() / self.magnitudes.len().max(1) as f32;
        let mut expected = vec![mean; self.magnitudes.len()];
        let mut weights = [0; M];
        let allowed: Vec<usize> = (0..M).filter(|&i| self.allowed[i]).collect();
        let clues: Vec<&[f32]> = allowed.iter().map(|&i| &self.clues[i][..]).collect();
        for _ in 0..3 {
            let trust: Vec<f32> = expected.iter().map(|e| 1.0 / ((e + 0.02) * (1.0 + e))).collect();
            let equations = Equations::new(&clues, &trust, &self.magnitudes);
            let mut active: Vec<usize> = (0..allowed.len()).collect();
            loop {
                let found = equations.solve(&active);
                weights = [0; M];
                for (&i, &weight) in active.iter().zip(&found) {
                    let units = (weight * f64::from(UNIT) / f64::from(WEIGHT_UNIT)).round() as i16;
                    weights[allowed[i]] = units.clamp(0, WEIGHT_LIMIT / WEIGHT_UNIT as i16) * WEIGHT_UNIT as i16;
                }
                let before = active.len();
                let mut found = found.iter();
                active.retain(|_| found.next().is_some_and(|w| *w >= 0.0));
                if active.len() == before {
                    break;
                }
            }
            expected = self.expected(&weights);
        }
        weights
    }
}
