//! The classical closed-loop method: codes under mixed contexts, above all the magnitude that fitted weights on clues
//! [`expect`].
//!
//! What the bytes mean is `docs/method-interpolation.md`.

mod context;
pub mod expect;
pub mod fit;
pub mod step;
#[cfg(test)]
mod tests;

use super::closed_loop::fit::Search;
use super::closed_loop::step::Plain;
use super::closed_loop::{Choice, Outline, Prepared, code_tile};
use crate::entropy::{BitCoder, Decoder, Encoder};
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;
use step::StepCoder;

/// Encodes a tile. `Best` tries several orders of frames and keeps the smallest result.
pub fn encode(tile: &Tile, effort: Effort) -> Coded {
    let (contexts, distances, search): (_, &[u32], _) = match effort {
        Effort::Fast => (0, &[8], Search { samples: 2048, thinning: 1, thorough: false, worth: 0.0 }),
        Effort::Balanced => (1, &[8], Search { samples: 4096, thinning: 4, thorough: true, worth: 0.0 }),
        Effort::Best => (2, &[8, 2, 1], Search { samples: 16384, thinning: 1, thorough: true, worth: 0.0 }),
    };
    let prepared = Prepared::new(tile);
    let encode_with = |&distance: &u32| {
        let mut coder = Encoder::new();
        let choice = Choice { prepared: &prepared, distance, search };
        let decoded = code(&mut coder, Outline::of(tile), Some((contexts, choice)));
        Coded { bytes: coder.finish(), decoded }
    };
    // With fewer than three frames they all come to the same.
    let tried = if tile.shape[0] < 3 { 1 } else { distances.len() };
    let smaller = |a: Coded, b: Coded| if b.bytes.len() < a.bytes.len() { b } else { a };
    distances[..tried].iter().map(encode_with).reduce(smaller).expect("at least one distance")
}

/// Decodes a tile. Memory is bounded by the shape whatever the bytes are.
pub fn decode(bytes: &[u8], shape: [usize; 3], mask: Option<&[bool]>, bin_bits: u32) -> Result<Vec<i32>> {
    let mut coder = Decoder::new(bytes);
    let decoded = code(&mut coder, Outline { shape, mask, bin_bits }, None);
    coder.finish()?;
    Ok(decoded)
}

/// `choice`: how many contexts are mixed (0, 1, 2: one, three, five), and the rest.
fn code<C: BitCoder>(coder: &mut C, outline: Outline, choice: Option<(u32, Choice)>) -> Vec<i32> {
    let contexts = coder.code_raw(choice.map_or(0, |(contexts, _)| contexts), 2);
    let choice = choice.map(|(_, choice)| choice);
    match contexts {
        0 => code_tile(coder, outline, choice, |bin| StepCoder::<1, _>::new(bin, Plain)),
        1 => code_tile(coder, outline, choice, |bin| StepCoder::<3, _>::new(bin, Plain)),
        _ => code_tile(coder, outline, choice, |bin| StepCoder::<5, _>::new(bin, Plain)),
    }
}
