//! What the encoder chooses for a step: whether its network is worth the time, or any weighing at all, and under which weights codes are
//! expected.

use super::networks::Corrected;
use super::scale::{self, CLUES};
use super::step::{Predictors, StepCoder, halves};
use crate::entropy::symbols::SymbolModel;
use crate::method::closed_loop::fit::{FEWEST, Search};
use crate::method::closed_loop::step::{Linear, Predictor, Step, TRUST, magnitudes_of};
use crate::method::interpolation::expect::EDGE;
use crate::method::interpolation::fit::ClueSamples;
use std::ops::Range;

/// Bits of a target's code up to which it is small, and from which on it is large.
const SMALL: f64 = 0.11;
const LARGE: f64 = 0.75;
/// The time that weighing takes, where a network takes one.
const WEIGHING: f64 = 0.3;
/// Bits that one class for all seems to save by chance, for each target that a sample stands for.
const CHANCE: f64 = 2.0 * CLUES as f64;

pub struct Choice {
    /// One more than the class of all targets, or none where each has its own.
    pub uniform: i16,
    pub trust: i16,
    pub weights: [i16; CLUES],
}

impl Choice {
    pub fn new<S>(coder: &StepCoder<S>, step: &Step, linear: &Linear, search: Search) -> Self {
        let (by, team, start) = (&coder.by, coder.team, coder.trusts.last(step));
        let as_before = Choice { uniform: coder.uniform(step), trust: start, weights: coder.start(step, start > 0) };
        if step.rows * step.columns < FEWEST {
            return as_before;
        }
        let seen = |rows: Range<usize>| {
            let (corrected, costs) = by.networks.correct(step, &Linear { trust: TRUST, ..*linear }, by.bin, rows.clone());
            (by.samples(step, linear, search, rows), corrected, costs)
        };
        let [above, below] = halves(step.rows);
        let (upper, lower) = team.join(|| seen(above), || seen(below));
        // Where nothing was seen to happen, nothing is known of what does.
        if [&upper, &lower].iter().all(|half| half.0.magnitudes.iter().all(|&m| m == 0.0)) {
            return as_before;
        }
        let trust = upper.2.and(&lower.2).better_trust(if start == 0 { TRUST } else { start }, search.share(step.rows, step.columns));
        let linear = upper.0.and(&lower.0);
        let asked = |(alone, mut corrected, _): (_, Vec<Corrected>, _)| {
            corrected.iter_mut().for_each(|row| row.trust(trust));
            by.asked(step, search, alone, &corrected)
        };
        let (upper, lower) = team.join(|| asked(upper), || asked(lower));
        let corrected = upper.and(&lower);
        let (starts, known) = ([false, true].map(|asked| coder.start(step, asked)), coder.symbols.each_ref().map(SymbolModel::known));
        let better = |samples, asked| scale::better_weights(samples, &starts[usize::from(asked)], &scale::start(step, asked), &known[0]);
        let (alone, asked) = team.join(|| better(&linear, false), || better(&corrected, true));
        let (class, uniform) = scale::one_class(&linear, &known[1]);
        // What takes the decoder time has to save that many bits of each target; more where codes are large, and files are large in any
        // case; less where that would be much of all there are.
        let targets = (step.rows * step.columns) as f64;
        let bits = alone.1 / targets;
        let (price, large) = (targets * search.worth * (bits / SMALL).min(1.0), (bits / LARGE).max(1.0));
        let weighing = price * WEIGHING * large;
        let with = |uniform, trust, weights| Choice { uniform, trust, weights };
        let ways = [
            (uniform + CHANCE * linear.share, with(i16::from(class) + 1, start, alone.0)),
            (alone.1 + weighing, with(0, 0, alone.0)),
            (asked.1 + weighing + price * large.powi(2), with(0, trust, asked.0)),
        ];
        ways.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).expect("three").1
    }
}

impl Predictors<'_> {
    /// Clues and codes of some targets in whole rows among `rows`, as the linear predictor alone has them.
    fn samples(&self, step: &Step, linear: &Linear, search: Search, rows: Range<usize>) -> ClueSamples<CLUES> {
        let columns = step.columns;
        let linear = Linear { trust: 0, ..*linear };
        let mut samples = ClueSamples::new(search, step.rows, columns, [true; CLUES]);
        let (mut scratch, mut buffers) = (self.networks.scratch(step, &linear, self.bin, rows.clone()), step.buffers());
        let mut magnitudes = [(); 3].map(|()| vec![0; columns + 2 * EDGE]);
        let mut codes = vec![0; columns];
        for row in search.rows(step.rows, columns).filter(|row| rows.contains(row)) {
            for (up, magnitudes) in magnitudes.iter_mut().enumerate().rev() {
                let inner = &mut magnitudes[EDGE..][..columns];
                if step.above(row) < up {
                    inner.fill(0);
                    continue;
                }
                self.networks.predict_row(step, row - up, &linear, &mut scratch, &mut buffers);
                self.quantise(step, row - up, &buffers.prediction, &mut codes);
                magnitudes_of(&codes, inner);
            }
            let [here, above @ ..] = &magnitudes;
            let around = self.surroundings(step, row, &buffers, above.each_ref().map(|row| &row[..]));
            let kept = search.columns(columns, step.masked(row));
            scale::sample(&mut samples, &around, &kept);
            samples.magnitudes.extend(kept.iter().map(|&x| f32::from(here[x + EDGE])));
        }
        samples
    }

    /// The same targets as the network corrects them. That other clues would differ a little, too, counts for nothing.
    fn asked(&self, step: &Step, search: Search, alone: ClueSamples<CLUES>, corrected: &[Corrected]) -> ClueSamples<CLUES> {
        let mut samples = alone;
        samples.magnitudes.clear();
        let told = &mut samples.clues[CLUES - 1];
        told.clear();
        let (mut codes, mut magnitudes) = (vec![0; step.columns], vec![0; step.columns]);
        for Corrected { row, prediction, classes, .. } in corrected {
            self.quantise(step, *row, prediction, &mut codes);
            magnitudes_of(&codes, &mut magnitudes);
            for x in search.columns(step.columns, step.masked(*row)) {
                samples.magnitudes.push(magnitudes[x].into());
                told.push(scale::mean(classes[x]));
            }
        }
        samples
    }
}
