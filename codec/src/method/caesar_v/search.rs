//! What the encoder tries: block sizes, steps, network, hyperprior; the smallest stream wins.

use super::padding::Padding;
use super::steps::{self, Search};
use super::synthesis::predict;
use super::{Networks, Settings, hyper, latents};
use crate::entropy::Encoder;
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;
use crate::residual::{self, Target};
use crate::threads::side_by_side;
use crate::transform::{self, Layout, Rates, SIDES};

/// Encodes a tile with the best settings the effort finds; as [`super::encode`].
pub fn smallest(tile: &Tile, target: Target, effort: Effort, alone: bool, model: &Networks) -> Result<Option<Coded>> {
    let padding = Padding::new(tile.shape, model.frames)?;
    let task = Task { tile, target, effort, alone, padding: &padding, model };
    let mut best: Option<Closed> = None;
    for (analysis, start, rates) in Analysis::cheapest(&task) {
        best = match (best, task.search(&analysis, &start, &rates)?) {
            (Some(best), Some(found)) => Some(smaller(best, found)),
            (best, found) => best.or(found),
        };
    }
    Ok(best.map(|(_, coded, _)| coded))
}

/// What is to be encoded, and how well.
struct Task<'a> {
    tile: &'a Tile<'a>,
    target: Target,
    effort: Effort,
    alone: bool,
    padding: &'a Padding,
    model: &'a Networks<'a>,
}

impl Task<'_> {
    /// The best settings for one size of blocks. `None` as in [`super::encode`].
    fn search(&self, analysis: &Analysis, start: &Start, rates: &Rates) -> Result<Option<Closed>> {
        let Task { tile, target, effort, alone, padding, model } = *self;
        let base = Settings { sharpen: true, step: start.step, ..analysis.settings };
        let open = |settings: Settings, model: &Networks| Candidate::of(analysis.latents(settings.step, rates, model.threads), settings, analysis, padding, model);
        let closed = |candidate: Candidate| -> Result<Closed> {
            let coded = candidate.encode(tile, target, analysis, model)?;
            Ok((residual::cost(&coded, tile, target), coded, candidate))
        };
        let cheapest = |first: u16| {
            steps::cheapest(first, effort, |step| {
                let closed = closed(open(Settings { step, ..base }, model)?)?;
                Ok((closed.0, closed))
            })
        };
        let mut best = match target {
            Target::Pointwise => {
                let steps: Vec<u16> = std::iter::once(start.step).chain(steps::around(start.step, effort)).collect();
                let alone = Networks { threads: 1, ..*model };
                let of = |i: usize| closed(open(Settings { step: steps[i], ..base }, &alone)?);
                let mut best: Result<Option<(usize, Closed)>> = Ok(None);
                side_by_side(model.threads, steps.len(), of, |i, closed| {
                    best = std::mem::replace(&mut best, Ok(None)).and_then(|best| {
                        let closed = closed?;
                        // At equal cost the first, whoever comes first.
                        Ok(Some(best.filter(|(j, best)| (best.0, *j) < (closed.0, i)).unwrap_or((i, closed))))
                    });
                });
                best?.expect("the first step is tried").1
            }
            Target::PatchMeanSquare(_) => cheapest(start.step)?,
            Target::MeanSquare(limit) => {
                let mut steps = Search::new(start.step, start.slope, limit, effort);
                let mut nearest: Option<(f64, Candidate)> = None;
                let mut gain = Gain::default();
                while let Some(step) = steps.next() {
                    let latents = analysis.latents(step, rates, model.threads);
                    let missed = analysis.missed(&latents, step);
                    if gain.at(step).is_some_and(|gain| !steps.guess(gain * missed)) {
                        continue;
                    }
                    let candidate = Candidate::of(latents, Settings { step, ..base }, analysis, padding, model)?;
                    let error = residual::mean_square(tile, &candidate.prediction);
                    gain.learn(step, error / missed);
                    steps.learn(error);
                    // The widest step that keeps the limit, or the least error beyond it.
                    let wider = |other: &Candidate| error <= limit && step > other.settings.step;
                    if nearest.as_ref().is_none_or(|(missed, other)| if *missed > limit { error < *missed } else { wider(other) }) {
                        nearest = Some((error, candidate));
                    }
                }
                match nearest.expect("a search tries its first step") {
                    (error, candidate) if error <= limit => closed(candidate)?,
                    (_, candidate) if alone => cheapest(candidate.settings.step)?,
                    _ => return Ok(None),
                }
            }
        };
        if effort == Effort::Best {
            let hyper = Candidate { settings: Settings { hyper: true, ..best.2.settings }, ..best.2.clone() };
            best = smaller(best, closed(hyper)?);
            let plain = Candidate::of(best.2.latents.clone(), Settings { sharpen: false, ..best.2.settings }, analysis, padding, model)?;
            best = smaller(best, closed(plain)?);
        }
        Ok(Some(best))
    }
}

/// What a candidate costs, its bytes, and itself.
type Closed = (usize, Coded, Candidate);

fn smaller(a: Closed, b: Closed) -> Closed {
    if b.0 < a.0 { b } else { a }
}

/// A tile as transforms take it: padded, less its mean.
struct Image {
    values: Vec<f32>,
    mean: i32,
}

impl Image {
    fn of(tile: &Tile, padding: &Padding) -> Image {
        let sum: i64 = tile.values.iter().map(|&v| i64::from(v)).sum();
        let mean = (sum / tile.values.len().max(1) as i64) as i32;
        Image { values: padding.pad(tile.values, |v| (v - mean) as f32), mean }
    }
}

/// A tile's coefficients for one block size, in lattice units.
struct Analysis {
    settings: Settings,
    layout: Layout,
    /// Blocks that are not coded, and those that have no coefficients here.
    skipped: Vec<bool>,
    left_out: Vec<bool>,
    coefficients: Vec<f32>,
}

/// Sizes of blocks that `effort=best` searches to the end.
const BEST_SIZES: usize = 2;
/// Points that are enough for choices.
const ENOUGH: usize = 1 << 17;

impl Analysis {
    /// A tile, or every other part of it (`half`), as on a chessboard: the same parts whatever the size of blocks.
    fn of(image: &Image, mask: Option<&[bool]>, settings: Settings, half: bool, padding: &Padding, model: &Networks) -> Analysis {
        const PART: usize = SIDES[SIDES.len() - 1];
        let layout = settings.layout(padding, model.frames);
        let skipped = padding.skipped(mask, &layout);
        let [_, down, across] = layout.count;
        let is_white = |block: usize| {
            let [y, x] = [block / across % down, block % across].map(|n| n * layout.side / PART);
            (y + x) % 2 == 0
        };
        let left_out: Vec<bool> = (0..layout.blocks()).map(|block| skipped[block] || half && !is_white(block)).collect();
        let coefficients = transform::forward(&image.values, &layout, Some(&left_out), model.threads);
        Analysis { settings: Settings { mean: image.mean, ..settings }, layout, skipped, left_out, coefficients }
    }

    /// The tile by the block sizes, and lengths, at which latents cost least, as many as the effort tries, the cheapest first; where to
    /// start the search for their steps, and what bits cost.
    ///
    /// From size to size the cost falls until the best one and rises beyond it (for all of 108 tiles tried): of each length the first size
    /// that costs more than the one before is the last one tried.
    fn cheapest(task: &Task) -> Vec<(Analysis, Start, Rates)> {
        let Task { tile, target, padding, model, .. } = *task;
        let image = Image::of(tile, padding);
        let plain: Vec<Settings> = (0..SIDES.len() as u8).map(|size| Settings { size, ..Settings::default() }).collect();
        let joint = plain.iter().map(|&settings| Settings { joint: true, ..settings });
        let joint: Vec<Settings> = joint.filter(|settings| settings.layout(padding, model.frames).frames != model.frames).collect();
        let half = image.values.len() >= ENOUGH;
        let alone = Networks { threads: 1, ..*model };
        let first = Analysis::of(&image, tile.mask, plain[0], half, padding, model);
        let Start { step, .. } = first.start(tile, target);
        let judged = |analysis: Analysis| {
            let Analysis { layout, left_out, coefficients, .. } = &analysis;
            let (cost, rates) = latents::estimate(coefficients, transform::step(step), layout, left_out);
            (cost, analysis, rates)
        };
        // At equal cost the first, whoever comes first.
        let order = |(cost, analysis, _): &(f64, Analysis, Rates)| (*cost, analysis.settings.joint, analysis.settings.size);
        let first = judged(first);
        // Of each length the sizes to try, and the least cost so far.
        let mut lengths = [(&plain[1..], first.0), (&joint[..], f64::INFINITY)];
        let tries = if task.effort == Effort::Best { BEST_SIZES } else { 1 };
        let mut best = vec![first];
        loop {
            let open = lengths.iter().filter(|(sizes, _)| !sizes.is_empty()).count();
            if open == 0 {
                break;
            }
            let next = |length: usize| lengths[length].0.iter().take(model.threads.div_ceil(open)).map(move |&size| (length, size));
            let tried: Vec<(usize, Settings)> = (0..lengths.len()).flat_map(next).collect();
            let mut found: Vec<Option<(f64, Analysis, Rates)>> = tried.iter().map(|_| None).collect();
            let of = |i: usize| judged(Analysis::of(&image, tile.mask, tried[i].1, half, padding, &alone));
            side_by_side(model.threads, tried.len(), of, |i, analysis| found[i] = Some(analysis));
            for ((length, _), other) in tried.into_iter().zip(found.into_iter().flatten()) {
                let (sizes, least) = &mut lengths[length];
                // Sizes beyond the last one to try may have been tried by other threads.
                let Some((_, larger)) = sizes.split_first() else { continue };
                *sizes = if other.0 > *least { &[] } else { larger };
                *least = other.0;
                best.insert(best.partition_point(|one| order(one) < order(&other)), other);
                best.truncate(tries);
            }
        }
        let whole = |(_, analysis, rates): (_, Analysis, Rates)| {
            let start = analysis.start(tile, target);
            let analysis = if half { Analysis::of(&image, tile.mask, analysis.settings, false, padding, model) } else { analysis };
            (analysis, start, rates)
        };
        best.into_iter().map(whole).collect()
    }

    fn latents(&self, step: u16, rates: &Rates, threads: usize) -> Vec<i32> {
        latents::quantise(&self.coefficients, transform::step(step), &self.layout, &self.skipped, rates, threads)
    }

    /// Sum of squares that latents miss of the coefficients.
    fn missed(&self, latents: &[i32], step: u16) -> f64 {
        let unit = transform::step(step) as f32 / (1 << transform::FRACTION_BITS) as f32;
        let len = self.layout.block_len();
        let mut points = vec![0; len];
        let mut missed = |(block, coefficients): (usize, &[f32])| {
            let used = latents::dequantise(&latents[block * len..][..len], &mut points);
            points[used..].fill(0);
            f64::from(difference(coefficients, &points, unit))
        };
        let blocks = self.coefficients.chunks_exact(len).enumerate().filter(|&(block, _)| !self.skipped[block]);
        blocks.map(&mut missed).sum()
    }

    fn start(&self, tile: &Tile, target: Target) -> Start {
        let limit = match target {
            // A little wider than the bins: finer steps would spend bits on what the residual codes do anyway.
            Target::Pointwise => return Start { step: transform::step_index(13 << tile.bin_bits >> 3), slope: 1.0 },
            Target::MeanSquare(limit) | Target::PatchMeanSquare(limit) => limit,
        };
        let len = self.layout.block_len();
        let blocks: Vec<&[f32]> = self.coefficients.chunks_exact(len).zip(&self.left_out).filter(|(_, out)| !**out).map(|(block, _)| block).collect();
        // Plain rounding errs more than dependent quantisation and the network leave.
        let aim = (1.2 * limit).max(1e-9).log2();
        let error = |octave: i32| {
            let width = (octave as f32).exp2();
            let sum: f64 = blocks.iter().map(|block| f64::from(squares_missed(block, 1.0 / width))).sum();
            (sum * f64::from(width * width) / (blocks.len() * len).max(1) as f64).max(1e-9).log2()
        };
        let octave = (1..21).collect::<Vec<_>>().partition_point(|&octave| error(octave) <= aim) as i32;
        let (low, high) = (error(octave), error(octave + 1));
        let slope = (high - low).max(0.1);
        let units = (f64::from(octave) + ((aim - low) / slope).clamp(-1.0, 1.0)).exp2();
        Start { step: transform::step_index(units as i64), slope }
    }
}

/// The error of the tile over that of its coefficients: what the network gains, and what lies outside the tile.
#[derive(Default)]
struct Gain {
    /// At the steps tried last, all in octaves.
    last: [Option<(f64, f64)>; 2],
}

impl Gain {
    fn learn(&mut self, step: u16, gain: f64) {
        if gain.is_normal() {
            self.last = [self.last[1], Some((steps::octaves(step), gain.log2()))];
        }
    }

    /// What it is thought to be, on the line through those known.
    fn at(&self, step: u16) -> Option<f64> {
        let (at, gain) = self.last[1]?;
        let slope = self.last[0].map_or(0.0, |before| steps::slope(before, (at, gain), 0.0));
        Some((gain + slope * (steps::octaves(step) - at)).exp2())
    }
}

/// The step to start from, and how fast the error grows with it, both in octaves.
struct Start {
    step: u16,
    slope: f64,
}

caesar_kernels::loops! {
    /// The sum of squared differences of coefficients and points, which count in `unit`.
    fn difference(coefficients: &[f32], points: &[i32], unit: f32) -> f32 {
        let mut sums = [0.0; 16];
        for (some, points) in coefficients.as_chunks::<16>().0.iter().zip(points.as_chunks::<16>().0) {
            for i in 0..16 {
                let missed = some[i] - points[i] as f32 * unit;
                sums[i] += missed * missed;
            }
        }
        sums.into_iter().sum()
    }
}

caesar_kernels::loops! {
    /// The sum of squares that plain rounding of `c · scale` leaves.
    fn squares_missed(coefficients: &[f32], scale: f32) -> f32 {
        let mut sums = [0.0; 16];
        for some in coefficients.as_chunks::<16>().0 {
            for (sum, c) in sums.iter_mut().zip(some) {
                let c = c.abs() * scale;
                let missed = if c < 0.7 { c } else { c - (c + 0.3).min(1e9) as i32 as f32 };
                *sum += missed * missed;
            }
        }
        sums.into_iter().sum()
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
    fn of(latents: Vec<i32>, settings: Settings, analysis: &Analysis, padding: &Padding, model: &Networks) -> Result<Candidate> {
        let len = analysis.layout.count[2] * analysis.layout.block_len();
        let row = |i: usize, row: &mut [i32]| row.copy_from_slice(&latents[i * len..][..len]);
        let prediction = predict(row, &analysis.layout, &settings, padding, model)?;
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
        let scales = hyper::coded_scales(&mut coder, hyper.as_deref_mut(), &analysis.layout, model)?;
        latents::code(&mut coder, &mut latents, scales.as_ref(), &analysis.layout, &analysis.skipped);
        let decoded = residual::encode(&mut coder, tile, self.prediction.clone(), target)?;
        Ok(Coded { bytes: coder.finish(), decoded })
    }
}
