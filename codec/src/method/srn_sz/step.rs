//! Codes as symbols: a step whose targets are predicted and coded side by side.

use super::choice::Choice;
use super::networks::{Networks, Trusts};
use super::scale::{self, CLUES, Weighing};
use crate::entropy::BitCoder;
use crate::entropy::ans::SymbolCoder;
use crate::entropy::symbols::{Occurrences, Part, SymbolModel, Tally};
use crate::method::closed_loop::Steps;
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::plane::Plane;
use crate::method::closed_loop::step::{Buffers, Linear, Linears, Predictor, Step, magnitudes_of};
use crate::method::closed_loop::told::Told;
use crate::method::interpolation::expect::{EDGE, Surroundings, WEIGHT_LIMIT, WEIGHT_UNIT};
use crate::team::Team;
use std::ops::Range;
use std::sync::Arc;

/// Steps of as many targets are coded in two halves, which know nothing of each other, so that two threads can work at them.
const DIVIDED: usize = 1 << 10;

/// Everything that is learned while the steps of a tile are coded; what is told of them goes another way than their codes.
pub struct StepCoder<'m, S> {
    pub by: Predictors<'m>,
    pub team: &'m Team,
    linears: Linears,
    pub trusts: Trusts,
    /// Where no network is asked, and where one is.
    weights: [Told<CLUES>; 2],
    pub symbols: SymbolModel,
    tallies: [Tally; 2],
    scratch: Scratch,
    strands: &'m mut Strands<S>,
}

/// What turns the surroundings of targets into predictions and classes.
#[derive(Clone, Copy)]
pub struct Predictors<'m> {
    pub networks: &'m Networks,
    pub bin: Bin,
}

/// Where the codes go of steps that are not divided, and those of upper and lower halves.
pub struct Strands<S> {
    pub whole: S,
    pub halves: [S; 2],
}

/// What is made anew for each row, in memory that stays.
#[derive(Default)]
struct Scratch {
    buffers: Buffers,
    codes: Vec<i32>,
    /// Magnitudes of the codes of the two rows above, with margins.
    above: [Vec<i16>; 2],
    clue: Vec<i16>,
    known: Vec<i32>,
}

/// The upper and the lower half of as many rows.
pub fn halves(rows: usize) -> [Range<usize>; 2] {
    [0..rows / 2, rows / 2..rows]
}

/// A step, and what was told of it.
struct Announced<'a> {
    step: &'a Step<'a>,
    linear: Linear,
    weighing: Weighing,
}

/// What some rows of a step became.
struct Coded {
    values: Vec<i32>,
    sizes: Vec<i16>,
    occurred: Occurrences,
}

impl<'m, S> StepCoder<'m, S> {
    pub fn new(bin: Bin, networks: &'m Networks, team: &'m Team, strands: &'m mut Strands<S>) -> Self {
        let weights = [Told::new(WEIGHT_UNIT), Told::new(WEIGHT_UNIT)];
        StepCoder { by: Predictors { networks, bin }, team, linears: Linears::new(), trusts: Trusts::default(), weights, symbols: SymbolModel::default(), tallies: Default::default(), scratch: Scratch::default(), strands }
    }

    /// The weights that were last told for such a step.
    pub fn start(&self, step: &Step, asked: bool) -> [i16; CLUES] {
        self.weights[usize::from(asked)].last(step.slot()).unwrap_or_else(|| scale::start(step, asked))
    }
}

impl Predictors<'_> {
    /// The codes that an encoder wants.
    pub fn quantise(&self, step: &Step, row: usize, prediction: &[i32], codes: &mut [i32]) {
        let Some((original, _)) = step.original else { return };
        self.bin.quantise(original.row(row as isize, 0, step.columns), prediction, codes);
        if let Some(masked) = step.masked(row) {
            codes.iter_mut().zip(masked).filter(|(_, m)| **m).for_each(|(code, _)| *code = 0);
        }
    }

    pub fn surroundings<'a>(&self, step: &'a Step, row: usize, buffers: &'a Buffers, above: [&'a [i16]; 2]) -> Surroundings<'a> {
        Surroundings { step, bin_log: self.bin.log(), row, bases: &buffers.bases, prediction: &buffers.prediction, above }
    }

    fn code<S: SymbolCoder>(self, announced: &Announced, rows: Range<usize>, mut part: Part, coder: &mut S, scratch: &mut Scratch) -> Coded {
        let Announced { step, linear, weighing } = announced;
        let columns = step.columns;
        let Scratch { buffers, codes, above, clue, known } = scratch;
        let (mut values, mut sizes) = (Vec::with_capacity(rows.len() * columns), vec![0; rows.len() * columns]);
        let mut of_networks = self.networks.scratch(step, linear, self.bin, rows.clone());
        let (together, stride) = (self.networks.together(step), step.stride());
        codes.resize(columns, 0);
        for above in &mut *above {
            above.clear();
            above.resize(columns + 2 * EDGE, 0);
        }
        let mut sizes_of_rows = sizes.chunks_exact_mut(columns);
        for first in rows.clone().step_by(together) {
            let count = together.min(rows.end - first);
            buffers.resize((count - 1) * stride + columns);
            self.networks.predict_row(step, first, linear, &mut of_networks, buffers);
            weighing.known(&self.surroundings(step, first, buffers, [&[]; 2]), clue, known);
            for (row, sizes) in (first..).zip(sizes_of_rows.by_ref().take(count)) {
                let here = (row - first) * stride..(row - first) * stride + columns;
                let (prediction, classes) = (&mut buffers.prediction[here.clone()], &mut buffers.classes[here.clone()]);
                self.quantise(step, row, prediction, codes);
                weighing.weigh(&mut known[here], above.each_ref().map(|a| &a[..]), classes);
                part.code_row(coder, codes, classes, step.masked(row));
                self.bin.restore(codes, prediction);
                values.extend_from_slice(prediction);
                magnitudes_of(codes, sizes);
                above.swap(0, 1);
                above[0][EDGE..][..columns].copy_from_slice(sizes);
            }
        }
        Coded { values, sizes, occurred: part.finish() }
    }
}

impl<S: SymbolCoder> Steps for StepCoder<'_, S> {
    fn bin(&self) -> Bin {
        self.by.bin
    }

    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, values: &mut Plane<i32>, sizes: &mut Plane<i16>) {
        let linear = self.linears.code(coder, step, self.by.bin, self.team);
        let choice = step.original.map(|(_, search)| Choice::new(self, step, &linear, search));
        let trust = self.trusts.code(coder, step, choice.as_ref().map_or(0, |c| c.trust));
        let linear = Linear { trust, ..linear };
        let start = self.start(step, trust > 0);
        let wanted = choice.map_or(start, |c| c.weights);
        let weights = self.weights[usize::from(trust > 0)].code(coder, step.slot(), start, wanted, |_| true);
        let announced = Announced { step, linear, weighing: Weighing::new(weights.map(|w| w.clamp(0, WEIGHT_LIMIT))) };

        let (by, symbols, tallies, scratch) = (self.by, &self.symbols, &mut self.tallies, &mut self.scratch);
        let parts = if step.rows > 1 && step.rows * step.columns >= DIVIDED {
            let (rows, coders) = (halves(step.rows), &mut self.strands.halves);
            self.team.both(|half| by.code(&announced, rows[half].clone(), symbols.part(&mut tallies[half]), &mut coders[half], scratch)).to_vec()
        } else {
            vec![Arc::new(by.code(&announced, 0..step.rows, symbols.part(&mut tallies[0]), &mut self.strands.whole, scratch))]
        };
        self.symbols.learn(parts.iter().map(|part| &part.occurred));
        let of_values = parts.iter().flat_map(|part| part.values.chunks_exact(step.columns));
        let of_sizes = parts.iter().flat_map(|part| part.sizes.chunks_exact(step.columns));
        for (row, (of_values, of_sizes)) in of_values.zip(of_sizes).enumerate() {
            values.row_mut(row).copy_from_slice(of_values);
            sizes.row_mut(row).copy_from_slice(of_sizes);
        }
        values.extend_smoothly();
        sizes.extend_flat();
    }
}
