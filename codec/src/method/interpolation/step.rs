//! One step: all targets of one phase at one level of a frame, predicted side by side, then coded in raster order.

use super::context::{Row, SETS, SIGNS, TABLES, uses_clue};
use super::expect::{self, CLUES, EDGE, ROW_CLUES, Surroundings};
use super::fit::ClueSamples;
use crate::entropy::BitCoder;
use crate::entropy::codes::CodeModel;
use crate::method::closed_loop::{Steps, Targets};
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::details::accumulate;
use crate::method::closed_loop::fit::Search;
use crate::method::closed_loop::plane::Plane;
use crate::method::closed_loop::step::{Buffers, Linear, Linears, Predictor, Step, magnitudes_of};
use crate::method::closed_loop::told::Told;
use caesar_kernels::Team;

/// Everything that is learned while the steps of a tile are coded. `N` contexts are mixed.
pub struct StepCoder<const N: usize, P: Predictor> {
    bin: Bin,
    predictor: P,
    codes: CodeModel<N>,
    linears: Linears,
    told: P::Told,
    weights: Told<CLUES>,
}

impl<const N: usize, P: Predictor> Steps for StepCoder<N, P> {
    fn bin(&self) -> Bin {
        self.bin
    }

    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, targets: Targets) {
        let phase = step.sources.phase;
        let (rows, columns) = (step.rows, step.columns);
        let linear = self.linears.code(coder, step, self.bin, Team::ALONE);
        let linear = self.predictor.tell(coder, &mut self.told, step, linear, self.bin);

        let coded = step.original.map(|(_, search)| (self.codes(step, &linear), search));
        let start = self.weights.last(step.slot()).unwrap_or_else(|| expect::start(phase, step.reference_sizes.is_some()));
        let fitted = coded.as_ref().map_or(start, |(codes, search)| {
            self.clue_samples(step, codes, &linear, *search).better_weights(&start)
        });
        let weights = self.weights.code(coder, step.slot(), start, fitted, |_| true);
        let weights = weights.map(|w| w.clamp(0, expect::WEIGHT_LIMIT));

        let (mut scratch, mut buffers) = (self.predictor.scratch(step, &linear, self.bin, 0..rows), step.buffers());
        let mut clues: [Vec<i16>; ROW_CLUES] = std::array::from_fn(|_| vec![0; columns]);
        let mut known = vec![0; columns];
        let mut codes = vec![0; columns + 2 * EDGE];
        let mut above = codes.clone();
        let mut magnitudes = [vec![0; columns + 2 * EDGE], vec![0; columns + 2 * EDGE]];
        let west = [0, 1].map(|i| weights[ROW_CLUES + i] as u32);
        for (row, (values, sizes)) in targets.into_iter().enumerate() {
            if step.above(row) == 0 {
                above.fill(0);
                magnitudes.iter_mut().for_each(|magnitudes| magnitudes.fill(0));
            }
            self.predictor.predict_row(step, row, &linear, &mut scratch, &mut buffers);
            known.fill(0);
            let surroundings = self.surroundings(step, row, &buffers, &magnitudes);
            let needed = |index: usize| weights[index] != 0 || uses_clue(index, N);
            for (index, clue) in clues.iter_mut().enumerate().filter(|(index, _)| needed(*index)) {
                surroundings.clue_row(index, clue);
                accumulate(clue, weights[index], &mut known);
            }
            let (inner, masked) = (EDGE..EDGE + columns, step.masked(row));
            if let Some((wanted, _)) = &coded {
                codes[inner.clone()].copy_from_slice(wanted.row_of(0, row));
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
                    classes: &buffers.classes,
                };
                let code = codes[x + EDGE];
                let magnitude = self.codes.code_magnitude(coder, code.unsigned_abs(), &place.context(x));
                codes[x + EDGE] = match magnitude {
                    0 => 0,
                    m => self.codes.code_sign(coder, code < 0, m, place.sign_context(x)),
                };
            }
            self.bin.restore(&codes[inner.clone()], &mut buffers.prediction);
            values.copy_from_slice(&buffers.prediction);
            magnitudes.swap(0, 1);
            magnitudes_of(&codes, &mut magnitudes[0]);
            sizes.copy_from_slice(&magnitudes[0][inner]);
            std::mem::swap(&mut codes, &mut above);
        }
    }
}

impl<const N: usize, P: Predictor> StepCoder<N, P> {
    pub fn new(bin: Bin, predictor: P) -> Self {
        StepCoder {
            bin,
            predictor,
            codes: CodeModel::new(std::array::from_fn(|i| TABLES[i]), SETS, SIGNS),
            linears: Linears::new(),
            told: P::Told::default(),
            weights: Told::new(expect::WEIGHT_UNIT),
        }
    }

    /// What the encoder is going to code, all frames as one.
    fn codes(&self, step: &Step, linear: &Linear) -> Plane<i32> {
        let mut codes = Plane::new(step.rows, step.columns);
        let (mut scratch, mut buffers) = (self.predictor.scratch(step, linear, self.bin, 0..step.rows), step.buffers());
        for (row, out) in codes.rows_mut().enumerate() {
            let Some(original) = step.original_row(row) else { break };
            self.predictor.predict_row(step, row, linear, &mut scratch, &mut buffers);
            self.bin.quantise(original, &buffers.prediction, out);
            if let Some(masked) = step.masked(row) {
                out.iter_mut().zip(masked).filter(|(_, m)| **m).for_each(|(c, _)| *c = 0);
            }
        }
        codes
    }

    fn surroundings<'a>(
        &self,
        step: &'a Step,
        row: usize,
        buffers: &'a Buffers,
        above: &'a [Vec<i16>; 2],
    ) -> Surroundings<'a> {
        Surroundings {
            step,
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
        linear: &Linear,
        search: Search,
    ) -> ClueSamples<CLUES> {
        let (rows, columns) = (codes.rows, codes.columns);
        let essential = [0, 2, 5, 6, 7, 8, 11, 12, 13];
        let allowed = std::array::from_fn(|i| search.thorough || essential.contains(&i));
        let mut samples = ClueSamples::new(search, rows, columns, allowed);
        let (mut scratch, mut buffers) = (self.predictor.scratch(step, linear, self.bin, 0..step.rows), step.buffers());
        let mut clue = vec![0; columns];
        let edge = EDGE as isize;
        for row in search.rows(rows, columns) {
            self.predictor.predict_row(step, row, linear, &mut scratch, &mut buffers);
            let magnitudes = [0, 1, 2].map(|up| {
                let mut magnitudes = vec![0; columns + 2 * EDGE];
                if step.above(row) >= up {
                    // Margins of a plane of codes are zero, as they are here.
                    magnitudes_of(codes.row((row - up) as isize, -edge, columns + 2 * EDGE), &mut magnitudes);
                }
                magnitudes
            });
            let [here, above @ ..] = magnitudes;
            let surroundings = self.surroundings(step, row, &buffers, &above);
            let kept = search.columns(columns, step.masked(row));
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
