//! The stages that give the guarantee after an open prediction: what it missed is coded until the target is met.
//!
//! The stage's own kind comes first in the stream, so the encoder is free to choose: nothing, where the prediction
//! already keeps the target; pointwise codes; or, for a mean square target, corrections in the transform domain.

mod errors;
mod mean_square;
mod pointwise;
mod pursuit;

use crate::entropy::{BitCoder, Decoder, Encoder};
use crate::error::{Result, corrupt};
use crate::lattice::{Coded, Tile};
use crate::transform::{LAST_STEP, STEP_BITS};
use errors::Errors;

/// What decoded lattice integers must meet at the points that are not masked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// Within half a bin, each.
    Pointwise,
    /// Mean of squared differences at most this, in lattice units squared.
    MeanSquare(f64),
    /// The same in every patch ([`crate::Patches`]).
    PatchMeanSquare(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The prediction is good enough.
    Nothing,
    /// Codes of bins of `2^bits` lattice units, which may be other than the tile's.
    Pointwise { bits: u32 },
    /// Corrections of 8 × 8 patches, in steps of [`crate::transform::step`].
    MeanSquare { step: u16 },
}

impl Stage {
    /// Writes this stage, or reads another.
    fn code<C: BitCoder>(self, coder: &mut C) -> Result<Stage> {
        let (kind, parameter) = match self {
            Stage::Nothing => (0, 0),
            Stage::Pointwise { bits } => (1, bits),
            Stage::MeanSquare { step } => (2, step.into()),
        };
        Ok(match coder.code_raw(kind, 2) {
            0 => Stage::Nothing,
            1 => match coder.code_raw(parameter, 5) {
                bits @ 0..=28 => Stage::Pointwise { bits },
                bits => return corrupt(format!("residual bins of 2^{bits} units")),
            },
            2 => match coder.code_raw(parameter, STEP_BITS) as u16 {
                step @ 0..=LAST_STEP => Stage::MeanSquare { step },
                step => return corrupt(format!("residual step {step}")),
            },
            kind => return corrupt(format!("residual stage {kind}")),
        })
    }
}

/// Codes what `prediction` lacks to meet `target`, and returns what will be decoded.
pub fn encode(coder: &mut Encoder, tile: &Tile, prediction: Vec<i32>, target: Target) -> Result<Vec<i32>> {
    let errors = Errors::new(tile, target);
    if errors.kept(&prediction) {
        Stage::Nothing.code(coder)?;
        return Ok(prediction);
    }
    let bits = match target {
        Target::Pointwise => tile.bin_bits,
        _ => {
            if let Some(correction) = mean_square::Correction::find(tile, &prediction, &errors) {
                Stage::MeanSquare { step: correction.step }.code(coder)?;
                return Ok(correction.encode(coder, prediction));
            }
            pointwise::bits_within(tile, &prediction, &errors)
        }
    };
    Stage::Pointwise { bits }.code(coder)?;
    Ok(pointwise::encode(coder, tile, prediction, bits))
}

/// What bytes and decoded values cost: the bytes, and about those of the values that are to be repaired, for [`encode`] leaves a few
/// points beyond a target that is kept in patches.
pub fn cost(coded: &Coded, tile: &Tile, target: Target) -> usize {
    let repairs = match target {
        Target::PatchMeanSquare(_) => Errors::new(tile, target).repairs(&coded.decoded),
        _ => 0,
    };
    coded.bytes.len() + repairs
}

/// Decodes what [`encode`] wrote.
pub fn decode(coder: &mut Decoder, prediction: Vec<i32>, shape: [usize; 3], mask: Option<&[bool]>) -> Result<Vec<i32>> {
    match Stage::Nothing.code(coder)? {
        Stage::Nothing => Ok(prediction),
        Stage::Pointwise { bits } => Ok(pointwise::decode(coder, prediction, shape, mask, bits)),
        Stage::MeanSquare { step } => Ok(mean_square::decode(coder, prediction, shape, step)),
    }
}

/// Mean of the squared errors of a prediction, over the points that are not masked; nearly exact.
pub fn mean_square(tile: &Tile, prediction: &[i32]) -> f64 {
    match tile.mask {
        None => squares(tile.values, prediction) / tile.values.len().max(1) as f64,
        Some(mask) => {
            let kept = || (0..mask.len()).filter(|&i| !mask[i]);
            let square = |i: usize| f64::from(tile.values[i].wrapping_sub(prediction[i])).powi(2);
            kept().map(square).sum::<f64>() / kept().count().max(1) as f64
        }
    }
}

caesar_kernels::loops! {
    /// Sum of squared differences.
    fn squares(values: &[i32], others: &[i32]) -> f64 {
        let square = |v: i32, other: i32| f64::from(v.wrapping_sub(other)).powi(2);
        let (some, rest) = values.as_chunks::<8>();
        let (some_others, rest_others) = others.as_chunks::<8>();
        let mut sums = [0.0; 8];
        for (values, others) in some.iter().zip(some_others) {
            for i in 0..8 {
                sums[i] += square(values[i], others[i]);
            }
        }
        sums.into_iter().chain(rest.iter().zip(rest_others).map(|(&v, &other)| square(v, other))).sum()
    }
}

#[cfg(test)]
mod tests;
