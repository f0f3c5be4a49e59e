//! The stages that give the guarantee after an open prediction: what it missed is coded until the target is met.
//!
//! The stage's own kind comes first in the stream, so the encoder is free to choose: nothing, where the prediction
//! already keeps the target; pointwise codes; or, for a mean square target, corrections in the transform domain.

mod mean_square;
mod pointwise;

use crate::entropy::{BitCoder, Decoder, Encoder};
use crate::error::{Result, corrupt};
use crate::lattice::Tile;
use crate::transform::{LAST_STEP, STEP_BITS};

/// What decoded lattice integers must meet at the points that are not masked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// Within half a bin, each.
    Pointwise,
    /// Mean of squared differences at most this, in lattice units squared.
    MeanSquare(f64),
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
    let errors = Errors { tile };
    match target {
        Target::Pointwise => {
            let half = 1u32 << tile.bin_bits >> 1;
            if errors.largest(&prediction) <= half {
                Stage::Nothing.code(coder)?;
                return Ok(prediction);
            }
            let bits = tile.bin_bits;
            Stage::Pointwise { bits }.code(coder)?;
            Ok(pointwise::encode(coder, tile, prediction, bits))
        }
        Target::MeanSquare(limit) => {
            let limit = errors.total(limit);
            if errors.square(&prediction) <= limit {
                Stage::Nothing.code(coder)?;
                return Ok(prediction);
            }
            if let Some(correction) = mean_square::Correction::find(tile, &prediction, limit, &errors) {
                Stage::MeanSquare { step: correction.step }.code(coder)?;
                return Ok(correction.encode(coder, prediction));
            }
            let bits = pointwise::bits_within(tile, &prediction, limit, &errors);
            Stage::Pointwise { bits }.code(coder)?;
            Ok(pointwise::encode(coder, tile, prediction, bits))
        }
    }
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
    let errors = Errors { tile };
    let sum = match tile.mask {
        None => squares(tile.values, prediction),
        Some(_) => errors.square(prediction) as f64,
    };
    sum / errors.points().max(1) as f64
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

/// Errors of a tile over the points that are not masked.
struct Errors<'a> {
    tile: &'a Tile<'a>,
}

impl Errors<'_> {
    fn each<'b>(&'b self, decoded: &'b [i32]) -> impl Iterator<Item = u32> + 'b {
        let counts = |i: usize| self.tile.mask.is_none_or(|m| !m[i]);
        let pairs = self.tile.values.iter().zip(decoded).enumerate();
        pairs.filter(move |&(i, _)| counts(i)).map(|(_, (v, d))| v.abs_diff(*d))
    }

    fn largest(&self, decoded: &[i32]) -> u32 {
        self.each(decoded).max().unwrap_or(0)
    }

    /// Sum of squares; exact.
    fn square(&self, decoded: &[i32]) -> u128 {
        self.each(decoded).map(|e| u128::from(e) * u128::from(e)).sum()
    }

    /// The sum of squares that a mean stands for.
    fn total(&self, mean: f64) -> u128 {
        (mean.max(0.0) * self.points() as f64) as u128
    }

    fn points(&self) -> usize {
        self.tile.mask.map_or(self.tile.values.len(), |m| m.iter().filter(|&&m| !m).count())
    }
}

#[cfg(test)]
mod tests;
