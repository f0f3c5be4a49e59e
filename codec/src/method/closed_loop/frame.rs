//! Frames of a generation coded level by level and phase by phase, by the same lines in both directions.

use super::Steps;
use super::coast::fill;
use super::details::Sources;
use super::fit::Search;
use super::grid::Grid;
use super::plane::{Level, Phase, Plane, Pyramid};
use super::step::Step;
use crate::entropy::BitCoder;
use crate::entropy::codes::{CodeModel, Context, log_class};
use caesar_kernels::loops;
use std::borrow::Cow;

/// Coded frames: their values and the magnitudes of their residual codes.
pub struct Frames {
    pub values: Pyramid<i32>,
    pub sizes: Pyramid<i16>,
}

/// A coded frame: which of some it is, its number in the tile, and that of the frame that refers to it.
#[derive(Clone, Copy)]
pub struct Reference<'a> {
    pub frames: &'a Frames,
    pub at: usize,
    pub frame: usize,
    pub by: usize,
}

/// What decoded frames say about each of those that are coded.
pub struct References<'a> {
    pub mean: Cow<'a, Pyramid<i32>>,
    /// Half the difference of two reference frames.
    pub difference: Option<Pyramid<i32>>,
    pub sizes: Cow<'a, Pyramid<i16>>,
}

/// What the encoder has and the decoder has not.
pub struct Original {
    pub values: Pyramid<i32>,
    pub search: Search,
}

/// Everything that is learned while a tile is coded.
pub struct FrameCoder<S> {
    steps: S,
    anchors: CodeModel<1>,
    rows: usize,
    columns: usize,
    /// What is no longer of use, for what comes: all of it is written before it is read.
    spare_values: Vec<Pyramid<i32>>,
    spare_sizes: Vec<Pyramid<i16>>,
}

/// A pyramid for so many frames of `rows` × `columns`, with anything in it.
pub fn spare_or_new<T: Copy + Default>(spare: &mut Vec<Pyramid<T>>, frames: usize, rows: usize, columns: usize) -> Pyramid<T> {
    let fitting = spare.iter().position(|pyramid| pyramid.frames == frames);
    fitting.map_or_else(|| Pyramid::new(frames, rows, columns), |at| spare.swap_remove(at))
}

impl<S: Steps> FrameCoder<S> {
    /// For frames of `rows` × `columns`.
    pub fn new(steps: S, rows: usize, columns: usize) -> Self {
        FrameCoder { steps, anchors: CodeModel::new([64], 1, 1), rows, columns, spare_values: Vec::new(), spare_sizes: Vec::new() }
    }

    fn values(&mut self, frames: usize) -> Pyramid<i32> {
        spare_or_new(&mut self.spare_values, frames, self.rows, self.columns)
    }

    fn sizes(&mut self, frames: usize) -> Pyramid<i16> {
        spare_or_new(&mut self.spare_sizes, frames, self.rows, self.columns)
    }

    /// Takes back frames that are not referred to any more.
    pub fn discard(&mut self, frames: Frames) {
        self.spare_values.push(frames.values);
        self.spare_sizes.push(frames.sizes);
    }

    /// What coded frames say of those that refer to them: two of each, or one frame of one.
    pub fn references<'a>(&mut self, of: &[[Option<Reference<'a>>; 2]], grid: Option<&Grid>) -> Option<References<'a>> {
        let pairs: Vec<_> = of.iter().filter_map(|&[a, b]| a.zip(b)).collect();
        if pairs.is_empty() {
            let reference = of.first().and_then(|&[a, b]| a.or(b))?;
            let (mean, _) = self.in_steps_of_referrer(reference, grid);
            return Some(References { mean, difference: None, sizes: Cow::Borrowed(&reference.frames.sizes) });
        }
        let (mut mean, mut difference, mut sizes) = (self.values(pairs.len()), self.values(pairs.len()), self.sizes(pairs.len()));
        for (frame, (a, b)) in pairs.into_iter().enumerate() {
            let [(of_a, at_a), (of_b, at_b)] = [a, b].map(|reference| self.in_steps_of_referrer(reference, grid));
            let of_both = mean.planes_mut(frame).zip(difference.planes_mut(frame));
            for ((a, b), (mean, difference)) in of_a.planes(at_a).zip(of_b.planes(at_b)).zip(of_both) {
                mean_and_difference(a, b, mean, difference);
            }
            for ((a, b), size) in a.frames.sizes.planes(a.at).zip(b.frames.sizes.planes(b.at)).zip(sizes.planes_mut(frame)) {
                mean_size(a, b, size);
            }
            [of_a, of_b].into_iter().for_each(|values| self.discard_values(values));
        }
        Some(References { mean: Cow::Owned(mean), difference: Some(difference), sizes: Cow::Owned(sizes) })
    }

    /// The values of a reference, and which frame of them, as positions on the grid of the frame that refers to it.
    fn in_steps_of_referrer<'a>(&mut self, reference: Reference<'a>, grid: Option<&Grid>) -> (Cow<'a, Pyramid<i32>>, usize) {
        let Reference { frames, at, frame, by } = reference;
        let Some(converted) = grid.and_then(|grid| grid.between(frame, by)) else {
            return (Cow::Borrowed(&frames.values), at);
        };
        let mut values = self.values(1);
        for (from, to) in frames.values.planes(at).zip(values.planes_mut(0)) {
            to.iter_mut().zip(from).for_each(|(to, &from)| *to = converted(from));
        }
        (Cow::Owned(values), 0)
    }

    fn discard_values(&mut self, values: Cow<Pyramid<i32>>) {
        if let Cow::Owned(values) = values {
            self.spare_values.push(values);
        }
    }

    /// Takes back what was made for frames that are coded.
    pub fn discard_references(&mut self, references: References) {
        self.discard_values(references.mean);
        if let Cow::Owned(sizes) = references.sizes {
            self.spare_sizes.push(sizes);
        }
        self.spare_values.extend(references.difference);
    }

    /// Codes so many frames. `original` is there when they are encoded; masked points carry no code.
    pub fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        count: usize,
        references: Option<&References>,
        mask: Option<&Pyramid<bool>>,
        original: Option<&Original>,
    ) -> Frames {
        let mut frames = Frames { values: self.values(count), sizes: self.sizes(count) };
        (0..count).for_each(|frame| self.code_anchors(coder, frame, &mut frames, references, mask, original));
        for l in (0..frames.values.levels.len()).rev() {
            if l + 1 < frames.values.levels.len() {
                frames.values.merge(l + 1);
                frames.sizes.merge(l + 1);
            }
            let values = frames.values.levels[l].phase_mut(Phase::Coarse);
            if let Some(mask) = mask {
                (0..count).for_each(|frame| fill(frame, values, mask.levels[l].phase(Phase::Coarse)));
            }
            values.extend_smoothly();
            frames.sizes.levels[l].phase_mut(Phase::Coarse).extend_flat();
            for phase in [Phase::Centre, Phase::Right, Phase::Below] {
                let values = frames.values.levels[l].phase_mut(phase);
                if values.is_empty() {
                    continue;
                }
                let mut values = std::mem::replace(values, Plane::new(0, 0));
                let mut sizes = std::mem::replace(frames.sizes.levels[l].phase_mut(phase), Plane::new(0, 0));
                let step = Step {
                    rows: count * values.rows,
                    of_frame: values.rows,
                    columns: values.columns,
                    level: l,
                    sources: Sources {
                        own: &frames.values.levels[l],
                        mean: references.map(|r| &r.mean.levels[l]),
                        difference: references.and_then(|r| r.difference.as_ref()).map(|d| &d.levels[l]),
                        phase,
                    },
                    sizes: &frames.sizes.levels[l],
                    reference_sizes: references.map(|r| r.sizes.levels[l].phase(phase)),
                    mask: mask.map(|m| m.levels[l].phase(phase)),
                    original: original.map(|o| (o.values.levels[l].phase(phase), o.search)),
                };
                self.steps.code(coder, &step, values.rows_mut().zip(sizes.rows_mut()).collect());
                values.extend_smoothly();
                sizes.extend_flat();
                *frames.values.levels[l].phase_mut(phase) = values;
                *frames.sizes.levels[l].phase_mut(phase) = sizes;
            }
        }
        frames
    }

    /// The coarsest lattice of a frame: each value from the references or from the one before.
    fn code_anchors<C: BitCoder>(
        &mut self,
        coder: &mut C,
        frame: usize,
        frames: &mut Frames,
        references: Option<&References>,
        mask: Option<&Pyramid<bool>>,
        original: Option<&Original>,
    ) {
        let last = frames.values.levels.len() - 1;
        let coarsest = |level: &Level<i32>, row: usize, column: usize| level.phase(Phase::Coarse).row_of(frame, row)[column];
        let out = frames.values.levels[last].phase_mut(Phase::Coarse);
        let sizes = frames.sizes.levels[last].phase_mut(Phase::Coarse);
        let (mut before, mut size) = (0, 0);
        for row in 0..out.rows {
            for column in 0..out.columns {
                let prediction = match references {
                    Some(r) => coarsest(&r.mean.levels[last], row, column),
                    None => before,
                };
                let masked = mask.is_some_and(|m| m.levels[last].phase(Phase::Coarse).row_of(frame, row)[column]);
                let code = if masked {
                    0
                } else {
                    let wanted = original.map_or(0, |o| coarsest(&o.values.levels[last], row, column));
                    let shift = (size as u32 / 4).checked_ilog2().unwrap_or(0);
                    let context = Context { tables: [log_class(size as u32).min(63)], set: 0, shift, sign: 0 };
                    let mut code = [0];
                    self.steps.bin().quantise(&[wanted], &[prediction], &mut code);
                    let code = self.anchors.code(coder, code[0], &context);
                    size = (size + u64::from(code.unsigned_abs())) / 2;
                    code
                };
                let value = &mut out.row_mut(frame, row)[column..=column];
                value[0] = prediction;
                self.steps.bin().restore(&[code], value);
                before = value[0];
                sizes.row_mut(frame, row)[column] = code.unsigned_abs().min(3) as i16;
            }
        }
    }
}

loops! {
    /// The difference is half of it.
    fn mean_and_difference(a: &[i32], b: &[i32], mean: &mut [i32], difference: &mut [i32]) {
        for ((a, b), (mean, difference)) in a.iter().zip(b).zip(mean.iter_mut().zip(difference)) {
            *mean = a.wrapping_add(*b) >> 1;
            *difference = a.wrapping_sub(*b) >> 1;
        }
    }
}

loops! {
    /// Rounded up.
    fn mean_size(a: &[i16], b: &[i16], mean: &mut [i16]) {
        for ((&a, &b), mean) in a.iter().zip(b).zip(mean) {
            *mean = (u32::from(a as u16) + u32::from(b as u16) + 1 >> 1) as i16;
        }
    }
}
