//! The networks of a model, one for each kind of step.

use super::neighbours::{own_count, own_rows, reference_rows};
use crate::entropy::BitCoder;
use crate::error::{Error, Result};
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::details::Bases;
use crate::method::closed_loop::plane::Phase;
use crate::method::closed_loop::fit::{FEWEST, log2};
use crate::method::closed_loop::step::{Buffers, Linear, Predictor as StepPredictor, Step, TRUST};
use crate::method::closed_loop::told::{Told, change_bits};
use crate::network::{Model, Network, Tensor};
use caesar_kernels::{Isa, OUTPUTS, Predictor, References, Row};
use std::ops::Range;
use std::sync::Arc;

const PHASES: [Phase; 3] = [Phase::Centre, Phase::Right, Phase::Below];

/// Networks by phase, without and with references, for the finest level and for coarser ones.
pub struct Networks {
    kinds: Vec<Kind>,
    isa: Isa,
}

struct Kind {
    predictor: Predictor,
    /// The same as a graph, for an accelerator.
    graph: Arc<dyn Network>,
}

impl Networks {
    /// The networks of a model: graphs `centre-alone-fine`, …, `below-referred-coarse`, and tables `filters-…` of their
    /// linear filters' taps. Made once for each model.
    ///
    /// # Errors
    /// A model that has not all of them, or one outside the bounds of [`Predictor`].
    pub fn of(model: &dyn Model) -> Result<Arc<Self>> {
        if let Some(networks) = model.made().get().and_then(|made| made.clone().downcast().ok()) {
            return Ok(networks);
        }
        let networks = Arc::new(Self::make(model)?);
        // Another thread may have been faster: its networks are the same.
        let _ = model.made().set(networks.clone());
        Ok(networks)
    }

    fn make(model: &dyn Model) -> Result<Self> {
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

    /// How many rows of a step are predicted together.
    pub fn together(&self, step: &Step, row: usize, end: usize) -> usize {
        if self.kind(step).graph.accelerated() { row + 1 } else { step.together(row, end) }
    }

    fn kind(&self, step: &Step) -> &Kind {
        let phase = PHASES.iter().position(|&p| p == step.sources.phase).unwrap_or(0);
        let referred = step.reference_sizes.is_some();
        &self.kinds[(phase * 2 + usize::from(referred)) * 2 + usize::from(step.level > 0)]
    }

    /// The last layer's sums for some rows of a step, one after the other, by an accelerator.
    fn sums(&self, graph: &dyn Network, step: &Step, linear: &Linear, around: &mut Around, of: Range<usize>) -> Option<Vec<i32>> {
        let predictor = &self.kind(step).predictor;
        let (rows, columns, inputs) = (of.len(), step.columns, predictor.inputs());
        let mut buffers = step.buffers();
        let mut of_row = vec![0; inputs * columns];
        let mut data = vec![0; inputs * rows * columns];
        for row in 0..rows {
            step.predict_row(of.start + row, linear, &mut buffers);
            let Buffers { bases, prediction, .. } = &mut buffers;
            around.look(step, of.start + row, bases, prediction, |seen, prediction| predictor.inputs_row(self.isa, seen, prediction, &mut of_row));
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

/// While a step is predicted.
pub struct Scratch {
    around: Around,
    /// What an accelerator made of the rows from the first on.
    sums: Option<Vec<i32>>,
    first: usize,
}

/// A row of targets as the network corrects it in full, its linear prediction, and its classes.
pub struct Corrected {
    pub row: usize,
    pub prediction: Vec<i32>,
    linear: Vec<i32>,
    pub classes: Vec<u8>,
}

impl Corrected {
    /// Leaves so many quarters of the correction.
    pub fn trust(&mut self, trust: i16) {
        trust_row(&self.linear, trust, &mut self.prediction);
    }
}

/// What some targets of a step would have cost under each trust.
#[derive(Clone, Copy, Default)]
pub struct Costs {
    bits: [f32; TRUST as usize + 1],
    samples: usize,
}

impl Networks {
    /// Those of some rows of a step that lie among `rows`, corrected, and what they cost.
    pub fn correct(&self, step: &Step, linear: &Linear, bin: Bin, rows: Range<usize>) -> (Vec<Corrected>, Costs) {
        let (mut corrected, mut costs) = (Vec::new(), Costs::default());
        let Some((_, search)) = step.original else { return (corrected, costs) };
        let (mut scratch, mut buffers) = (self.scratch(step, linear, bin, rows.clone()), step.buffers());
        for row in search.rows(step.rows, step.columns).filter(|row| rows.contains(row)) {
            let Some(wanted) = step.original_row(row) else { break };
            self.predict_row(step, row, linear, &mut scratch, &mut buffers);
            let linear = &scratch.around.linear;
            for x in search.columns(step.columns, step.masked(row)) {
                costs.samples += 1;
                for (trust, bits) in costs.bits.iter_mut().enumerate() {
                    let off = wanted[x].wrapping_sub(trusted(linear[x], buffers.prediction[x], trust as i16));
                    *bits += log2(0.15 + off.unsigned_abs() as f32 / bin.width() as f32);
                }
            }
            let (prediction, classes) = (buffers.prediction.clone(), buffers.classes.clone());
            corrected.push(Corrected { row, prediction, linear: linear.clone(), classes });
        }
        (corrected, costs)
    }
}

impl Costs {
    pub fn and(&self, other: &Costs) -> Costs {
        Costs { bits: std::array::from_fn(|i| self.bits[i] + other.bits[i]), samples: self.samples + other.samples }
    }

    /// The trust, if any at all, that would have made a step cheapest, if that pays for telling it.
    pub fn better_trust(&self, start: i16, share: f64) -> i16 {
        if self.samples < FEWEST {
            return start;
        }
        let best = (1..=TRUST).min_by(|&a, &b| self.bits[a as usize].total_cmp(&self.bits[b as usize])).unwrap_or(start);
        let gain = f64::from(self.bits[start as usize] - self.bits[best as usize]) * share;
        if gain > 2.0 * change_bits(&[start], &[best], 1) { best } else { start }
    }
}

/// The linear prediction with so many quarters of the network's correction.
#[inline(always)]
fn trusted(plain: i32, full: i32, trust: i16) -> i32 {
    plain.wrapping_add(full.wrapping_sub(plain).wrapping_mul(i32::from(trust)) >> 2)
}

fn trust_row(plain: &[i32], trust: i16, prediction: &mut [i32]) {
    if trust != TRUST {
        prediction.iter_mut().zip(plain).for_each(|(full, &plain)| *full = trusted(plain, *full, trust));
    }
}

/// How far the network of each kind of step is trusted.
pub struct Trusts(Told<1>);

impl Default for Trusts {
    fn default() -> Self {
        Trusts(Told::new(1))
    }
}

impl Trusts {
    /// What was told last for a step of this kind.
    pub fn last(&self, step: &Step) -> i16 {
        self.0.last(step.slot()).map_or(TRUST, |[trust]| trust.clamp(0, TRUST))
    }

    pub fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, wanted: i16) -> i16 {
        let [trust] = self.0.code(coder, step.slot(), [self.last(step)], [wanted], |_| true);
        trust.clamp(0, TRUST)
    }
}

impl StepPredictor for &Networks {
    type Told = Trusts;
    type Scratch = Scratch;

    fn tell<C: BitCoder>(&self, coder: &mut C, told: &mut Trusts, step: &Step, linear: Linear, bin: Bin) -> Linear {
        let start = told.last(step);
        let wanted = match step.original {
            Some((_, search)) if step.rows * step.columns >= FEWEST => {
                let (_, costs) = self.correct(step, &linear, bin, 0..step.rows);
                costs.better_trust(start, search.share(step.rows, step.columns))
            }
            _ => start,
        };
        Linear { trust: told.code(coder, step, wanted), ..linear }
    }

    fn scratch(&self, step: &Step, linear: &Linear, bin: Bin, rows: Range<usize>) -> Scratch {
        let (mut around, first) = (Around::new(bin), rows.start);
        let graph = &self.kind(step).graph;
        let asked = linear.trust > 0 && graph.accelerated();
        let sums = if asked { self.sums(&**graph, step, linear, &mut around, rows) } else { None };
        Scratch { around, sums, first }
    }

    fn predict_row(&self, step: &Step, row: usize, linear: &Linear, scratch: &mut Scratch, buffers: &mut Buffers) {
        step.predict_row(row, linear, buffers);
        if linear.trust == 0 {
            buffers.classes.fill(0);
            return;
        }
        let predictor = &self.kind(step).predictor;
        let Buffers { bases, prediction, classes, .. } = buffers;
        scratch.around.look(step, row, bases, prediction, |seen, prediction| match &scratch.sums {
            Some(sums) => {
                let part = &sums[(row - scratch.first) * OUTPUTS * step.columns..][..OUTPUTS * step.columns];
                predictor.finish_row(self.isa, seen, part, prediction, classes);
            }
            None => predictor.predict_row(self.isa, seen, prediction, classes),
        });
        trust_row(&scratch.around.linear, linear.trust, prediction);
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
        Ok(Kind { predictor, graph })
    }
}

/// What a network sees around a row of targets, beside the planes themselves.
struct Around {
    bin: Bin,
    /// The linear prediction, which stands for neighbours that are not there.
    linear: Vec<i32>,
    misfit: Vec<i32>,
    activity: [Vec<i16>; 4],
}

impl Around {
    fn new(bin: Bin) -> Self {
        Around { bin, linear: Vec::new(), misfit: Vec::new(), activity: Default::default() }
    }

    /// Hands `predict` everything around a row of targets, and their linear prediction.
    fn look(&mut self, step: &Step, row: usize, bases: &Bases, prediction: &mut [i32], predict: impl FnOnce(&Row, &mut [i32])) {
        let length = prediction.len();
        self.linear.clear();
        self.linear.extend_from_slice(prediction);
        self.misfit.resize(length, 0);
        self.activity.iter_mut().for_each(|sums| sums.resize(length, 0));
        for (phase, sums) in [Phase::Coarse, Phase::Centre, Phase::Right].into_iter().zip(&mut self.activity) {
            step.sizes_near(phase, row, sums);
        }
        step.sizes_of_references(row, &mut self.activity[3]);
        let (sources, line) = (&step.sources, step.line(row));
        let references = sources.mean.map(|mean| {
            self.misfit.iter_mut().enumerate().for_each(|(x, misfit)| *misfit = bases.misfit(x));
            References {
                mean: reference_rows(sources, mean, line, length),
                misfit: &self.misfit,
                difference: sources.difference.map(|d| reference_rows(sources, d, line, length)),
            }
        });
        let own = own_rows(sources, line, &self.linear);
        let seen = Row {
            own: &own[..own_count(sources.phase)],
            references,
            activity: self.activity.each_ref().map(|sums| &sums[..]),
            width: self.bin.width(),
            level: step.level,
        };
        predict(&seen, prediction);
    }
}
