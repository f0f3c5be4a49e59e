//! Taps fitted to a step by least squares; only the encoder does this, so it may use floats.

use super::details::{DETAILS, Sources, TAP_ONE, Taps};
use super::plane::Plane;

/// Taps are multiples of this.
pub const TAP_STEP: i32 = 16;

/// Some targets of a step with their details, in bins.
pub struct Samples {
    available: [bool; DETAILS],
    details: [Vec<f32>; DETAILS],
    /// Original value less the base.
    target: Vec<f32>,
    /// Targets of the step for each sample.
    share: f64,
    /// The largest detail, in quarters of a lattice unit.
    largest: u32,
}

impl Samples {
    /// About `wanted` targets in whole rows, evenly spread.
    pub fn gather(
        sources: &Sources,
        original: &Plane<i32>,
        mask: Option<&Plane<bool>>,
        bin_bits: u32,
        wanted: usize,
    ) -> Self {
        let available = sources.available();
        let (rows, columns) = (original.rows, original.columns);
        let skip = (rows * columns / wanted).clamp(1, rows);
        let mut samples = Samples {
            available,
            details: Default::default(),
            target: Vec::with_capacity(rows.div_ceil(skip) * columns),
            share: rows as f64 / rows.div_ceil(skip) as f64,
            largest: 0,
        };
        let unit = 1.0 / (4u64 << bin_bits) as f32;
        let (mut base, mut detail) = (vec![0; columns], vec![0; columns]);
        for row in (0..rows).skip(skip / 2 % rows).step_by(skip) {
            let kept = mask.map(|m| m.row(row as isize, 0, columns));
            let keep = |x: usize| kept.is_none_or(|m| !m[x]);
            sources.base_row(row, &mut base);
            let originals = original.row(row as isize, 0, columns);
            let target = originals.iter().zip(&base).map(|(&v, &b)| (v as f32 * 4.0 - b as f32) * unit);
            samples.target.extend(target.enumerate().filter(|&(x, _)| keep(x)).map(|(_, t)| t));
            for index in (0..DETAILS).filter(|&i| available[i]) {
                sources.detail_row(index, row, &base, &mut detail);
                samples.largest = detail.iter().fold(samples.largest, |m, d| m.max(d.unsigned_abs()));
                let kept = detail.iter().enumerate().filter(|&(x, _)| keep(x));
                samples.details[index].extend(kept.map(|(_, &d)| d as f32 * unit));
            }
        }
        samples
    }

    /// Low bits of the details that must go so that the largest fits 16 bits.
    pub fn shift(&self) -> u32 {
        (self.largest >> 14).checked_ilog2().map_or(0, |b| b + 1).min(12)
    }

    fn residuals(&self, taps: &Taps) -> Vec<f32> {
        let mut residuals = self.target.clone();
        for (detail, &tap) in self.details.iter().zip(taps).filter(|(d, t)| !d.is_empty() && **t != 0) {
            let tap = f32::from(tap) / TAP_ONE as f32;
            residuals.iter_mut().zip(detail).for_each(|(r, d)| *r -= tap * d);
        }
        residuals
    }

    /// An estimate of the bits the whole step costs under `taps`.
    pub fn bits(&self, taps: &Taps) -> f64 {
        let bits: f32 = self.residuals(taps).iter().map(|r| (0.15 + r.abs()).log2()).sum();
        f64::from(bits) * self.share
    }

    /// Taps that fit better than `start`, by iteratively reweighted least squares.
    pub fn fit(&self, start: &Taps, rounds: usize) -> Taps {
        let active: Vec<usize> = (0..DETAILS).filter(|&i| self.available[i]).collect();
        let mut taps = *start;
        for _ in 0..rounds {
            let residuals = self.residuals(&taps);
            let weights: Vec<f32> = residuals.iter().map(|r| 1.0 / ((0.3 + r.abs()) * (1.0 + r.abs()))).collect();
            let n = active.len();
            let mut equations = vec![vec![0.0f64; n + 1]; n];
            let mut weighted = vec![0.0f32; weights.len()];
            for (i, &a) in active.iter().enumerate() {
                weighted.iter_mut().zip(&weights).zip(&self.details[a]).for_each(|((o, w), d)| *o = w * d);
                for (j, &b) in active.iter().enumerate().take(i + 1) {
                    equations[i][j] = dot(&weighted, &self.details[b]);
                    equations[j][i] = equations[i][j];
                }
                equations[i][n] = dot(&weighted, &residuals);
            }
            for (i, equation) in equations.iter_mut().enumerate() {
                equation[i] = equation[i] * 1.003 + 0.5;
            }
            for (&a, change) in active.iter().zip(solve(equations)) {
                let tap = f64::from(taps[a]) + change * f64::from(TAP_ONE);
                let steps = (tap / f64::from(TAP_STEP)).round().clamp(-2000.0, 2000.0);
                taps[a] = steps as i16 * TAP_STEP as i16;
            }
        }
        taps
    }
}

/// Dot product in eight lanes.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut lanes = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a8.zip(b8) {
        lanes.iter_mut().zip(a).zip(b).for_each(|((l, a), b)| *l += a * b);
    }
    f64::from(lanes.iter().sum::<f32>() + rest)
}

/// Gaussian elimination of symmetric positive definite equations `[A | b]`.
fn solve(mut equations: Vec<Vec<f64>>) -> Vec<f64> {
    let n = equations.len();
    for i in 0..n {
        let (done, rest) = equations.split_at_mut(i + 1);
        let pivot = &done[i];
        for row in rest {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(pivot).skip(i).for_each(|(r, p)| *r -= factor * p);
        }
    }
    let mut solution = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| equations[i][j] * solution[j]).sum();
        solution[i] = (equations[i][n] - known) / equations[i][i];
    }
    solution
}
