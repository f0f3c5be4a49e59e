//! One frame coded level by level and phase by phase, by the same lines in both directions.

use super::Steps;
use super::coast::fill;
use super::details::Sources;
use super::fit::Search;
use super::plane::{Level, Phase, Plane, Pyramid};
use super::step::Step;
use crate::entropy::BitCoder;
use crate::entropy::codes::{CodeModel, Context, log_class};
use caesar_kernels::loops;
use std::borrow::Cow;

/// A coded frame: its values and the magnitudes of its residual codes.
pub struct Frame {
    pub values: Pyramid<i32>,
    pub sizes: Pyramid<i16>,
}

/// What the decoded frames around the present one say about it.
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

impl<S: Steps> FrameCoder<S> {
    /// For frames of `rows` × `columns`.
    pub fn new(steps: S, rows: usize, columns: usize) -> Self {
        FrameCoder { steps, anchors: CodeModel::new([64], 1, 1), rows, columns, spare_values: Vec::new(), spare_sizes: Vec::new() }
    }

    fn values(&mut self) -> Pyramid<i32> {
        self.spare_values.pop().unwrap_or_else(|| Pyramid::new(self.rows, self.columns))
    }

    fn sizes(&mut self) -> Pyramid<i16> {
        self.spare_sizes.pop().unwrap_or_else(|| Pyramid::new(self.rows, self.columns))
    }

    /// Takes back a frame that is not referred to any more.
    pub fn discard(&mut self, frame: Frame) {
        self.spare_values.push(frame.values);
        self.spare_sizes.push(frame.sizes);
    }

    /// What coded frames say of one that refers to them.
    pub fn references<'a>(&mut self, frames: [Option<&'a Frame>; 2]) -> Option<References<'a>> {
        match frames {
            [Some(a), Some(b)] => {
                let (mut mean, mut difference, mut sizes) = (self.values(), self.values(), self.sizes());
                let of_both = mean.planes_mut().zip(difference.planes_mut());
                for ((a, b), (mean, difference)) in a.values.planes().zip(b.values.planes()).zip(of_both) {
                    mean_and_difference(a, b, mean, difference);
                }
                for ((a, b), size) in a.sizes.planes().zip(b.sizes.planes()).zip(sizes.planes_mut()) {
                    mean_size(a, b, size);
                }
                Some(References { mean: Cow::Owned(mean), difference: Some(difference), sizes: Cow::Owned(sizes) })
            }
            [Some(a), None] | [None, Some(a)] => {
                Some(References { mean: Cow::Borrowed(&a.values), difference: None, sizes: Cow::Borrowed(&a.sizes) })
            }
            [None, None] => None,
        }
    }

    /// Takes back what was made for a frame that is coded.
    pub fn discard_references(&mut self, references: References) {
        if let Cow::Owned(mean) = references.mean {
            self.spare_values.push(mean);
        }
        if let Cow::Owned(sizes) = references.sizes {
            self.spare_sizes.push(sizes);
        }
        self.spare_values.extend(references.difference);
    }

    /// Codes a frame. `original` is there when it is encoded; masked points carry no code.
    pub fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        references: Option<&References>,
        mask: Option<&Pyramid<bool>>,
        original: Option<&Original>,
    ) -> Frame {
        let mut frame = Frame { values: self.values(), sizes: self.sizes() };
        self.code_anchors(coder, &mut frame, references, mask, original);
        for l in (0..frame.values.levels.len()).rev() {
            if l + 1 < frame.values.levels.len() {
                frame.values.merge(l + 1);
                frame.sizes.merge(l + 1);
            }
            let values = frame.values.levels[l].phase_mut(Phase::Coarse);
            if let Some(mask) = mask {
                fill(values, mask.levels[l].phase(Phase::Coarse));
            }
            values.extend_smoothly();
            frame.sizes.levels[l].phase_mut(Phase::Coarse).extend_flat();
            for phase in [Phase::Centre, Phase::Right, Phase::Below] {
                let values = frame.values.levels[l].phase_mut(phase);
                if values.is_empty() {
                    continue;
                }
                let mut values = std::mem::replace(values, Plane::new(0, 0));
                let mut sizes = std::mem::replace(frame.sizes.levels[l].phase_mut(phase), Plane::new(0, 0));
                let step = Step {
                    rows: values.rows,
                    columns: values.columns,
                    level: l,
                    sources: Sources {
                        own: &frame.values.levels[l],
                        mean: references.map(|r| &r.mean.levels[l]),
                        difference: references.and_then(|r| r.difference.as_ref()).map(|d| &d.levels[l]),
                        phase,
                    },
                    sizes: &frame.sizes.levels[l],
                    reference_sizes: references.map(|r| r.sizes.levels[l].phase(phase)),
                    mask: mask.map(|m| m.levels[l].phase(phase)),
                    original: original.map(|o| (o.values.levels[l].phase(phase), o.search)),
                };
                self.steps.code(coder, &step, &mut values, &mut sizes);
                *frame.values.levels[l].phase_mut(phase) = values;
                *frame.sizes.levels[l].phase_mut(phase) = sizes;
            }
        }
        frame
    }

    /// The coarsest lattice: each value from the references or from the one before.
    fn code_anchors<C: BitCoder>(
        &mut self,
        coder: &mut C,
        frame: &mut Frame,
        references: Option<&References>,
        mask: Option<&Pyramid<bool>>,
        original: Option<&Original>,
    ) {
        let last = frame.values.levels.len() - 1;
        let coarsest = |level: &Level<i32>, row: usize, column: usize| {
            level.phase(Phase::Coarse).row(row as isize, column as isize, 1)[0]
        };
        let out = frame.values.levels[last].phase_mut(Phase::Coarse);
        let sizes = frame.sizes.levels[last].phase_mut(Phase::Coarse);
        let (mut before, mut size) = (0, 0);
        for row in 0..out.rows {
            for column in 0..out.columns {
                let prediction = match references {
                    Some(r) => coarsest(&r.mean.levels[last], row, column),
                    None => before,
                };
                let masked = mask.is_some_and(|m| {
                    m.levels[last].phase(Phase::Coarse).row(row as isize, column as isize, 1)[0]
                });
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
                out.row_mut(row)[column] = prediction;
                self.steps.bin().restore(&[code], &mut out.row_mut(row)[column..=column]);
                before = out.row_mut(row)[column];
                sizes.row_mut(row)[column] = code.unsigned_abs().min(3) as i16;
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
