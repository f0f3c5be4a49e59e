//! Codes as symbols: a step whose targets are predicted and coded side by side.

use super::networks::{Networks, Trusts};
use super::scale::{self, CLUES, EDGE, Weighing};
use crate::entropy::BitCoder;
use crate::entropy::ans::SymbolCoder;
use crate::entropy::symbols::SymbolModel;
use crate::method::closed_loop::Steps;
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::fit::Search;
use crate::method::closed_loop::plane::Plane;
use crate::method::closed_loop::step::{Linear, Linears, Predictor, Step, magnitudes_of};
use crate::method::closed_loop::told::Told;
use crate::method::interpolation::expect::{WEIGHT_LIMIT, WEIGHT_UNIT};
use crate::method::interpolation::fit::ClueSamples;

/// Everything that is learned while the steps of a tile are coded, and the coder of their codes; what else is told goes
/// another way.
pub struct StepCoder<'m, S> {
    bin: Bin,
    networks: &'m Networks,
    linears: Linears,
    trusts: Trusts,
    weights: Told<CLUES>,
    symbols: SymbolModel,
    coder: &'m mut S,
}

/// A step as its encoder foresees it.
struct Foreseen {
    predictions: Plane<i32>,
    classes: Plane<u8>,
    codes: Plane<i32>,
}

impl<'m, S> StepCoder<'m, S> {
    pub fn new(bin: Bin, networks: &'m Networks, coder: &'m mut S) -> Self {
        let (linears, weights) = (Linears::new(), Told::new(WEIGHT_UNIT));
        StepCoder { bin, networks, linears, trusts: Trusts::default(), weights, symbols: SymbolModel::default(), coder }
    }

    fn foresee(&self, step: &Step, linear: &Linear, original: &Plane<i32>) -> Foreseen {
        let (rows, columns) = (step.rows, step.columns);
        let (mut scratch, mut buffers) = (self.networks.scratch(step, linear, self.bin), step.buffers());
        let mut foreseen = Foreseen { predictions: Plane::new(rows, columns), classes: Plane::new(rows, columns), codes: Plane::new(rows, columns) };
        for row in 0..rows {
            self.networks.predict_row(step, row, linear, &mut scratch, &mut buffers);
            let codes = foreseen.codes.row_mut(row);
            self.bin.quantise(original.row(row as isize, 0, columns), &buffers.prediction, codes);
            if let Some(masked) = step.masked(row) {
                codes.iter_mut().zip(masked).filter(|(_, m)| **m).for_each(|(code, _)| *code = 0);
            }
            foreseen.predictions.row_mut(row).copy_from_slice(&buffers.prediction);
            foreseen.classes.row_mut(row).copy_from_slice(&buffers.classes);
        }
        foreseen
    }

    /// Clues and codes of some targets in whole rows.
    fn samples(&self, step: &Step, foreseen: &Foreseen, search: Search) -> ClueSamples<CLUES> {
        let (rows, columns) = (step.rows, step.columns);
        let mut samples = ClueSamples::new(search.share(rows, columns), [true; CLUES]);
        for row in search.rows(rows, columns) {
            let magnitudes = [0, 1, 2].map(|up| {
                let mut magnitudes = vec![0; columns + 2 * EDGE];
                if row >= up {
                    magnitudes_of(foreseen.codes.row((row - up) as isize, -(EDGE as isize), columns + 2 * EDGE), &mut magnitudes);
                }
                magnitudes
            });
            let [here, above @ ..] = &magnitudes;
            let above = above.each_ref().map(|row| &row[..]);
            let kept = search.columns(columns, step.masked(row));
            scale::sample(&mut samples, step, row, above, foreseen.classes.row(row as isize, 0, columns), &kept);
            samples.magnitudes.extend(kept.iter().map(|&x| f32::from(here[x + EDGE])));
        }
        samples
    }
}

impl<S: SymbolCoder> Steps for StepCoder<'_, S> {
    fn bin(&self) -> Bin {
        self.bin
    }

    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, values: &mut Plane<i32>, sizes: &mut Plane<i16>) {
        let columns = step.columns;
        let linear = self.linears.code(coder, step, self.bin);
        let linear = self.networks.tell(coder, &mut self.trusts, step, linear, self.bin);
        let foreseen = step.original.map(|(original, search)| (self.foresee(step, &linear, original), search));
        let start = self.weights.last(step.slot()).unwrap_or(scale::START);
        let fitted = foreseen.as_ref().map_or(start, |(f, search)| scale::better_weights(&self.samples(step, f, *search), &start));
        let weights = self.weights.code(coder, step.slot(), start, fitted, |_| true);
        let weighing = Weighing::new(weights.map(|w| w.clamp(0, WEIGHT_LIMIT)));

        // What is foreseen need not be predicted again.
        let mut scratch = foreseen.is_none().then(|| self.networks.scratch(step, &linear, self.bin));
        let mut buffers = step.buffers();
        let mut codes = vec![0; columns];
        let mut above = [vec![0; columns + 2 * EDGE], vec![0; columns + 2 * EDGE]];
        let (mut clue, mut sums) = (vec![0; columns], vec![0; columns]);
        for row in 0..step.rows {
            if let Some(scratch) = &mut scratch {
                self.networks.predict_row(step, row, &linear, scratch, &mut buffers);
            }
            if let Some((f, _)) = &foreseen {
                buffers.prediction.copy_from_slice(f.predictions.row(row as isize, 0, columns));
                buffers.classes.copy_from_slice(f.classes.row(row as isize, 0, columns));
                codes.copy_from_slice(f.codes.row(row as isize, 0, columns));
            }
            weighing.weigh(step, row, above.each_ref().map(|a| &a[..]), &mut buffers.classes, &mut clue, &mut sums);
            self.symbols.code_row(self.coder, &mut codes, &buffers.classes, step.masked(row));
            self.bin.restore(&codes, &mut buffers.prediction);
            values.row_mut(row).copy_from_slice(&buffers.prediction);
            magnitudes_of(&codes, sizes.row_mut(row));
            above.swap(0, 1);
            magnitudes_of(&codes, &mut above[0][EDGE..EDGE + columns]);
        }
        values.extend_smoothly();
        sizes.extend_flat();
    }
}
