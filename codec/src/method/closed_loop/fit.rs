//! Taps fitted to a step by least squares; only the encoder does this, so it may use floats.

use super::details::{Bases, DETAILS, Precision, Sources, TAP_ONE, TAP_UNIT, Taps};
use super::plane::{Phase, Plane};
use super::step::Step;
use super::told::change_bits;
use caesar_kernels::{Team, loops};

/// Reweightings of a fit.
const ROUNDS: usize = 4;

/// Steps with fewer targets tell no numbers of their own.
pub const FEWEST: usize = 64;

/// How hard the encoder looks for numbers to tell.
#[derive(Clone, Copy)]
pub struct Search {
    /// Targets of a step to which they are fitted, at most.
    pub samples: usize,
    /// One in so many targets is enough; small steps are most of the work otherwise.
    pub thinning: usize,
    /// Whether every detail (and every clue) may have a part; each costs the decoder time.
    pub thorough: bool,
    /// What share of a step's bits a network must save, for each bit of a target, to be asked; the decoder has to wait for it.
    pub worth: f64,
}

impl Search {
    fn details(self, sources: &Sources) -> [bool; DETAILS] {
        let essential: &[usize] = if sources.phase == Phase::Centre { &[0, 1, 4, 5] } else { &[0, 1, 2, 6, 7] };
        let available = sources.available();
        std::array::from_fn(|i| available[i] && (self.thorough || essential.contains(&i)))
    }

    /// Which rows of a step are looked at, and which of their columns: about as many targets as wanted.
    pub fn rows(self, rows: usize, columns: usize) -> impl ExactSizeIterator<Item = usize> {
        let wanted = self.samples.min((rows * columns / self.thinning).max(8 * FEWEST));
        let skip = (rows * columns / wanted).clamp(1, rows);
        (skip / 2..rows).step_by(skip)
    }

    pub fn columns(self, columns: usize, mask: Option<&[bool]>) -> Vec<usize> {
        let all = (0..columns).step_by(columns.div_ceil(self.samples));
        all.filter(|&x| mask.is_none_or(|m| !m[x])).collect()
    }

    /// How many targets stand for one that is looked at.
    pub fn share(self, rows: usize, columns: usize) -> f64 {
        (rows * columns) as f64 / self.looked_at(rows, columns) as f64
    }

    /// How many targets are looked at where none is masked.
    pub fn looked_at(self, rows: usize, columns: usize) -> usize {
        self.rows(rows, columns).len() * self.columns(columns, None).len()
    }
}

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
    /// Some targets in whole rows, evenly spread.
    pub fn gather(step: &Step, original: &Plane<i32>, width: i32, search: Search) -> Self {
        let (sources, mask) = (&step.sources, step.mask);
        let available = search.details(sources);
        let (rows, columns) = (original.rows, original.columns);
        let room = search.looked_at(rows, columns);
        let mut samples = Samples {
            available,
            details: available.map(|available| Vec::with_capacity(if available { room } else { 0 })),
            target: Vec::with_capacity(room),
            share: search.share(rows, columns),
            largest: 0,
        };
        let unit = 0.25 / width as f32;
        let (mut bases, mut detail) = (Bases::new(columns), vec![0; columns]);
        for row in search.rows(rows, columns) {
            let kept = search.columns(columns, mask.map(|m| m.row(row as isize, 0, columns)));
            sources.base_rows(row, &mut bases);
            let originals = original.row(row as isize, 0, columns);
            let target = |&x: &usize| (originals[x] as f32 * 4.0 - bases.own[x] as f32) * unit;
            samples.target.extend(kept.iter().map(target));
            for index in (0..DETAILS).filter(|&i| available[i]) {
                sources.detail_row(index, row, &bases, &mut detail);
                samples.largest = detail.iter().fold(samples.largest, |m, d| m.max(d.unsigned_abs()));
                samples.details[index].extend(kept.iter().map(|&x| detail[x] as f32 * unit));
            }
        }
        samples
    }

    pub fn precision(&self) -> Precision {
        Precision::needed(self.largest)
    }

    fn residuals(&self, taps: &Taps) -> Vec<f32> {
        let mut residuals = self.target.clone();
        // Details that the step has not are empty.
        for (detail, &tap) in self.details.iter().zip(taps).filter(|(_, t)| **t != 0) {
            add_under(detail, -f32::from(tap) / TAP_ONE as f32, &mut residuals);
        }
        residuals
    }

    /// An estimate of the bits the whole step costs under `taps`.
    fn bits(&self, taps: &Taps) -> f64 {
        f64::from(bits_of(&self.residuals(taps))) * self.share
    }

    /// Taps that pay for being told instead of `start`, or `start`.
    pub fn better_taps(&self, start: &Taps, team: &Team) -> Taps {
        if self.target.len() < FEWEST {
            return *start;
        }
        // Where much is quiet, only its taps count; elsewhere all residuals do.
        let (quiet, all) = team.join(
            || self.fit(start, |r| 1.0 / ((0.3 + r) * (1.0 + r))),
            || self.fit(start, |r| 1.0 / ((0.5 + r) * (0.5 + r).sqrt().sqrt())),
        );
        let taps = if self.bits(&quiet) < self.bits(&all) { quiet } else { all };
        let gain = self.bits(start) - self.bits(&taps);
        if gain > change_bits(start, &taps, TAP_UNIT) { taps } else { *start }
    }

    /// Iteratively reweighted least squares: code length grows with the logarithm of the residual.
    fn fit(&self, start: &Taps, weight: impl Fn(f32) -> f32) -> Taps {
        let active: Vec<usize> = (0..DETAILS).filter(|&i| self.available[i]).collect();
        let details: Vec<&[f32]> = active.iter().map(|&i| &self.details[i][..]).collect();
        let mut taps = *start;
        for _ in 0..ROUNDS {
            let residuals = self.residuals(&taps);
            let weights: Vec<f32> = residuals.iter().map(|r| weight(r.abs())).collect();
            let changes = least_squares(&details, &weights, &residuals);
            for (&a, change) in active.iter().zip(changes) {
                let tap = f64::from(taps[a]) + change * f64::from(TAP_ONE);
                let units = (tap / f64::from(TAP_UNIT)).round().clamp(-2000.0, 2000.0);
                taps[a] = units as i16 * TAP_UNIT as i16;
            }
        }
        taps
    }
}

/// The binary logarithm of a positive number, to a hundredth: fast, and enough to compare costs.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    let bits = x.to_bits();
    let mantissa = f32::from_bits(bits & 0x7f_ffff | 0x3f80_0000);
    (bits >> 23) as f32 - 128.0 + (-0.344_848_4 * mantissa + 2.024_665_8) * mantissa - 0.674_877_6
}

loops! {
    /// About the bits of residuals in bins.
    pub fn bits_of(residuals: &[f32]) -> f32 {
        let mut lanes = [0.0f32; 8];
        let (whole, rest) = residuals.as_chunks::<8>();
        for eight in whole {
            for (lane, r) in lanes.iter_mut().zip(eight) {
                *lane += log2(0.15 + r.abs());
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().map(|r| log2(0.15 + r.abs())).sum::<f32>()
    }
}

loops! {
    /// Adds numbers under a factor to `sums`.
    pub fn add_under(numbers: &[f32], factor: f32, sums: &mut [f32]) {
        sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += factor * number);
    }
}

loops! {
    fn multiply(a: &[f32], b: &[f32], out: &mut [f32]) {
        out.iter_mut().zip(a).zip(b).for_each(|((out, a), b)| *out = a * b);
    }
}

/// The factors under which the sum of `columns` comes nearest to `target`, by slightly damped weighted least squares.
pub fn least_squares(columns: &[&[f32]], weights: &[f32], target: &[f32]) -> Vec<f64> {
    let n = columns.len();
    let mut equations = vec![vec![0.0f64; n + 1]; n];
    for from in (0..weights.len()).step_by(NEAR) {
        let near = from..(from + NEAR).min(weights.len());
        let columns: Vec<&[f32]> = columns.iter().map(|column| &column[near.clone()]).collect();
        add_products(&columns, &weights[near.clone()], &target[near], &mut equations);
    }
    for i in 0..n {
        for j in 0..i {
            equations[j][i] = equations[i][j];
        }
        equations[i][i] = equations[i][i] * 1.003 + 0.5;
    }
    solve(equations)
}

/// So many numbers of each column stay in the nearest cache while all are multiplied with all.
const NEAR: usize = 1024;

/// Adds the products of some numbers of all columns: with each other, the lower half of them, and with the target.
fn add_products(columns: &[&[f32]], weights: &[f32], target: &[f32], equations: &mut [Vec<f64>]) {
    let n = columns.len();
    let mut weighted = vec![0.0f32; weights.len()];
    let mut others = Vec::with_capacity(n + 1);
    for (i, (column, equation)) in columns.iter().zip(equations).enumerate() {
        multiply(column, weights, &mut weighted);
        others.clear();
        others.extend_from_slice(&columns[..=i]);
        others.push(target);
        let products = others.chunks(TOGETHER).flat_map(|some| {
            // The last few are filled up; whom they belong to nobody asks.
            dots(&weighted, std::array::from_fn(|k| some.get(k).copied().unwrap_or(target)))
        });
        for (j, product) in products.take(i + 2).enumerate() {
            equation[if j <= i { j } else { n }] += product;
        }
    }
}

/// Dot products that are computed side by side, since each of their sums waits for the one before.
const TOGETHER: usize = 4;

/// Dot products in eight lanes each.
fn dots(a: &[f32], b: [&[f32]; TOGETHER]) -> [f64; TOGETHER] {
    let (a8, rest) = a.as_chunks();
    let b = b.map(|b| b.as_chunks());
    let lanes = products(a8, b.map(|(b8, _)| b8));
    let rests = b.map(|(_, b)| rest.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
    std::array::from_fn(|k| f64::from(lanes[k].iter().sum::<f32>() + rests[k]))
}

loops! {
    fn products(a: &[[f32; 8]], b: [&[[f32; 8]]; TOGETHER]) -> [[f32; 8]; TOGETHER] {
        let mut lanes = [[0.0; 8]; TOGETHER];
        let b = b.map(|b| &b[..a.len()]);
        for (i, a) in a.iter().enumerate() {
            for k in 0..TOGETHER {
                for l in 0..8 {
                    lanes[k][l] += a[l] * b[k][i][l];
                }
            }
        }
        lanes
    }
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

#[cfg(test)]
mod tests {
    use super::log2;

    #[test]
    fn logarithms_are_near() {
        for i in 1..100_000 {
            let x = i as f32 * 0.013;
            assert!((log2(x) - x.log2()).abs() < 0.01, "{x}: {}", log2(x));
        }
    }
}
