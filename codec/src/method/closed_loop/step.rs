//! One step: all targets of one phase at one level of a frame, predicted side by side.

use super::bin::Bin;
use super::details::{Bases, DETAILS, Precision, Sources, TAP_UNIT, Taps, finish};
use super::fit::{Samples, Search};
use super::plane::{Level, Phase, Plane};
use super::told::Told;
use crate::entropy::{Bit, BitCoder};
use caesar_kernels::{Team, loops};
use std::ops::Range;

/// What a step is coded from.
pub struct Step<'a> {
    /// Rows of targets, in all frames and in each, and their columns.
    pub rows: usize,
    pub of_frame: usize,
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

/// About so many targets are predicted together, margins included.
const TOGETHER: usize = 512;
/// Frames of fewer rows are predicted together with those below.
const FEW_ROWS: usize = 8;

/// Buffers for one row of targets, or for several with the margins between them.
#[derive(Default)]
pub struct Buffers {
    /// Four times the bases.
    pub bases: Bases,
    sums: Vec<i32>,
    pub prediction: Vec<i32>,
    /// Classes of the codes' scales, where a network tells them.
    pub classes: Vec<u8>,
}

impl Buffers {
    pub fn new(length: usize) -> Self {
        let mut buffers = Buffers::default();
        buffers.resize(length);
        buffers
    }

    /// For so many targets.
    pub fn resize(&mut self, length: usize) {
        self.bases.resize(length);
        self.sums.resize(length, 0);
        self.prediction.resize(length, 0);
        self.classes.resize(length, 0);
    }
}

/// Predicts the targets of a step row by row, or some rows from `row` on if the buffers reach so far.
pub trait Predictor {
    /// What it tells step by step, beside the linear predictors.
    type Told: Default;
    /// What it keeps while it predicts a step.
    type Scratch;

    /// Tells what it has to, and notes it with the linear predictor.
    fn tell<C: BitCoder>(&self, coder: &mut C, told: &mut Self::Told, step: &Step, linear: Linear, bin: Bin) -> Linear;

    /// What it needs for some rows, which are to come in order.
    fn scratch(&self, step: &Step, linear: &Linear, bin: Bin, rows: Range<usize>) -> Self::Scratch;

    /// Leaves predictions, and classes if it has them, in the buffers.
    fn predict_row(&self, step: &Step, row: usize, linear: &Linear, scratch: &mut Self::Scratch, buffers: &mut Buffers);
}

/// The linear predictors alone.
pub struct Plain;

impl Predictor for Plain {
    type Told = ();
    type Scratch = ();

    fn tell<C: BitCoder>(&self, _: &mut C, (): &mut (), _: &Step, linear: Linear, _: Bin) -> Linear {
        linear
    }

    fn scratch(&self, _: &Step, _: &Linear, _: Bin, _: Range<usize>) {}

    fn predict_row(&self, step: &Step, row: usize, linear: &Linear, (): &mut (), buffers: &mut Buffers) {
        step.predict_row(row, linear, buffers);
    }
}

/// The linear predictor of a step.
#[derive(Clone, Copy)]
pub struct Linear {
    pub taps: Taps,
    pub precision: Precision,
    /// How many quarters of a network's correction are added; with none it is not asked at all.
    pub trust: i16,
}

/// Trust in full.
pub const TRUST: i16 = 4;

/// The linear predictors of a tile, told step by step.
pub struct Linears {
    taps: Told<DETAILS>,
    precision: Precision,
    same_precision: Bit,
}

impl Linears {
    pub fn new() -> Self {
        Linears { taps: Told::new(TAP_UNIT), precision: Precision::Narrow, same_precision: Bit::new() }
    }

    /// The predictor of a step: the encoder fits it where that pays (the whole team together), and tells it.
    pub fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, bin: Bin, team: Team) -> Linear {
        let available = step.sources.available();
        let samples = step.original.map(|(_, search)| Samples::gather(step, bin.width(), search));
        let start = self.taps.last(step.slot()).unwrap_or_else(|| step.sources.default_taps());
        let fitted = samples.as_ref().map_or(start, |s| s.better_taps(&start, team));
        let taps = self.taps.code(coder, step.slot(), start, fitted, |i| available[i]);
        let taps = std::array::from_fn(|i| if available[i] { taps[i] } else { 0 });
        Linear { taps, precision: self.code_precision(coder, samples.map(|s| s.precision())), trust: TRUST }
    }

    /// The precision of a step's details: that of the step before, or told.
    fn code_precision<C: BitCoder>(&mut self, coder: &mut C, wanted: Option<Precision>) -> Precision {
        let wanted = wanted.unwrap_or(self.precision);
        if !self.same_precision.code(coder, wanted == self.precision) {
            self.precision = Precision::from_number(coder.code_raw(wanted.number(), 4));
        }
        self.precision
    }
}

impl Step<'_> {
    /// The kind of step for which told numbers are kept: level, phase, number of references.
    pub fn slot(&self) -> usize {
        (self.level.min(3) * 3 + self.sources.phase as usize - 1) * 3 + self.sources.references()
    }

    /// Buffers for one row of targets.
    pub fn buffers(&self) -> Buffers {
        Buffers::new(self.columns)
    }

    /// The row after those, from one on and before `end`, that may be predicted as one, so that short ones take no longer than their targets.
    pub fn together(&self, row: usize, end: usize) -> usize {
        let (stride, pitch) = (self.stride(), self.pitch());
        if stride == 0 {
            return row + 1;
        }
        let (frame, last) = (row / self.of_frame, self.above(row) + (TOGETHER - 1) / stride);
        let last = match self.of_frame {
            // What lies between frames is predicted, too, for nothing.
            ..FEW_ROWS => last / pitch * self.of_frame + (last % pitch).min(self.of_frame - 1),
            rows => last.min(rows - 1),
        };
        (frame * self.of_frame + last + 1).min(end)
    }

    /// The line of a row in the planes of the step.
    pub fn line(&self, row: usize) -> usize {
        row / self.of_frame * self.pitch() + self.above(row)
    }

    /// Lines from one frame to the next.
    fn pitch(&self) -> usize {
        self.sources.own.phase(Phase::Coarse).pitch()
    }

    /// From one line to the next in memory.
    pub fn stride(&self) -> usize {
        self.sources.own.phase(Phase::Coarse).stride()
    }

    /// How many rows of the same frame are above one.
    pub fn above(&self, row: usize) -> usize {
        row % self.of_frame
    }

    /// The values that an encoder has for a row.
    pub fn original_row(&self, row: usize) -> Option<&[i32]> {
        self.original.map(|(original, _)| self.row_in(original, row))
    }

    /// Which targets of a row are masked.
    pub fn masked(&self, row: usize) -> Option<&[bool]> {
        self.mask.map(|mask| self.row_in(mask, row))
    }

    fn row_in<'p, T: Copy + Default>(&self, plane: &'p Plane<T>, row: usize) -> &'p [T] {
        plane.row(self.line(row) as isize, 0, self.columns)
    }

    pub fn predict_row(&self, row: usize, linear: &Linear, b: &mut Buffers) {
        let Linear { taps, precision, .. } = linear;
        let line = self.line(row);
        self.sources.base_rows(line, &mut b.bases);
        b.sums.fill(0);
        for index in (0..DETAILS).filter(|&i| taps[i] != 0) {
            self.sources.weigh_row(index, line, &b.bases, *precision, taps[index], &mut b.sums);
        }
        finish(&b.bases.own, &b.sums, *precision, &mut b.prediction);
    }

    /// Sums of the magnitudes of the nearest codes of a phase of the same level, for a row of targets.
    pub fn sizes_near(&self, phase: Phase, row: usize, out: &mut [i16]) {
        out.fill(0);
        let line = self.line(row) as isize;
        self.sources.nearest(phase, |plane, down, right| {
            let sizes = self.sizes.phase(plane).row(line + down, right, out.len());
            out.iter_mut().zip(sizes).for_each(|(o, &s)| *o = o.saturating_add(s));
        });
    }

    /// Magnitudes of the references' codes for a row of targets.
    pub fn sizes_of_references(&self, row: usize, out: &mut [i16]) {
        match self.reference_sizes {
            Some(plane) => out.copy_from_slice(plane.row(self.line(row) as isize, 0, out.len())),
            None => out.fill(0),
        }
    }
}

loops! {
    /// The magnitudes of codes, as contexts see them.
    pub fn magnitudes_of(codes: &[i32], out: &mut [i16]) {
        out.iter_mut().zip(codes).for_each(|(m, c)| *m = c.wrapping_abs().clamp(-32767, 32767).wrapping_abs() as i16);
    }
}
