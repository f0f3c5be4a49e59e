//! SRN-SZ: a field grows from a sparse grid by doublings; a network predicts the new points of each from those already
//! decoded and says how far it may be off (`docs/method-srn-sz.md`).
//!
//! Order of frames and levels, linear predictors, quantiser, palettes and masks are those of all closed-loop methods.
//! What is learned is a correction of the linear prediction and the scale of what is left: both depend only on what is
//! decoded before a step, so that all targets of a step are predicted side by side, and its codes are symbols of
//! histograms that their scale chooses.

mod choice;
mod neighbours;
mod networks;
pub mod samples;
mod scale;
mod step;
#[cfg(test)]
mod tests;

use super::closed_loop::fit::Search;
use super::closed_loop::{Choice, Outline, Prepared, code_tile};
use super::interpolation;
use crate::entropy::ans::{Reader, Recorder, SymbolCoder};
use crate::entropy::{BitCoder, Decoder, Encoder};
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::network::Model;
use crate::options::Effort;
use crate::stream::bytes::{self, put_section};
use caesar_kernels::Team;
use networks::Networks;
use step::{StepCoder, Strands};

/// The role of the model that an effort uses.
pub fn role(effort: Effort) -> &'static str {
    match effort {
        Effort::Fast => "srn-sz/fast",
        Effort::Balanced => "srn-sz/balanced",
        Effort::Best => "srn-sz/best",
    }
}

fn search(effort: Effort) -> Search {
    match effort {
        Effort::Fast => Search { samples: 1024, thinning: 4, thorough: false, worth: 0.03 },
        Effort::Balanced => Search { samples: 4096, thinning: 4, thorough: true, worth: 0.011 },
        Effort::Best => Search { samples: 16384, thinning: 1, thorough: true, worth: 0.0 },
    }
}

/// Encodes a tile. `Best` tries mixed contexts, too, and several orders of frames, and keeps the smallest result. `None`: the
/// tile holds packed values, of which networks know nothing; [`interpolation`] codes them better.
///
/// # Errors
/// A model that is not of this method.
pub fn encode(tile: &Tile, effort: Effort, model: &dyn Model, team: Team) -> Result<Option<Coded>> {
    let networks = Networks::of(model)?;
    let prepared = Prepared::new(tile);
    if prepared.has_palette() {
        return Ok(None);
    }
    let encode_with = |&(distance, mixed): &(u32, bool)| {
        let choice = Choice { prepared: &prepared, distance, search: search(effort) };
        let mut coder = Encoder::new();
        let mut strands: Strands<Recorder> = Strands::default();
        let decoded = code(&mut coder, mixed, Outline::of(tile), Some(choice), &networks, team, &mut strands);
        let mut bytes = Vec::new();
        put_section(&mut bytes, &coder.finish());
        put_section(&mut bytes, &strands.whole.finish());
        let [upper, lower] = &strands.halves;
        let (upper, lower) = team.join(|| upper.finish(), || lower.finish());
        put_section(&mut bytes, &upper);
        bytes.extend_from_slice(&lower);
        Coded { bytes, decoded }
    };
    // Bit by bit is a few per cent smaller, mostly, but each bit waits for the one before. With fewer than three frames all orders come to the same.
    let ways: &[_] = match effort {
        Effort::Best if tile.shape[0] > 2 => &[(8, true), (2, true), (1, true), (8, false)],
        Effort::Best => &[(8, true), (8, false)],
        _ => &[(8, false)],
    };
    let smaller = |a: Coded, b: Coded| if b.bytes.len() < a.bytes.len() { b } else { a };
    Ok(ways.iter().map(encode_with).reduce(smaller))
}

/// Decodes a tile. Memory is bounded by the shape whatever the bytes are.
///
/// # Errors
/// Bytes that end early or contradict themselves, or a model that is not of this method.
pub fn decode(
    bytes: &[u8],
    shape: [usize; 3],
    mask: Option<&[bool]>,
    bin_bits: u32,
    model: &dyn Model,
    team: Team,
) -> Result<Vec<i32>> {
    let networks = Networks::of(model)?;
    let mut reader = bytes::Reader::new(bytes);
    let told = reader.section()?;
    let (whole, upper) = (reader.section()?, reader.section()?);
    let halves = [upper, reader.rest()];
    let mut coder = Decoder::new(told);
    let mut strands = Strands { whole: Reader::new(whole), halves: halves.map(Reader::new) };
    let decoded = code(&mut coder, false, Outline { shape, mask, bin_bits }, None, &networks, team, &mut strands);
    coder.finish()?;
    strands.whole.finish()?;
    strands.halves.iter().try_for_each(Reader::finish)?;
    Ok(decoded)
}

/// Codes a tile, its codes as symbols, or under mixed contexts as interpolation does and with the classes besides.
fn code<C: BitCoder, S: SymbolCoder>(
    coder: &mut C,
    mixed: bool,
    outline: Outline,
    choice: Option<Choice>,
    networks: &Networks,
    team: Team,
    strands: &mut Strands<S>,
) -> Vec<i32> {
    if coder.code_raw(mixed.into(), 1) == 1 {
        code_tile(coder, outline, choice, |bin| interpolation::step::StepCoder::<7, _>::new(bin, networks))
    } else {
        code_tile(coder, outline, choice, |bin| StepCoder::new(bin, networks, team, strands))
    }
}
