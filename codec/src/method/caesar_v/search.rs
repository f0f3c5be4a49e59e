//! What the encoder tries: ways to cut a tile, steps, network, hyperprior; the smallest stream wins.

use super::analysis::{self, Analysis};
use super::hyper::{self, Scales};
use super::latents::{self, LatentCoder};
use super::padding::Padding;
use super::steps::{self, Search};
use super::synthesis::predict;
use super::{Networks, Settings, append};
use crate::entropy::Encoder;
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;
use crate::residual::{self, Target};
use crate::threads::side_by_side;
use crate::transform::Rates;

/// Encodes a tile with the best settings the effort finds; as [`super::encode`].
pub fn smallest(tile: &Tile, target: Target, effort: Effort, alone: bool, model: &Networks) -> Result<Option<Coded>> {
    let padding = Padding::new(tile.shape, model.frames)?;
    let task = Task { tile, target, effort, alone, padding: &padding, model };
    let mut best: Option<Closed> = None;
    let tries = if effort == Effort::Best { BEST_TRIES } else { 1 };
    for (analysis, rates) in analysis::cheapest(tile, target, tries, &padding, model) {
        best = match (best, task.search(&analysis, &rates)?) {
            (Some(best), Some(found)) => Some(smaller(best, found)),
            (best, found) => best.or(found),
        };
    }
    Ok(best.map(|(_, coded, _)| coded))
}

/// Ways to cut a tile into blocks that `effort=best` searches to the end.
const BEST_TRIES: usize = 2;

/// A network that leaves more than this of the squared error is not worth its time.
const LEAST_GAIN: f64 = 0.99;

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
    /// The best settings for one way to cut the tile. `None` as in [`super::encode`].
    fn search(&self, analysis: &Analysis, rates: &Rates) -> Result<Option<Closed>> {
        let Task { tile, target, effort, alone, padding, model } = *self;
        let start = analysis.start(target, tile.bin_bits);
        let base = Settings { sharpen: true, step: start.step, ..analysis.settings };
        let open = |settings: Settings, model: &Networks| Candidate::of(analysis.latents(settings.step, rates, model.team), settings, analysis, padding, model);
        let closed = |candidate: Candidate| -> Result<Closed> {
            let coded = candidate.encode(tile, target, effort, analysis, model)?;
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
                let each = Networks { team: model.team.among(steps.len()), ..*model };
                let of = |i: usize| closed(open(Settings { step: steps[i], ..base }, &each)?);
                let mut best: Result<Option<(usize, Closed)>> = Ok(None);
                side_by_side(model.team, steps.len(), of, |i, closed| {
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
                let mut base = base;
                while let Some(step) = steps.next() {
                    let latents = analysis.latents(step, rates, model.team);
                    let missed = analysis.missed(&latents, step);
                    if gain.at(step).is_some_and(|gain| !steps.guess(gain * missed)) {
                        continue;
                    }
                    let mut candidate = Candidate::of(latents, Settings { step, ..base }, analysis, padding, model)?;
                    let mut error = residual::mean_square(tile, &candidate.prediction);
                    if nearest.is_none() {
                        let plain = candidate.without_network(analysis, padding, model)?;
                        let other = residual::mean_square(tile, &plain.prediction);
                        if other * LEAST_GAIN <= error {
                            (candidate, error, base.sharpen) = (plain, other, false);
                        }
                    }
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
            if !best.2.settings.split {
                let hyper = Candidate { settings: Settings { hyper: true, ..best.2.settings }, ..best.2.clone() };
                best = smaller(best, closed(hyper)?);
            }
            best = match best.2.settings.sharpen {
                true => smaller(closed(best.2.without_network(analysis, padding, model)?)?, best),
                false => best,
            };
        }
        Ok(Some(best))
    }
}

/// What a candidate costs, its bytes, and itself.
type Closed = (usize, Coded, Candidate);

fn smaller(a: Closed, b: Closed) -> Closed {
    if b.0 < a.0 { b } else { a }
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

/// Settings and what they make of a tile; whether a hyperprior helps to code the latents is open.
#[derive(Clone)]
struct Candidate {
    settings: Settings,
    latents: Vec<i32>,
    prediction: Vec<i32>,
}

impl Candidate {
    fn of(latents: Vec<i32>, settings: Settings, analysis: &Analysis, padding: &Padding, model: &Networks) -> Result<Candidate> {
        let len = analysis.layout.strip_len();
        let strip = |i: usize| latents[i * len..][..len].to_vec();
        let prediction = predict(strip, None, &analysis.layout, &settings, padding, model)?;
        Ok(Candidate { settings, latents, prediction })
    }

    /// The same, and no network.
    fn without_network(&self, analysis: &Analysis, padding: &Padding, model: &Networks) -> Result<Candidate> {
        Candidate::of(self.latents.clone(), Settings { sharpen: false, ..self.settings }, analysis, padding, model)
    }

    fn encode(&self, tile: &Tile, target: Target, effort: Effort, analysis: &Analysis, model: &Networks) -> Result<Coded> {
        let mut hyper = match self.settings.hyper {
            true => Some(hyper::analyse(&self.latents, &analysis.layout, model)?),
            false => None,
        };
        // That costs some bytes, for the sake of time.
        let apart = if effort == Effort::Best { None } else { latents::parts_apart(&self.latents, &analysis.layout, &analysis.skipped, self.settings.sharpen) };
        let (mut coder, mut second) = (Encoder::new(), apart.map(|parts| (parts, Encoder::new())));
        Settings { apart, ..self.settings }.code(&mut coder)?;
        if self.settings.split {
            analysis.partition.clone().code(&mut coder);
        }
        let scales = hyper::coded_scales(&mut coder, hyper.as_deref_mut(), &analysis.layout, model)?;
        let scale = scales.as_ref().map(Scales::lookup);
        let rest = second.as_mut().map(|(parts, rest)| (*parts, rest));
        LatentCoder::new(&mut coder, rest, scale.as_ref().map(|scale| scale as _), &analysis.layout, &analysis.skipped).write(&self.latents, model.team);
        let decoded = residual::encode(&mut coder, tile, self.prediction.clone(), target)?;
        let mut bytes = coder.finish();
        if let Some((_, rest)) = second {
            append(&mut bytes, &rest.finish());
        }
        Ok(Coded { bytes, decoded })
    }
}
