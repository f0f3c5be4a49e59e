//! What the encoder tries: block sizes, steps, network, hyperprior; the smallest stream wins.

use super::padding::Padding;
use super::steps::{self, Search};
use super::{Networks, Settings, hyper, latents, predict};
use crate::entropy::Encoder;
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;
use crate::residual::{self, Target};
use crate::threads::side_by_side;
use crate::transform::{self, LAST_STEP, Layout, MAX_INPUT_BITS, SIDES};

/// Encodes a tile with the best settings the effort finds.
pub fn smallest(tile: &Tile, target: Target, effort: Effort, model: &Networks) -> Result<Coded> {
    let padding = Padding::new(tile.shape, model.frames)?;
    let image = Image::of(tile, &padding);
    let analysis = Analysis::of(&image, tile.mask, Settings::default(), &padding, model.frames);
    let reference = reference_step(&analysis, tile, target);
    let analysis = &cheapest(analysis, reference, &image, tile.mask, &padding, model);
    drop(image);

    let base = Settings { hyper: false, sharpen: true, step: reference, ..analysis.settings };
    let weighed = |settings: Settings, weight: f32| Candidate::new(settings, weight, analysis, &padding, model);
    let open = |settings: Settings| weighed(settings, latents::WEIGHT);
    let closed =
        |candidate: Candidate| -> Result<_> { Ok((candidate.encode(tile, target, analysis, model)?, candidate)) };
    let mut best = match target {
        Target::Pointwise => {
            let mut best = closed(open(base)?)?;
            for step in steps::around(reference, effort) {
                best = smaller(best, closed(open(Settings { step, ..base })?)?);
            }
            best
        }
        Target::MeanSquare(limit) => {
            let mut search = Search::new(reference, limit, effort);
            // The nearest from below, and from above, which little may bring within the limit.
            let (mut under, mut over) = (None, None);
            while let Some(step) = search.next() {
                let candidate = open(Settings { step, ..base })?;
                let error = residual::mean_square(tile, &candidate.prediction);
                match search.learn(error) {
                    true => under = Some((error, candidate)),
                    false => over = Some((error, candidate)),
                }
            }
            // What a whole step would overspend, dearer bits spend.
            if let Some((error, Candidate { settings, .. })) = under.as_ref().filter(|_| effort != Effort::Fast) {
                let weight = latents::WEIGHT * (2.5 * (limit / error.max(1e-3 * limit) - 1.0)).min(1.0).exp2() as f32;
                let candidate = weighed(*settings, weight)?;
                let error = residual::mean_square(tile, &candidate.prediction);
                if error <= limit {
                    under = Some((error, candidate));
                }
            }
            let under = under.map(|(_, candidate)| candidate);
            let near = over.filter(|(error, _)| under.is_none() || *error < 1.2 * limit).map(|(_, candidate)| candidate);
            match (under.map(closed).transpose()?, near.map(closed).transpose()?) {
                (Some(under), Some(over)) => smaller(under, over),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => unreachable!("a search tries its first step"),
            }
        }
    };
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

/// The analysis by the block size, and length, at which latents cost least.
fn cheapest(first: Analysis, reference: u8, image: &Image, mask: Option<&[bool]>, padding: &Padding, model: &Networks) -> Analysis {
    let plain = (1..SIDES.len() as u8).map(|size| Settings { size, ..Settings::default() });
    let joint = (0..SIDES.len() as u8).map(|size| Settings { size, joint: true, ..Settings::default() });
    let joint = joint.filter(|settings| settings.layout(padding, model.frames).frames != model.frames);
    let others: Vec<Settings> = plain.chain(joint).collect();
    let (frames, threads) = (model.frames, model.threads);
    let other = |i: usize| {
        let analysis = Analysis::of(image, mask, others[i], padding, frames);
        (analysis.cost(reference), analysis)
    };
    // At equal cost the first, whoever comes first.
    let mut best = (first.cost(reference), 0, first);
    side_by_side(threads, others.len(), other, |i, (cost, analysis)| {
        if (cost, i + 1) < (best.0, best.1) {
            best = (cost, i + 1, analysis);
        }
    });
    best.2
}

/// The step to start from.
fn reference_step(analysis: &Analysis, tile: &Tile, target: Target) -> u8 {
    match target {
        // A little wider than the bins: finer steps would spend bits on what the residual codes do anyway.
        Target::Pointwise => transform::step_index(13 << tile.bin_bits >> 3),
        // Plain rounding errs nearly twice as much as dependent quantisation and the network leave.
        Target::MeanSquare(limit) => (0..=LAST_STEP)
            .collect::<Vec<_>>()
            .partition_point(|&index| analysis.mean_square(index) <= 1.7 * limit)
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

/// A tile as transforms take it: padded, less its mean, in units of 2^exponent lattice units.
struct Image {
    values: Vec<i32>,
    mean: i32,
    exponent: i32,
}

impl Image {
    fn of(tile: &Tile, padding: &Padding) -> Image {
        let sum: i64 = tile.values.iter().map(|&v| i64::from(v)).sum();
        let mean = (sum / tile.values.len().max(1) as i64) as i32;
        let largest = tile.values.iter().map(|&v| v.abs_diff(mean)).max().unwrap_or(0);
        // Leave room for the rounding up of a right shift.
        let exponent = (u32::BITS - largest.leading_zeros()) as i32 + 1 - MAX_INPUT_BITS as i32;
        let scaled = |v: i32| {
            let v = v - mean;
            if exponent <= 0 { v << -exponent } else { v + (1 << (exponent - 1)) >> exponent }
        };
        Image { values: padding.pad(tile.values, scaled), mean, exponent }
    }
}

impl Analysis {
    fn of(image: &Image, mask: Option<&[bool]>, settings: Settings, padding: &Padding, frames: usize) -> Analysis {
        let layout = settings.layout(padding, frames);
        let coefficients = transform::forward(&image.values, &layout);
        let skipped = padding.skipped(mask, &layout);
        Analysis { settings: Settings { mean: image.mean, ..settings }, layout, skipped, coefficients, exponent: image.exponent }
    }

    fn latents(&self, step: u8, weight: f32, threads: usize) -> Vec<i32> {
        latents::quantise(&self.coefficients, self.exponent, transform::step(step), weight, &self.layout, &self.skipped, threads)
    }

    /// About what the latents cost.
    fn cost(&self, step: u8) -> f64 {
        latents::estimate(&self.coefficients, self.exponent, transform::step(step), &self.layout, &self.skipped)
    }

    /// Mean square error of plain rounding, in lattice units, over some of the blocks that count.
    fn mean_square(&self, step: u8) -> f64 {
        const ENOUGH: usize = 1 << 16;
        let len = self.layout.block_len();
        let width = f64::from(transform::step(step));
        let scale = f64::from(self.exponent).exp2() / width;
        let error = |&c: &i32| {
            let steps = f64::from(c).abs() * scale;
            if steps < 0.7 { steps } else { steps - (steps + 0.3).floor() }.powi(2)
        };
        let counted = self.coefficients.chunks_exact(len).zip(&self.skipped).filter(|(_, skipped)| !**skipped);
        let some = counted.step_by((self.coefficients.len() / ENOUGH).max(1));
        let (sum, blocks) = some.fold((0.0, 0usize), |(sum, blocks), (block, _)| (sum + block.iter().map(error).sum::<f64>(), blocks + 1));
        sum * width * width / (blocks * len).max(1) as f64
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
    fn new(settings: Settings, weight: f32, analysis: &Analysis, padding: &Padding, model: &Networks) -> Result<Candidate> {
        let latents = analysis.latents(settings.step, weight, model.threads);
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
