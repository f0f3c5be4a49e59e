//! The networks of a model, one for each kind of step.

use super::neighbours::{own_rows, reference_rows};
use crate::error::{Error, Result};
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::plane::Phase;
use crate::method::closed_loop::step::{Buffers, Linear, Step};
use crate::network::{Model, Network, Tensor};
use caesar_kernels::{Isa, OUTPUTS, Predictor, References, Row};
use std::sync::Arc;

const PHASES: [Phase; 3] = [Phase::Centre, Phase::Right, Phase::Below];

/// Networks by phase, without and with references, for the finest level and for coarser ones.
pub struct Networks {
    kinds: Vec<Kind>,
    isa: Isa,
}

struct Kind {
    predictor: Predictor,
    /// The same as a graph, where an accelerator runs it.
    graph: Option<Arc<dyn Network>>,
}

impl Networks {
    /// The networks of a model: graphs `centre-alone-fine`, …, `below-referred-coarse`, and tables `filters-…` of their
    /// linear filters' taps.
    ///
    /// # Errors
    /// A model that has not all of them, or one outside the bounds of [`Predictor`].
    pub fn of(model: &dyn Model) -> Result<Self> {
        let mut kinds = Vec::new();
        for phase in ["centre", "right", "below"] {
            for references in ["alone", "referred"] {
                for level in ["fine", "coarse"] {
                    kinds.push(Kind::of(model, &format!("{phase}-{references}-{level}"))?);
                }
            }
        }
        Ok(Networks { kinds, isa: Isa::best() })
    }

    /// Predicts a step row by row: `code` has each row, its predictions to be turned into decoded values, and the classes
    /// of its codes.
    pub fn predict(&self, step: &Step, linear: &Linear, bin: Bin, mut code: impl FnMut(usize, &mut [i32], &[u8])) {
        let phase = PHASES.iter().position(|&p| p == step.sources.phase).unwrap_or(0);
        let referred = step.reference_sizes.is_some();
        let kind = &self.kinds[(phase * 2 + usize::from(referred)) * 2 + usize::from(step.level > 0)];
        let mut scratch = Scratch::new(step);
        let mut classes = vec![0; step.columns];
        if let Some(sums) = kind.graph.as_ref().and_then(|graph| self.sums(kind, graph, step, linear, bin)) {
            for row in 0..step.rows {
                let part = row * OUTPUTS * step.columns..(row + 1) * OUTPUTS * step.columns;
                scratch.around(step, linear, row, bin, |around, prediction| {
                    kind.predictor.finish_row(self.isa, around, &sums[part], prediction, &mut classes);
                });
                code(row, &mut scratch.buffers.prediction, &classes);
            }
            return;
        }
        for row in 0..step.rows {
            scratch.around(step, linear, row, bin, |around, prediction| {
                kind.predictor.predict_row(self.isa, around, prediction, &mut classes);
            });
            code(row, &mut scratch.buffers.prediction, &classes);
        }
    }

    /// The last layer's sums for a whole step, row after row, by an accelerator.
    fn sums(&self, kind: &Kind, graph: &Arc<dyn Network>, step: &Step, linear: &Linear, bin: Bin) -> Option<Vec<i32>> {
        let (rows, columns, inputs) = (step.rows, step.columns, kind.predictor.inputs());
        let mut scratch = Scratch::new(step);
        let mut of_row = vec![0; inputs * columns];
        let mut data = vec![0; inputs * rows * columns];
        for row in 0..rows {
            scratch.around(step, linear, row, bin, |around, prediction| {
                kind.predictor.inputs_row(self.isa, around, prediction, &mut of_row);
            });
            for (channel, codes) in of_row.chunks_exact(columns).enumerate() {
                data[(channel * rows + row) * columns..][..columns].copy_from_slice(codes);
            }
        }
        let answer = graph.run(&[Tensor { shape: vec![1, inputs, 1, rows * columns], data }]).ok()?.pop()?;
        if answer.data.len() != OUTPUTS * rows * columns {
            return None;
        }
        let mut sums = vec![0; answer.data.len()];
        for (i, planar) in answer.data.chunks_exact(columns).enumerate() {
            let (channel, row) = (i / rows, i % rows);
            sums[(row * OUTPUTS + channel) * columns..][..columns].copy_from_slice(planar);
        }
        Some(sums)
    }
}

impl Kind {
    fn of(model: &dyn Model, name: &str) -> Result<Self> {
        let refuse = |why: String| Error::Model(format!("{}, graph {name}: {why}", model.hash()));
        let graph = model.graph(name)?;
        let layers = graph.dense().ok_or_else(|| refuse("not a chain of dense layers".into()))?;
        let layers = <[_; 3]>::try_from(layers.to_vec()).map_err(|l| refuse(format!("{} layers", l.len())))?;
        let taps = model.table(&format!("filters-{name}"))?;
        let taps: Vec<i16> = taps.iter().map(|&t| i16::try_from(t)).collect::<std::result::Result<_, _>>().map_err(|e| refuse(e.to_string()))?;
        let predictor = Predictor::new(layers, &taps).map_err(refuse)?;
        if predictor.inputs() != if name.contains("referred") { 60 } else { 36 } {
            return Err(refuse(format!("{} inputs", predictor.inputs())));
        }
        Ok(Kind { predictor, graph: graph.accelerated().then_some(graph) })
    }
}

/// Buffers for one row of targets.
struct Scratch {
    buffers: Buffers,
    /// The linear prediction, which stands for neighbours that are not there.
    linear: Vec<i32>,
    misfit: Vec<i32>,
    activity: [Vec<i16>; 4],
}

impl Scratch {
    fn new(step: &Step) -> Self {
        let columns = step.columns;
        Scratch {
            buffers: step.buffers(),
            linear: vec![0; columns],
            misfit: vec![0; columns],
            activity: std::array::from_fn(|_| vec![0; columns]),
        }
    }

    /// Hands `predict` everything around a row of targets, and its linear prediction.
    fn around(&mut self, step: &Step, linear: &Linear, row: usize, bin: Bin, predict: impl FnOnce(&Row, &mut [i32])) {
        step.predict_row(row, linear, &mut self.buffers);
        let Buffers { bases, prediction, .. } = &mut self.buffers;
        self.linear.copy_from_slice(prediction);
        for (phase, sums) in [Phase::Coarse, Phase::Centre, Phase::Right].into_iter().zip(&mut self.activity) {
            step.sizes_near(phase, row, sums);
        }
        step.sizes_of_references(row, &mut self.activity[3]);
        let sources = &step.sources;
        let references = sources.mean.map(|mean| {
            self.misfit.iter_mut().enumerate().for_each(|(x, misfit)| *misfit = bases.misfit(x));
            References {
                mean: reference_rows(sources, mean, row, step.columns),
                misfit: &self.misfit,
                difference: sources.difference.map(|d| reference_rows(sources, d, row, step.columns)),
            }
        });
        let around = Row {
            own: &own_rows(sources, row, &self.linear),
            references,
            activity: self.activity.each_ref().map(|sums| &sums[..]),
            width: bin.width(),
            level: step.level,
        };
        predict(&around, prediction);
    }
}
