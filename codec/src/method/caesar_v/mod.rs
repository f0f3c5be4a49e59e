//! CAESAR-V: quantised latents under a hyperprior, a network that sharpens what they decode to, and a residual
//! stage that gives the guarantee (`docs/method-caesar-v.md`).
//!
//! A tile, less its mean and padded, goes through an orthonormal block transform; its coefficients in units of a step
//! are the latents. They are coded under adaptive contexts, to which the hyperprior adds its scales where that pays.
//! Decoding inverts the transform and lets the decoder network add a correction, in units of the step too: so one
//! network serves every rate. What is left is the residual stage's (`crate::residual`).
//! Everything is integer arithmetic; both directions share every line from the latents on.

mod analysis;
mod head;
mod hyper;
mod latents;
mod padding;
mod search;
mod steps;
mod synthesis;
#[doc(hidden)]
pub mod training;

use crate::entropy::{BitCoder, Decoder};
use crate::error::{Result, corrupt};
use crate::lattice::{Coded, LATTICE_LIMIT, Tile};
use crate::network::Model;
use crate::options::Effort;
use crate::residual::{self, Target};
use crate::transform::{self, Layout, MAX_BLOCK, PARTS, Partition, SIDES};
use caesar_kernels::Team;
use latents::LatentCoder;
use padding::Padding;

/// The role of the models that suit a tile and an effort: stacks need enough frames to fill half a block.
pub fn role(shape: [usize; 3], effort: Effort) -> &'static str {
    match (shape[0] >= 4, effort) {
        (true, Effort::Best) => "caesar-v-best/8",
        (true, _) => "caesar-v/8",
        (false, Effort::Best) => "caesar-v-best/1",
        (false, _) => "caesar-v/1",
    }
}

/// Encodes a tile. `None`: latents cannot keep the mean target; `alone`, they leave what they miss to the
/// residual stage, which takes long and many bytes.
///
/// # Errors
/// A shape too thin for blocks (thousands of points by one or two), and what a broken model causes: tables or outputs that
/// do not fit.
pub fn encode(tile: &Tile, target: Target, effort: Effort, alone: bool, model: &dyn Model, team: Team) -> Result<Option<Coded>> {
    let model = Networks { team, ..Networks::of(model)? };
    search::smallest(tile, target, effort, alone, &model)
}

/// Decodes a tile.
///
/// # Errors
/// Bytes that end early or contradict themselves, or a model that is not of this method.
pub fn decode(bytes: &[u8], shape: [usize; 3], mask: Option<&[bool]>, model: &dyn Model, team: Team) -> Result<Vec<i32>> {
    let model = Networks { team, ..Networks::of(model)? };
    let padding = Padding::new(shape, model.frames)?;
    let mut coder = Decoder::new(bytes);
    let settings = Settings::default().code(&mut coder)?;
    let mut partition = settings.partition(&padding);
    if settings.split {
        partition.code(&mut coder);
    }
    let layout = Layout::of(padding.padded, settings.frames(&padding, model.frames), &partition);
    let mut hyper = settings.hyper.then(|| hyper::blank(&layout));
    let scales = hyper::coded_scales(&mut coder, hyper.as_deref_mut(), &layout, &model)?;
    let scale = scales.as_ref().map(hyper::Scales::lookup);
    let skipped = padding.skipped(mask, &layout);
    let mut second = None;
    if let Some(parts) = settings.apart {
        let (own, rest) = split(bytes)?;
        coder.end_with(own);
        second = Some((parts, Decoder::new(rest)));
    }
    let rest = second.as_mut().map(|(parts, rest)| (*parts, rest));
    let latents = LatentCoder::new(&mut coder, rest, scale.as_ref().map(|scale| scale as _), &layout, &skipped);
    let prediction = if settings.apart.is_some() && team.threads() > 1 {
        let (magnitudes, strip) = latents.readers();
        synthesis::predict(strip, Some(Box::new(magnitudes)), &layout, &settings, &padding, &model)?
    } else {
        synthesis::predict(latents.reader(), None, &layout, &settings, &padding, &model)?
    };
    second.map_or(Ok(()), |(_, rest)| rest.finish())?;
    let decoded = residual::decode(&mut coder, prediction, shape, mask)?;
    coder.finish()?;
    Ok(decoded)
}

/// Appends the second string of a tile to the first, and how many bytes it is.
fn append(first: &mut Vec<u8>, second: &[u8]) {
    // Nothing of it is among the first bytes, which are read before it is known where the first one ends.
    first.resize(first.len().max(8), 0);
    first.extend_from_slice(second);
    first.extend_from_slice(&(second.len() as u32).to_le_bytes());
}

/// What [`append`] put together.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    let split = bytes.split_last_chunk().and_then(|(both, len)| both.split_at_checked(both.len().checked_sub(u32::from_le_bytes(*len) as usize)?));
    split.map_or_else(|| corrupt(format!("no second string in {} bytes", bytes.len())), Ok)
}

/// Binary digits of the largest value of a tile.
const MEAN_DIGITS: u32 = LATTICE_LIMIT.ilog2() + 1;

/// What a stream says before its latents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Settings {
    /// Which of [`SIDES`] blocks have in the plane, or the largest of them.
    size: u8,
    /// Some of them are split.
    split: bool,
    /// Blocks are as long as the whole stack, not as the model's frames.
    joint: bool,
    /// Scales of a hyperprior are part of the stream.
    hyper: bool,
    /// The decoder network's correction is added.
    sharpen: bool,
    /// Signs have a code of their own, and so have the magnitudes of each block after so many of its [`PARTS`], 1 to all of them.
    apart: Option<usize>,
    /// Index of the step ([`transform::step`]).
    step: u16,
    /// Of the tile, in lattice units.
    mean: i32,
}

impl Settings {
    /// Writes these settings, or reads others.
    fn code<C: BitCoder>(self, coder: &mut C) -> Result<Settings> {
        let size = coder.code_raw(self.size.into(), 2) as u8;
        let mut flag = |bit: bool| coder.code_raw(bit.into(), 1) == 1;
        let split = size > 0 && flag(self.split);
        let (joint, hyper, sharpen) = (flag(self.joint), !split && flag(self.hyper), flag(self.sharpen));
        let apart = flag(self.apart.is_some()).then(|| coder.code_raw(self.apart.map_or(0, |parts| parts as u32 - 1), PARTS.ilog2()) as usize + 1);
        let step = coder.code_raw(self.step.into(), transform::STEP_BITS) as u16;
        let mean = code_mean(coder, self.mean)?;
        if step > transform::LAST_STEP {
            return corrupt(format!("step {step}"));
        }
        Ok(Settings { size, split, joint, hyper, sharpen, apart, step, mean })
    }

    /// Frames of a block, where a model has so many.
    fn frames(&self, padding: &Padding, frames: usize) -> usize {
        let side = SIDES[usize::from(self.size)];
        padding.joint().filter(|&frames| self.joint && frames * side * side <= MAX_BLOCK).unwrap_or(frames)
    }

    /// Blocks none of which is split.
    fn partition(&self, padding: &Padding) -> Partition {
        let [_, rows, columns] = padding.padded;
        Partition::whole([rows, columns], self.size)
    }
}

/// Writes a number in no more digits than it has, or reads another: how many, its sign, and all of them but the first, which is a one.
fn code_mean<C: BitCoder>(coder: &mut C, mean: i32) -> Result<i32> {
    let size = mean.unsigned_abs();
    let digits = coder.code_raw(u32::BITS - size.leading_zeros(), 5);
    if digits > MEAN_DIGITS {
        return corrupt(format!("a mean of {digits} binary digits"));
    }
    if digits == 0 {
        return Ok(0);
    }
    let is_negative = coder.code_raw((mean < 0).into(), 1) == 1;
    let size = (1 << (digits - 1) | coder.code_raw(size, digits - 1)) as i32;
    Ok(if is_negative { -size } else { size })
}

/// A model's parts as this method needs them.
struct Networks<'a> {
    model: &'a dyn Model,
    /// Frames a block spans: 8 or 1.
    frames: usize,
    /// That works at a tile.
    team: Team<'a>,
}

impl<'a> Networks<'a> {
    fn of(model: &'a dyn Model) -> Result<Self> {
        let frames = match model.table("frames")? {
            [1] => 1,
            [8] => 8,
            other => return unusable(format!("blocks of {other:?} frames")),
        };
        Ok(Networks { model, frames, team: Team::ALONE })
    }

    /// Octaves in time that the model distinguishes.
    fn time_octaves(&self) -> usize {
        if self.frames == 1 { 1 } else { 4 }
    }
}

fn unusable<T>(what: String) -> Result<T> {
    Err(crate::Error::Model(what))
}

#[cfg(test)]
mod tests;
