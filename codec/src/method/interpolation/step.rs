//! One step: all targets of one phase at one level of a frame, predicted side by side, then coded in raster order.

use super::bin::Bin;
use super::context::{Row, SETS, SIGNS, TABLES, uses_clue};
use super::details::{Bases, DETAILS, Precision, Sources, TAP_UNIT, Taps, accumulate, finish, narrow, shifted};
use super::expect::{self, CLUES, EDGE, ROW_CLUES, Surroundings};
use super::fit::{ClueSamples, Samples, Search};
use super::plane::{Level, Plane};
use super::told::Told;
use crate::entropy::codes::CodeModel;
use crate::entropy::{Bit, BitCoder};

/// Everything that is learned while the steps of a tile are coded. `N` contexts are mixed.
pub struct StepCoder<const N: usize> {
    pub bin: Bin,
    codes: CodeModel<N>,
    taps: Told<DETAILS>,
    weights: Told<CLUES>,
    precision: Precision,
    same_precision: Bit,
}

/// What a step is coded from.
pub struct Step<'a> {
    /// Rows and columns of targets.
    pub rows: usize,
    pub columns: usize,
    pub level: usize,
    pub sources: Sources<'a>,
    pub sizes: &'a Level<i16>,
    /// Mean magnitudes of the reference frames' codes at the targets.
    pub reference_sizes: Option<&'a Plane<i16>>,
    pub mask: Option<&'a Plane<bool>>,
    /// The values to be coded and how taps and weights are fitted to them; only when encoding.
    pub original: Option<(&'a Plane<i32>, Search)>,
}

/// Buffers for one row of targets.
struct Buffers {
    bases: Bases,
    narrow: Vec<i16>,
    wide: Vec<i32>,
    sums: Vec<i32>,
    prediction: Vec<i32>,
}

impl Step<'_> {
    fn buffers(&self) -> Buffers {
        let columns = self.columns;
        Buffers {
            bases: Bases::new(columns),
            narrow: vec![0; columns],
            wide: vec![0; columns],
            sums: vec![0; columns],
            prediction: vec![0; columns],
        }
    }

    fn predict_row(&self, row: usize, taps: &Taps, precision: Precision, b: &mut Buffers) {
        self.sources.base_rows(row, &mut b.bases);
        b.sums.fill(0);
        for index in (0..DETAILS).filter(|&i| taps[i] != 0) {
            match precision {
                Precision::Narrow => {
                    self.sources.detail_row(index, row, &b.bases, &mut b.narrow, narrow);
                    accumulate(&b.narrow, taps[index], &mut b.sums);
                }
                Precision::Wide { shift } => {
                    self.sources.detail_row(index, row, &b.bases, &mut b.wide, |d| shifted(d, shift));
                    accumulate(&b.wide, taps[index], &mut b.sums);
                }
            }
        }
        finish(&b.bases.own, &b.sums, precision, &mut b.prediction);
    }

    /// What the encoder is going to code.
    fn codes(&self, original: &Plane<i32>, bin: Bin, taps: &Taps, precision: Precision) -> Plane<i32> {
        let mut codes = Plane::new(original.rows, original.columns);
        let mut buffers = self.buffers();
        for row in 0..original.rows {
            self.predict_row(row, taps, precision, &mut buffers);
            let out = codes.row_mut(row);
            bin.quantise(original.row(row as isize, 0, original.columns), &buffers.prediction, out);
            if let Some(mask) = self.mask {
                let masked = mask.row(row as isize, 0, original.columns);
                out.iter_mut().zip(masked).filter(|(_, m)| **m).for_each(|(c, _)| *c = 0);
            }
        }
        codes
    }
}

impl<const N: usize> StepCoder<N> {
    pub fn new(bin: Bin) -> Self {
        StepCoder {
            bin,
            codes: CodeModel::new(std::array::from_fn(|i| TABLES[i]), SETS, SIGNS),
            taps: Told::new(TAP_UNIT),
            weights: Told::new(expect::WEIGHT_UNIT),
            precision: Precision::Narrow,
            same_precision: Bit::new(),
        }
    }

    /// Codes a step: its values and the magnitudes of its codes go to `values` and `sizes`.
    pub fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, values: &mut Plane<i32>, sizes: &mut Plane<i16>) {
        let phase = step.sources.phase;
        let (rows, columns) = (step.rows, step.columns);
        let slot = (step.level.min(3) * 3 + phase as usize - 1) * 3 + step.sources.references();
        let available = step.sources.available();
        let samples = step.original.map(|(o, search)| Samples::gather(step, o, self.bin.width(), search));
        let start = self.taps.last(slot).unwrap_or_else(|| step.sources.default_taps());
        let fitted = samples.as_ref().map_or(start, |s| s.better_taps(&start));
        let taps = self.taps.code(coder, slot, start, fitted, |i| available[i]);
        let taps: Taps = std::array::from_fn(|i| if available[i] { taps[i] } else { 0 });
        let precision = self.code_precision(coder, samples.map(|s| s.precision()));

        let coded = step.original.map(|(o, search)| (step.codes(o, self.bin, &taps, precision), search));
        let start = self.weights.last(slot).unwrap_or_else(|| expect::start(phase, step.reference_sizes.is_some()));
        let fitted = coded.as_ref().map_or(start, |(codes, search)| {
            self.clue_samples(step, codes, &taps, precision, *search).better_weights(&start)
        });
        let weights = self.weights.code(coder, slot, start, fitted, |_| true);
        let weights = weights.map(|w| w.clamp(0, expect::WEIGHT_LIMIT));

        let mut buffers = step.buffers();
        let mut clues: [Vec<i16>; ROW_CLUES] = std::array::from_fn(|_| vec![0; columns]);
        let mut known = vec![0; columns];
        let mut codes = vec![0; columns + 2 * EDGE];
        let mut above = codes.clone();
        let mut magnitudes = [vec![0; columns + 2 * EDGE], vec![0; columns + 2 * EDGE]];
        let west = [0, 1].map(|i| weights[ROW_CLUES + i] as u32);
        for row in 0..rows {
            step.predict_row(row, &taps, precision, &mut buffers);
            known.fill(0);
            let surroundings = self.surroundings(step, row, &buffers, &magnitudes);
            let needed = |index: usize| weights[index] != 0 || uses_clue(index, N);
            for (index, clue) in clues.iter_mut().enumerate().filter(|(index, _)| needed(*index)) {
                surroundings.clue_row(index, clue);
                accumulate(clue, weights[index], &mut known);
            }
            let (inner, masked) = (EDGE..EDGE + columns, step.mask.map(|m| m.row(row as isize, 0, columns)));
            if let Some((wanted, _)) = &coded {
                codes[inner.clone()].copy_from_slice(wanted.row(row as isize, 0, columns));
            }
            for x in 0..columns {
                if masked.is_some_and(|m| m[x]) {
                    codes[x + EDGE] = 0;
                    continue;
                }
                let place = Row {
                    level: step.level.min(3),
                    phase: phase as usize - 1,
                    references: step.reference_sizes.is_some(),
                    codes: &codes,
                    above: &above,
                    known: &known,
                    west,
                    centres: &clues[5],
                    reference: &clues[7],
                    bend: &clues[8],
                    slope: &clues[9],
                    misfit: &clues[10],
                };
                let code = codes[x + EDGE];
                let magnitude = self.codes.code_magnitude(coder, code.unsigned_abs(), &place.context(x));
                codes[x + EDGE] = match magnitude {
                    0 => 0,
                    m => self.codes.code_sign(coder, code < 0, m, place.sign_context(x)),
                };
            }
            self.bin.restore(&codes[inner.clone()], &mut buffers.prediction);
            values.row_mut(row).copy_from_slice(&buffers.prediction);
            magnitudes.swap(0, 1);
            magnitudes_of(&codes, &mut magnitudes[0]);
            sizes.row_mut(row).copy_from_slice(&magnitudes[0][inner]);
            std::mem::swap(&mut codes, &mut above);
        }
        values.extend_smoothly();
        sizes.extend_flat();
    }

    /// The precision of a step's details: that of the step before, or told.
    fn code_precision<C: BitCoder>(&mut self, coder: &mut C, wanted: Option<Precision>) -> Precision {
        let wanted = wanted.unwrap_or(self.precision);
        if !self.same_precision.code(coder, wanted == self.precision) {
            self.precision = Precision::from_number(coder.code_raw(wanted.number(), 4));
        }
        self.precision
    }

    fn surroundings<'a>(
        &self,
        step: &'a Step,
        row: usize,
        buffers: &'a Buffers,
        above: &'a [Vec<i16>; 2],
    ) -> Surroundings<'a> {
        Surroundings {
            sources: &step.sources,
            sizes: step.sizes,
            reference: step.reference_sizes,
            bin_log: self.bin.log(),
            row,
            bases: &buffers.bases,
            prediction: &buffers.prediction,
            above: above.each_ref().map(|a| &a[..]),
        }
    }

    /// Clues and codes of some targets in whole rows.
    fn clue_samples(
        &self,
        step: &Step,
        codes: &Plane<i32>,
        taps: &Taps,
        precision: Precision,
        search: Search,
    ) -> ClueSamples {
        let (rows, columns) = (codes.rows, codes.columns);
        let mut samples = ClueSamples::new(search.share(rows, columns), search);
        let mut buffers = step.buffers();
        let mut clue = vec![0; columns];
        let edge = EDGE as isize;
        for row in search.rows(rows, columns) {
            step.predict_row(row, taps, precision, &mut buffers);
            let magnitudes = [0, 1, 2].map(|up| {
                let mut magnitudes = vec![0; columns + 2 * EDGE];
                if row >= up {
                    // Margins of a plane of codes are zero, as they are here.
                    magnitudes_of(codes.row((row - up) as isize, -edge, columns + 2 * EDGE), &mut magnitudes);
                }
                magnitudes
            });
            let [here, above @ ..] = magnitudes;
            let surroundings = self.surroundings(step, row, &buffers, &above);
            let kept = search.columns(columns, step.mask.map(|m| m.row(row as isize, 0, columns)));
            for index in 0..ROW_CLUES {
                surroundings.clue_row(index, &mut clue);
                samples.clues[index].extend(kept.iter().map(|&x| f32::from(clue[x])));
            }
            for far in 1..=2 {
                samples.clues[ROW_CLUES + far - 1].extend(kept.iter().map(|&x| f32::from(here[x + EDGE - far])));
            }
            samples.magnitudes.extend(kept.iter().map(|&x| f32::from(here[x + EDGE])));
        }
        samples
    }
}

fn magnitudes_of(codes: &[i32], out: &mut [i16]) {
    out.iter_mut().zip(codes).for_each(|(m, c)| *m = c.wrapping_abs().clamp(-32767, 32767).wrapping_abs() as i16);
}
