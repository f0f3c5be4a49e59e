//! Taps fitted to a step by least squares; only the encoder does this, so it may use floats.

use super::details::{Bases, DETAILS, Precision, Sources, TAP_ONE, TAP_UNIT, Taps};
use super::plane::Phase;
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
    /// How many bits a network must save at each target to be asked; the decoder has to wait for it.
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

/// Appends what is made of some numbers of a row.
pub fn pick<T: Copy, U>(row: &[T], kept: &[usize], made: impl Fn(T) -> U, out: &mut Vec<U>) {
    if kept.len() == row.len() {
        out.extend(row.iter().map(|&x| made(x)));
    } else {
        out.extend(kept.iter().map(|&x| made(row[x])));
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
    pub fn gather(step: &Step, width: i32, search: Search) -> Self {
        let (sources, rows, columns) = (&step.sources, step.rows, step.columns);
        let available = search.details(sources);
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
            let Some(originals) = step.original_row(row) else { break };
            let (line, kept) = (step.line(row), search.columns(columns, step.masked(row)));
            sources.base_rows(line, &mut bases);
            let target = |&x: &usize| (originals[x] as f32 * 4.0 - bases.own[x] as f32) * unit;
            samples.target.extend(kept.iter().map(target));
            for index in (0..DETAILS).filter(|&i| available[i]) {
                sources.detail_row(index, line, &bases, &mut detail);
                samples.largest = detail.iter().fold(samples.largest, |m, d| m.max(d.unsigned_abs()));
                pick(&detail, &kept, |d| d as f32 * unit, &mut samples.details[index]);
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
    pub fn better_taps(&self, start: &Taps, team: Team) -> Taps {
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
        let all: Vec<usize> = (0..active.len()).collect();
        let mut taps = *start;
        for _ in 0..ROUNDS {
            let residuals = self.residuals(&taps);
            let weights: Vec<f32> = residuals.iter().map(|r| weight(r.abs())).collect();
            let changes = Equations::new(&details, &weights, &residuals).solve(&all);
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

/// About the bits of a residual in bins.
#[inline(always)]
fn cost(residual: f32) -> f32 {
    log2(0.15 + residual.abs())
}

loops! {
    /// About the bits of residuals in bins.
    pub fn bits_of(residuals: &[f32]) -> f32 {
        let mut lanes = [0.0f32; 8];
        let (whole, rest) = residuals.as_chunks::<8>();
        for eight in whole {
            for (lane, r) in lanes.iter_mut().zip(eight) {
                *lane += cost(*r);
            }
        }
        lanes.iter().sum::<f32>() + rest.iter().map(|r| cost(*r)).sum::<f32>()
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

/// The normal equations of factors under which the sum of some columns comes nearest to a target: of each two columns the weighted
/// product, the target being the last one.
pub struct Equations {
    products: Vec<f64>,
    /// Of a row of products.
    pitch: usize,
    /// Columns without the target.
    columns: usize,
}

impl Equations {
    pub fn new(columns: &[&[f32]], weights: &[f32], target: &[f32]) -> Self {
        let n = columns.len();
        // The last few are filled up; their products nobody asks for.
        let pitch = (n + 1).next_multiple_of(TOGETHER);
        let mut equations = Equations { products: vec![0.0; pitch * pitch], pitch, columns: n };
        let mut weighted = [(); 2].map(|()| vec![0.0; NEAR]);
        let mut near: Vec<&[f32]> = Vec::with_capacity(pitch);
        for from in (0..weights.len()).step_by(NEAR) {
            let of = from..(from + NEAR).min(weights.len());
            let weights = &weights[of.clone()];
            near.clear();
            near.extend(columns.iter().copied().chain(std::iter::repeat(target)).take(pitch).map(|column| &column[of.clone()]));
            let rows = near.as_chunks::<2>().0.iter().zip(equations.products.chunks_exact_mut(2 * pitch));
            for (i, (rows, sums)) in rows.enumerate() {
                for (row, weighted) in rows.iter().zip(&mut weighted) {
                    multiply(row, weights, weighted);
                }
                let weighted = weighted.each_ref().map(|row| &row[..weights.len()]);
                // The upper half is the same.
                for (j, others) in near.as_chunks::<TOGETHER>().0.iter().enumerate().take(i * 2 / TOGETHER + 1) {
                    for (sums, dots) in sums.chunks_exact_mut(pitch).zip(dots(weighted, *others)) {
                        sums[TOGETHER * j..].iter_mut().zip(dots).for_each(|(sum, dot)| *sum += f64::from(dot));
                    }
                }
            }
        }
        equations
    }

    fn product(&self, i: usize, j: usize) -> f64 {
        self.products[i.max(j) * self.pitch + i.min(j)]
    }

    /// The factors of some columns, the others having none: slightly damped, by Gaussian elimination of symmetric positive definite
    /// equations.
    pub fn solve(&self, active: &[usize]) -> Vec<f64> {
        let (n, width) = (active.len(), active.len() + 1);
        let mut equations = Vec::with_capacity(n * width);
        for (row, &i) in active.iter().enumerate() {
            equations.extend(active.iter().chain([&self.columns]).map(|&j| self.product(i, j)));
            let diagonal: &mut f64 = &mut equations[row * (width + 1)];
            *diagonal = *diagonal * 1.003 + 0.5;
        }
        for i in 0..n {
            let (done, rest) = equations.split_at_mut((i + 1) * width);
            let pivot = &done[i * width..];
            for row in rest.chunks_exact_mut(width) {
                let factor = row[i] / pivot[i];
                row[i..].iter_mut().zip(&pivot[i..]).for_each(|(r, p)| *r -= factor * p);
            }
        }
        let mut solution = vec![0.0; n];
        for (i, row) in equations.chunks_exact(width).enumerate().rev() {
            let known: f64 = (i + 1..n).map(|j| row[j] * solution[j]).sum();
            solution[i] = (row[n] - known) / row[i];
        }
        solution
    }
}

/// So many numbers of each column stay near while all are multiplied with all.
const NEAR: usize = 1024;

/// Dot products with so many columns are computed side by side, since each of their sums waits for the one before.
const TOGETHER: usize = 4;

/// Dot products in eight lanes each, whatever the processor has: every one writes the same files.
fn dots(a: [&[f32]; 2], b: [&[f32]; TOGETHER]) -> [[f32; TOGETHER]; 2] {
    let (of_a, of_b) = (a.map(|a| a.as_chunks()), b.map(|b| b.as_chunks()));
    let lanes = products(of_a.map(|(a, _)| a), of_b.map(|(b, _)| b));
    std::array::from_fn(|i| {
        std::array::from_fn(|k| {
            let rest = of_a[i].1.iter().zip(of_b[k].1).map(|(a, b)| a * b).sum::<f32>();
            lanes[i][k].iter().sum::<f32>() + rest
        })
    })
}

loops! {
    fn products(a: [&[[f32; 8]]; 2], b: [&[[f32; 8]]; TOGETHER]) -> [[[f32; 8]; TOGETHER]; 2] {
        let mut lanes = [[[0.0; 8]; TOGETHER]; 2];
        let length = a[0].len();
        let (a, b) = (a.map(|a| &a[..length]), b.map(|b| &b[..length]));
        for x in 0..length {
            for i in 0..2 {
                for k in 0..TOGETHER {
                    for l in 0..8 {
                        lanes[i][k][l] += a[i][x][l] * b[k][x][l];
                    }
                }
            }
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_columns_are_fitted_as_if_there_were_no_others() {
        let column = |k: u32| (0..2500u32).map(|i| ((i * 7 + k).wrapping_mul(2654435761) >> 16 & 1023) as f32 / 64.0 - 8.0).collect::<Vec<_>>();
        let columns: Vec<Vec<f32>> = (0..6).map(column).collect();
        let columns: Vec<&[f32]> = columns.iter().map(|column| &column[..]).collect();
        let target: Vec<f32> = columns[0].iter().zip(columns[3]).map(|(a, b)| 2.0 * a - 3.0 * b).collect();
        let weights: Vec<f32> = (0..2500).map(|i| 0.5 + (i % 7) as f32).collect();
        let all = Equations::new(&columns, &weights, &target);
        let near = |found: &[f64], wanted: &[f64]| found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.03);
        assert!(near(&all.solve(&[0, 1, 2, 3, 4, 5]), &[2.0, 0.0, 0.0, -3.0, 0.0, 0.0]));
        assert!(near(&all.solve(&[3, 0]), &[-3.0, 2.0]));
        let alone = Equations::new(&[columns[1], columns[3], columns[4]], &weights, &target);
        assert_eq!(all.solve(&[1, 3, 4]), alone.solve(&[0, 1, 2]));
    }

    #[test]
    fn logarithms_are_near() {
        for i in 1..100_000 {
            let x = i as f32 * 0.013;
            assert!((log2(x) - x.log2()).abs() < 0.01, "{x}: {}", log2(x));
        }
    }
}
