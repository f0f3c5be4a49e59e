//! What the encoder chooses for a step: whether its network is worth the time, and under which weights codes are expected.

use super::networks::Corrected;
use super::scale::{self, CLUES};
use super::step::{Predictors, StepCoder, halves};
use crate::method::closed_loop::fit::{FEWEST, Search};
use crate::method::closed_loop::step::{Linear, Predictor, Step, TRUST, magnitudes_of};
use crate::method::interpolation::expect::EDGE;
use crate::method::interpolation::fit::ClueSamples;
use std::ops::Range;

pub struct Choice {
    pub trust: i16,
    pub weights: [i16; CLUES],
}

impl Choice {
    pub fn new<S>(coder: &StepCoder<S>, step: &Step, linear: &Linear, search: Search) -> Self {
        let (by, team, start) = (&coder.by, coder.team, coder.trusts.last(step));
        let as_before = Choice { trust: start, weights: coder.start(step, start > 0) };
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
        let alone = upper.0.and(&lower.0);
        let asked = |(alone, mut corrected, _): (_, Vec<Corrected>, _)| {
            corrected.iter_mut().for_each(|row| row.trust(trust));
            by.asked(step, search, alone, &corrected)
        };
        let (upper, lower) = team.join(|| asked(upper), || asked(lower));
        let asked = upper.and(&lower);
        let (starts, known) = ([false, true].map(|asked| coder.start(step, asked)), coder.symbols.known());
        let better = |samples, asked| scale::better_weights(samples, &starts[usize::from(asked)], &scale::start(step, asked), &known);
        let (alone, asked) = team.join(|| better(&alone, false), || better(&asked, true));
        // Where codes are large networks save least, and files are large in any case; where there are hardly any, it is little too.
        let bits = alone.1 / (step.rows * step.columns) as f64;
        if asked.1 < alone.1 * (1.0 - search.worth * bits.max(0.75)) {
            Choice { trust, weights: asked.0 }
        } else {
            Choice { trust: 0, weights: alone.0 }
        }
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
                if row < up {
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
