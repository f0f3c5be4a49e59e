//! Rows in groups of sixteen targets, the last of which begins earlier rather than end beyond the row, and blocks of some groups.

use super::dense::{filter, network};
use super::finish::{finish, quiet};
use super::gather::{gather, gather_own, gather_rest};
use super::lanes::{LANES, Lanes};
use super::scratch::{GROUPS, Scratch};
use super::{Kernel, run};
use crate::isa::Isa;
use crate::portable;
use crate::predictor::{OUTPUTS, Predictor};
use crate::row::{DETAILS, OWN, References, Row};
use crate::scales::Scales;

pub fn predict_row(isa: Isa, predictor: &Predictor, row: &Row, prediction: &mut [i32], classes: &mut [u8]) {
    let n = prediction.len();
    check(predictor, row, n);
    assert_eq!(classes.len(), n);
    if n >= LANES || isa == Isa::PORTABLE {
        return run(isa, Predict { predictor, row, sums: None, prediction, classes });
    }
    // Too short for a vector: followed by zeros.
    let mut own = [[0; LANES]; OWN];
    own.iter_mut().zip(row.own).for_each(|(to, from)| *to = padded(from));
    let own = own.each_ref().map(|o| &o[..]);
    let references = row.references.map(|r| (r.mean.map(padded), padded(r.misfit), r.difference.map(|d| d.map(padded))));
    let references = references.as_ref().map(|(mean, misfit, difference)| References {
        mean: mean.each_ref().map(|m| &m[..]),
        misfit,
        difference: difference.as_ref().map(|d| d.each_ref().map(|f| &f[..])),
    });
    let activity = row.activity.map(padded);
    let activity = activity.each_ref().map(|a| &a[..]);
    let (mut predictions, mut all_classes) = (padded(prediction), [0; LANES]);
    let row = Row { own: &own[..row.own.len()], references, activity, ..*row };
    run(isa, Predict { predictor, row: &row, sums: None, prediction: &mut predictions, classes: &mut all_classes });
    prediction.copy_from_slice(&predictions[..n]);
    classes.copy_from_slice(&all_classes[..n]);
}

fn padded<T: Copy + Default>(slice: &[T]) -> [T; LANES] {
    let mut padded = [T::default(); LANES];
    padded[..slice.len()].copy_from_slice(slice);
    padded
}

pub fn inputs_row(isa: Isa, predictor: &Predictor, row: &Row, prediction: &[i32], inputs: &mut [u8]) {
    check(predictor, row, prediction.len());
    assert_eq!(inputs.len(), predictor.inputs() * prediction.len());
    let isa = if prediction.len() < LANES { Isa::PORTABLE } else { isa };
    run(isa, Inputs { predictor, row, prediction, inputs });
}

pub fn finish_row(isa: Isa, predictor: &Predictor, row: &Row, sums: &[i32], prediction: &mut [i32], classes: &mut [u8]) {
    check(predictor, row, prediction.len());
    assert_eq!([classes.len(), sums.len()], [prediction.len(), OUTPUTS * prediction.len()]);
    let isa = if prediction.len() < LANES { Isa::PORTABLE } else { isa };
    run(isa, Predict { predictor, row, sums: Some(sums), prediction, classes });
}

/// What the unchecked loads of the vector kernels rely on.
fn check(predictor: &Predictor, row: &Row, targets: usize) {
    row.check(targets);
    assert_eq!(row.references.is_some(), predictor.is_referred(), "a row of the network's kind");
}

struct Predict<'a> {
    predictor: &'a Predictor,
    row: &'a Row<'a>,
    /// Sums of the last layer, where they are known already.
    sums: Option<&'a [i32]>,
    prediction: &'a mut [i32],
    classes: &'a mut [u8],
}

impl Kernel for Predict<'_> {
    fn portable(self) {
        match self.sums {
            None => portable::predict_row(self.predictor, self.row, self.prediction, self.classes),
            Some(sums) => portable::finish_row(self.predictor, self.row, sums, self.prediction, self.classes),
        }
    }

    #[inline(always)]
    fn vector<L: Lanes>(self, l: L) {
        let Predict { predictor, row, sums, prediction, classes } = self;
        let (targets, scales, mut scratch) = (prediction.len(), Scales::new(row), Scratch::new());
        let details = if row.references.is_some() { DETAILS } else { row.own.len() };
        let mut tail = [0; LANES];
        tail.copy_from_slice(&prediction[targets - LANES..]);
        // Where the groups of a block begin: the next ones that are not quiet.
        let (mut starts, mut count) = ([0; GROUPS], 0);
        for x in (0..targets).step_by(LANES) {
            let (last, x) = (x + LANES >= targets, x.min(targets - LANES));
            if last {
                // The group before may have replaced what this one is to start from.
                prediction[x..].copy_from_slice(&tail);
            }
            // SAFETY: the row was checked and has at least sixteen targets; each stage reads what those before it wrote.
            unsafe {
                gather_own(l, row, &scales, prediction, x, count, &mut scratch);
                if l.to_array(quiet(l, &scales, count, &scratch)) == [-1; LANES] {
                    classes[x..][..LANES].fill(0);
                } else {
                    gather_rest(l, row, &scales, x, count, &mut scratch);
                    starts[count] = x;
                    count += 1;
                }
                if count < GROUPS && !last {
                    continue;
                }
                match sums {
                    None => network(l, &predictor.packed, count, &mut scratch),
                    Some(sums) => take(l, sums, &starts[..count], targets, &mut scratch),
                }
                filter(l, &predictor.packed, details, count, &mut scratch);
                for (group, x) in starts[..count].iter().enumerate() {
                    finish(l, &scales, group, &scratch, &mut prediction[*x..], &mut classes[*x..]);
                }
            }
            count = 0;
        }
    }
}

/// Takes the sums of groups that begin at `starts` instead of computing them.
#[inline(always)]
fn take<L: Lanes>(l: L, sums: &[i32], starts: &[usize], targets: usize, scratch: &mut Scratch) {
    for (group, &x) in starts.iter().enumerate() {
        for (plane, sums) in scratch.sums[..OUTPUTS].iter_mut().zip(sums.chunks_exact(targets)) {
            let (sums, _) = sums[x..].as_chunks();
            plane.write(l, group, l.load(&sums[0]));
        }
    }
}

struct Inputs<'a> {
    predictor: &'a Predictor,
    row: &'a Row<'a>,
    prediction: &'a [i32],
    inputs: &'a mut [u8],
}

impl Kernel for Inputs<'_> {
    fn portable(self) {
        portable::inputs_row(self.row, self.prediction, self.inputs);
    }

    #[inline(always)]
    fn vector<L: Lanes>(self, l: L) {
        let Inputs { predictor, row, prediction, inputs } = self;
        let (targets, scales, mut scratch) = (prediction.len(), Scales::new(row), Scratch::new());
        let flip = if L::SIGNED { 0x80 } else { 0 };
        for x in (0..targets).step_by(LANES) {
            let (group, x) = (0, x.min(targets - LANES));
            // SAFETY: the row was checked and has at least sixteen targets.
            unsafe { gather(l, row, &scales, prediction, x, group, &mut scratch) };
            for quad in 0..predictor.inputs() / 4 {
                // SAFETY: the group is gathered.
                let codes = unsafe { scratch.codes[0][quad].get(group) };
                for i in 0..4 {
                    let to = &mut inputs[(4 * quad + i) * targets + x..][..LANES];
                    to.iter_mut().zip(codes).for_each(|(to, lane)| *to = lane.to_le_bytes()[i] ^ flip);
                }
            }
        }
    }
}
