//! Codes as symbols: a step whose targets are predicted and coded side by side.

use super::choice::Choice;
use super::networks::{Networks, Trusts};
use super::scale::{self, CLUES, Weighing};
use crate::entropy::BitCoder;
use crate::entropy::ans::SymbolCoder;
use crate::entropy::symbols::{CLASSES, Occurrences, SymbolModel, Tally};
use crate::method::closed_loop::{Steps, Targets};
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::step::{Buffers, Linear, Linears, Predictor, Step, magnitudes_of};
use crate::method::closed_loop::told::Told;
use crate::method::interpolation::expect::{EDGE, Surroundings, WEIGHT_LIMIT, WEIGHT_UNIT};
use caesar_kernels::Team;
use std::ops::Range;

/// Steps of as many targets are coded in two halves, which know nothing of each other, so that two threads can work at them.
const DIVIDED: usize = 1 << 10;

/// Everything that is learned while the steps of a tile are coded; what is told of them goes another way than their codes.
pub struct StepCoder<'m, S> {
    pub by: Predictors<'m>,
    pub team: Team<'m>,
    linears: Linears,
    /// One more than the class of all targets of a step, or none where each has its own.
    uniform: Told<1>,
    pub trusts: Trusts,
    /// Where no network is asked, and where one is.
    weights: [Told<CLUES>; 2],
    /// Of steps whose targets have classes of their own, and of those with one for all.
    pub symbols: [SymbolModel; 2],
    /// For upper and lower halves; the first for steps that are not divided, too.
    memories: [Memory; 2],
    strands: &'m mut Strands<S>,
}

/// What turns the surroundings of targets into predictions and classes.
#[derive(Clone, Copy)]
pub struct Predictors<'m> {
    pub networks: &'m Networks,
    pub bin: Bin,
}

/// Where the codes go of steps that are not divided, and those of upper and lower halves.
#[derive(Default)]
pub struct Strands<S> {
    pub whole: S,
    pub halves: [S; 2],
}

/// What is made anew for some rows of a step, in memory that stays.
#[derive(Default)]
#[repr(align(128))]
struct Memory {
    tallies: [Tally; 2],
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

/// A step, and all that is known of it before its codes.
struct Announced<'a> {
    by: Predictors<'a>,
    symbols: &'a SymbolModel,
    step: &'a Step<'a>,
    linear: Linear,
    classing: Classing,
}

/// How the targets of a step come to their classes: by weighing, or all to one.
struct Classing {
    weighing: Option<Weighing>,
    one: u8,
}

impl Classing {
    /// Kinds have histograms of their own.
    fn kind(&self) -> usize {
        usize::from(self.weighing.is_none())
    }
}

impl<'m, S> StepCoder<'m, S> {
    pub fn new(bin: Bin, networks: &'m Networks, team: Team<'m>, strands: &'m mut Strands<S>) -> Self {
        let weights = [Told::new(WEIGHT_UNIT), Told::new(WEIGHT_UNIT)];
        StepCoder { by: Predictors { networks, bin }, team, linears: Linears::new(), uniform: Told::new(1), trusts: Trusts::default(), weights, symbols: Default::default(), memories: Default::default(), strands }
    }

    /// How far the network of a step is trusted, and how its targets come to their classes.
    fn classing<C: BitCoder>(&mut self, coder: &mut C, step: &Step, choice: Option<Choice>) -> (i16, Classing) {
        let (slot, last) = (step.slot(), self.uniform(step));
        let [uniform] = self.uniform.code(coder, slot, [last], [choice.as_ref().map_or(last, |c| c.uniform)], |_| true);
        if uniform > 0 {
            return (0, Classing { weighing: None, one: (uniform - 1).min(CLASSES as i16 - 1) as u8 });
        }
        let trust = self.trusts.code(coder, step, choice.as_ref().map_or(0, |c| c.trust));
        let start = self.start(step, trust > 0);
        let wanted = choice.map_or(start, |c| c.weights);
        let weights = self.weights[usize::from(trust > 0)].code(coder, slot, start, wanted, |_| true);
        (trust, Classing { weighing: Some(Weighing::new(weights.map(|w| w.clamp(0, WEIGHT_LIMIT)))), one: 0 })
    }

    /// One more than the class that was last told for all targets of such a step, or none.
    pub fn uniform(&self, step: &Step) -> i16 {
        self.uniform.last(step.slot()).map_or(0, |[uniform]| uniform)
    }

    /// The weights that were last told for such a step.
    pub fn start(&self, step: &Step, asked: bool) -> [i16; CLUES] {
        self.weights[usize::from(asked)].last(step.slot()).unwrap_or_else(|| scale::start(step, asked))
    }
}

impl Predictors<'_> {
    /// The codes that an encoder wants.
    pub fn quantise(&self, step: &Step, row: usize, prediction: &[i32], codes: &mut [i32]) {
        let Some(original) = step.original_row(row) else { return };
        self.bin.quantise(original, prediction, codes);
        if let Some(masked) = step.masked(row) {
            codes.iter_mut().zip(masked).filter(|(_, m)| **m).for_each(|(code, _)| *code = 0);
        }
    }

    pub fn surroundings<'a>(&self, step: &'a Step, row: usize, buffers: &'a Buffers, above: [&'a [i16]; 2]) -> Surroundings<'a> {
        Surroundings { step, bin_log: self.bin.log(), row, bases: &buffers.bases, prediction: &buffers.prediction, above }
    }
}

impl Announced<'_> {
    /// Codes some rows.
    fn code<S: SymbolCoder>(
        &self,
        rows: Range<usize>,
        targets: Targets,
        memory: &mut Memory,
        coder: &mut S,
    ) -> Occurrences {
        let Announced { by, symbols, step, linear, classing } = self;
        let Memory { tallies, buffers, codes, above, clue, known } = memory;
        let (mut part, mut scratch) = (symbols.part(&mut tallies[classing.kind()]), by.networks.scratch(step, linear, by.bin, rows.clone()));
        let columns = step.columns;
        codes.resize(columns, 0);
        for above in &mut *above {
            above.clear();
            above.resize(columns + 2 * EDGE, 0);
        }
        let (mut rest, mut targets) = (rows, targets.into_iter());
        while !rest.is_empty() {
            let (first, line) = (rest.start, step.line(rest.start));
            rest.start = by.networks.together(step, first, rest.end);
            let from_first = |row: usize| (step.line(row) - line) * step.stride();
            buffers.resize(from_first(rest.start - 1) + columns);
            by.networks.predict_row(step, first, linear, &mut scratch, buffers);
            match &classing.weighing {
                Some(weighing) => weighing.known(&by.surroundings(step, first, buffers, [&[]; 2]), clue, known),
                None => buffers.classes.fill(classing.one),
            }
            for (row, (values, sizes)) in (first..rest.start).zip(&mut targets) {
                if step.above(row) == 0 {
                    above.iter_mut().for_each(|above| above.fill(0));
                }
                let here = from_first(row)..from_first(row) + columns;
                let (prediction, classes) = (&mut buffers.prediction[here.clone()], &mut buffers.classes[here.clone()]);
                by.quantise(step, row, prediction, codes);
                if let Some(weighing) = &classing.weighing {
                    weighing.weigh(&mut known[here], above.each_ref().map(|a| &a[..]), classes);
                }
                part.code_row(coder, codes, classes, step.masked(row));
                by.bin.restore(codes, prediction);
                values.copy_from_slice(prediction);
                magnitudes_of(codes, sizes);
                if classing.weighing.is_some() {
                    above.swap(0, 1);
                    above[0][EDGE..][..columns].copy_from_slice(sizes);
                }
            }
        }
        part.finish()
    }
}

impl<S: SymbolCoder> Steps for StepCoder<'_, S> {
    fn bin(&self) -> Bin {
        self.by.bin
    }

    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, mut targets: Targets) {
        let linear = self.linears.code(coder, step, self.by.bin, self.team);
        let choice = step.original.map(|(_, search)| Choice::new(self, step, &linear, search));
        let (trust, classing) = self.classing(coder, step, choice);
        let kind = classing.kind();
        let announced = Announced { by: self.by, symbols: &self.symbols[kind], step, linear: Linear { trust, ..linear }, classing };

        let [memory, of_lower] = &mut self.memories;
        let occurred = if step.rows > 1 && step.rows * step.columns >= DIVIDED {
            let ([above, below], [upper, lower]) = (halves(step.rows), &mut self.strands.halves);
            let of_below = targets.split_off(below.start);
            let (upper, lower) = self.team.join(
                || announced.code(above, targets, memory, upper),
                || announced.code(below, of_below, of_lower, lower),
            );
            vec![upper, lower]
        } else {
            vec![announced.code(0..step.rows, targets, memory, &mut self.strands.whole)]
        };
        self.symbols[kind].learn(&occurred);
    }
}
