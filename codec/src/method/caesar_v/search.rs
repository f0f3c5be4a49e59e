//! What the encoder tries: block sizes, steps, network, hyperprior; the smallest stream wins.

use super::padding::Padding;
use super::steps::Steps;
use super::{Networks, Settings, hyper, latents, predict};
use crate::entropy::Encoder;
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;
use crate::residual::{self, Target};
use crate::transform::{self, LAST_STEP, Layout, MAX_INPUT_BITS, SIDES};

/// Encodes a tile with the best settings the effort finds.
pub fn smallest(tile: &Tile, target: Target, effort: Effort, model: &Networks) -> Result<Coded> {
    let padding = Padding::new(tile.shape, model.frames)?;
    let joint = if padding.joint().is_some() { &[false, true][..] } else { &[false] };
    let shapes = joint.iter().flat_map(|&joint| (0..SIDES.len() as u8).map(move |size| Settings { size, joint, ..Settings::default() }));
    let analyses: Vec<_> = shapes.map(|settings| Analysis::of(tile, settings, &padding, model)).collect();
    let reference = reference_step(&analyses[0], tile, target);
    let analysis = analyses.iter().min_by_key(|a| a.cost(reference)).expect("several block sizes");

    let base = Settings { hyper: false, sharpen: true, step: reference, ..analysis.settings };
    let open = |settings: Settings| Candidate::new(settings, analysis, &padding, model);
    let closed =
        |candidate: Candidate| -> Result<_> { Ok((candidate.encode(tile, target, analysis, model)?, candidate)) };

    let first = open(base)?;
    let mut steps = Steps::new(reference, target, effort);
    steps.learn(reference, &first.prediction, tile);
    let mut best = closed(first)?;
    while let Some(step) = steps.next() {
        let candidate = open(Settings { step, ..base })?;
        steps.learn(step, &candidate.prediction, tile);
        best = smaller(best, closed(candidate)?);
    }
    if effort == Effort::Best {
        let hyper = Candidate { settings: Settings { hyper: true, ..best.1.settings }, ..best.1.clone() };
        best = smaller(best, closed(hyper)?);
        let plain = open(Settings { sharpen: false, ..best.1.settings })?;
        best = smaller(best, closed(plain)?);
    }
    Ok(best.0)
}

fn smaller(a: (Coded, Candidate), b: (Coded, Candidate)) -> (Coded, Candidate) {
    if b.0.bytes.len() < a.0.bytes.len() { b } else { a }
}

/// The step to start from.
fn reference_step(analysis: &Analysis, tile: &Tile, target: Target) -> u8 {
    match target {
        // A little wider than the bins: finer steps would spend bits on what the residual codes do anyway.
        Target::Pointwise => transform::step_index(13 << tile.bin_bits >> 3),
        // The widest whose quantisation error keeps the limit; the network takes a little of it away.
        Target::MeanSquare(limit) => (0..=LAST_STEP)
            .collect::<Vec<_>>()
            .partition_point(|&index| analysis.mean_square(index) <= limit)
            .saturating_sub(1) as u8,
    }
}

/// A tile's coefficients for one block size.
struct Analysis {
    /// Block size and mean.
    settings: Settings,
    layout: Layout,
    skipped: Vec<bool>,
    /// In units of 2^exponent lattice units, a power of two that uses the transform's range.
    coefficients: Vec<i32>,
    exponent: i32,
}

impl Analysis {
    fn of(tile: &Tile, settings: Settings, padding: &Padding, model: &Networks) -> Analysis {
        let sum: i64 = tile.values.iter().map(|&v| i64::from(v)).sum();
        let mean = (sum / tile.values.len().max(1) as i64) as i32;
        let largest = tile.values.iter().map(|&v| v.abs_diff(mean)).max().unwrap_or(0);
        // Leave room for the rounding up of a right shift.
        let exponent = (u32::BITS - largest.leading_zeros()) as i32 + 1 - MAX_INPUT_BITS as i32;
        let scaled = |v: i32| {
            let v = v - mean;
            if exponent <= 0 { v << -exponent } else { v + (1 << (exponent - 1)) >> exponent }
        };
        let layout = settings.layout(padding, model.frames);
        let coefficients = transform::forward(&padding.pad(tile.values, scaled), &layout);
        let skipped = padding.skipped(tile.mask, &layout);
        Analysis { settings: Settings { mean, ..settings }, layout, skipped, coefficients, exponent }
    }

    fn latents(&self, step: u8) -> Vec<i32> {
        let mut latents = latents::quantise(&self.coefficients, self.exponent, transform::step(step));
        for (block, &skipped) in latents.chunks_exact_mut(self.layout.block_len()).zip(&self.skipped) {
            if skipped {
                block.fill(0);
            }
        }
        latents
    }

    /// About how many bits the latents take.
    fn cost(&self, step: u8) -> u64 {
        self.latents(step).iter().map(|q| 2 * u64::from(u32::BITS - q.unsigned_abs().leading_zeros())).sum()
    }

    /// Mean square error of the latents, in lattice units, over the blocks that count.
    fn mean_square(&self, step: u8) -> f64 {
        let len = self.layout.block_len();
        let unit = f64::from(self.exponent).exp2();
        let width = f64::from(transform::step(step));
        let latents = self.latents(step);
        let blocks = self.coefficients.chunks_exact(len).zip(latents.chunks_exact(len)).zip(&self.skipped);
        let counted = blocks.filter(|(_, skipped)| !**skipped).map(|(block, _)| block);
        let error = |(&c, &q): (&i32, &i32)| (f64::from(c) * unit - f64::from(q) * width).powi(2);
        let (sum, blocks) = counted.fold((0.0, 0usize), |(sum, blocks), (coefficients, latents)| {
            (sum + coefficients.iter().zip(latents).map(error).sum::<f64>(), blocks + 1)
        });
        sum / (blocks * len).max(1) as f64
    }
}

/// Settings and what they make of a tile; whether a hyperprior helps to code the latents is open.
#[derive(Clone)]
struct Candidate {
    settings: Settings,
    latents: Vec<i32>,
    prediction: Vec<i32>,
}

impl Candidate {
    fn new(settings: Settings, analysis: &Analysis, padding: &Padding, model: &Networks) -> Result<Candidate> {
        let latents = analysis.latents(settings.step);
        let prediction = predict(&latents, &analysis.layout, &settings, padding, model)?;
        Ok(Candidate { settings, latents, prediction })
    }

    fn encode(&self, tile: &Tile, target: Target, analysis: &Analysis, model: &Networks) -> Result<Coded> {
        let mut latents = self.latents.clone();
        let mut hyper = match self.settings.hyper {
            true => Some(hyper::analyse(&latents, &analysis.layout, model)?),
            false => None,
        };
        let mut coder = Encoder::new();
        self.settings.code(&mut coder)?;
        latents::code(&mut coder, &mut latents, hyper.as_deref_mut(), &analysis.layout, &analysis.skipped, model)?;
        let decoded = residual::encode(&mut coder, tile, self.prediction.clone(), target)?;
        Ok(Coded { bytes: coder.finish(), decoded })
    }
}
