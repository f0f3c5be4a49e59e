//! What the networks are trained on: targets with everything that their network may look at.

use super::neighbours::{DIFFERENCE, MEAN, own_rows, reference_rows};
use crate::entropy::{BitCoder, Encoder};
use crate::lattice::Tile;
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::plane::Phase;
use crate::method::closed_loop::step::{Linears, Step, magnitudes_of};
use crate::method::closed_loop::{Choice, Outline, Prepared, Steps, Targets, code_tile};
use crate::options::Effort;
use caesar_kernels::Team;

/// One target: the differences, sums of magnitudes and facts of its step that `docs/method-srn-sz.md` names, in this
/// order, and what is to be learned: the value less its linear prediction.
///
/// | numbers | what |
/// |---|---|
/// | 0..28 | own neighbours less the prediction (24 but below) |
/// | 28..41 | mean of references: the target less the prediction, then neighbours less the target |
/// | 41..46 | half difference of references |
/// | 46, 47 | misfit, width of a bin |
/// | 48, 49, 50 | level, phase (1 centre, 2 right, 3 below), number of references |
/// | 51..55 | sums of magnitudes: coarse, centres, right, references |
/// | 61, 62 | code and value less the linear prediction |
///
/// The others are 0.
pub type Sample = [i32; 64];

/// Hands every target of a tile that is not masked to `each`, with its row, as the linear predictors alone would code it.
pub fn samples(tile: &Tile, each: impl FnMut(usize, &Sample)) {
    let prepared = Prepared::new(tile);
    let choice = Choice { prepared: &prepared, distance: 8, search: super::search(Effort::Balanced) };
    code_tile(&mut Encoder::new(), Outline::of(tile), Some(choice), |bin| Sampler { bin, linears: Linears::new(), each });
}

struct Sampler<F> {
    bin: Bin,
    linears: Linears,
    each: F,
}

impl<F: FnMut(usize, &Sample)> Steps for Sampler<F> {
    fn bin(&self) -> Bin {
        self.bin
    }

    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, targets: Targets) {
        let linear = self.linears.code(coder, step, self.bin, Team::ALONE);
        let mut buffers = step.buffers();
        let mut codes = vec![0; step.columns];
        for (row, (values, sizes)) in targets.into_iter().enumerate() {
            let Some(wanted) = step.original_row(row) else { break };
            step.predict_row(row, &linear, &mut buffers);
            self.bin.quantise(wanted, &buffers.prediction, &mut codes);
            if let Some(masked) = step.masked(row) {
                codes.iter_mut().zip(masked).filter(|(_, m)| **m).for_each(|(code, _)| *code = 0);
            }
            let mut seen = vec![[0; 64]; step.columns];
            self.look(step, row, &buffers.prediction, &mut seen);
            for (x, sample) in seen.iter_mut().enumerate() {
                if step.masked(row).is_some_and(|m| m[x]) {
                    continue;
                }
                sample[46] = if step.reference_sizes.is_some() { buffers.bases.misfit(x) } else { 0 };
                sample[61] = codes[x];
                sample[62] = wanted[x].wrapping_sub(buffers.prediction[x]);
                (self.each)(row, sample);
            }
            self.bin.restore(&codes, &mut buffers.prediction);
            values.copy_from_slice(&buffers.prediction);
            magnitudes_of(&codes, sizes);
        }
    }
}

impl<F> Sampler<F> {
    /// What the network would see of a row of targets.
    fn look(&self, step: &Step, row: usize, prediction: &[i32], seen: &mut [Sample]) {
        let (columns, line) = (step.columns, step.line(row));
        let mut put = |at: usize, x: usize, value: i32| seen[x][at] = value;
        for (i, neighbours) in own_rows(&step.sources, line, prediction).into_iter().enumerate() {
            (0..columns).for_each(|x| put(i, x, neighbours[x].wrapping_sub(prediction[x])));
        }
        if let Some(mean) = step.sources.mean {
            let rows: [&[i32]; MEAN] = reference_rows(&step.sources, mean, line, columns);
            for (i, neighbours) in rows.into_iter().enumerate() {
                let from = if i == 0 { prediction } else { rows[0] };
                (0..columns).for_each(|x| put(28 + i, x, neighbours[x].wrapping_sub(from[x])));
            }
        }
        if let Some(difference) = step.sources.difference {
            let rows: [&[i32]; DIFFERENCE] = reference_rows(&step.sources, difference, line, columns);
            rows.into_iter().enumerate().for_each(|(i, row)| (0..columns).for_each(|x| put(41 + i, x, row[x])));
        }
        let mut sums = vec![0; columns];
        for (i, phase) in [Phase::Coarse, Phase::Centre, Phase::Right].into_iter().enumerate() {
            step.sizes_near(phase, row, &mut sums);
            (0..columns).for_each(|x| put(51 + i, x, i32::from(sums[x])));
        }
        step.sizes_of_references(row, &mut sums);
        for x in 0..columns {
            put(54, x, i32::from(sums[x]));
            put(47, x, self.bin.width());
            put(48, x, step.level as i32);
            put(49, x, step.sources.phase as i32);
            put(50, x, step.sources.references() as i32);
        }
    }
}
