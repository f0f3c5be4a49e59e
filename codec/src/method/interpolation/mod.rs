//! The classical closed-loop predictor: every value from decoded ones around it, in space and between frames, and
//! what is left as adaptively coded multiples of a bin.
//!
//! Frames in the order of [`order`]; a frame level by level ([`frame`], [`plane`]); a level in three steps ([`step`]),
//! each predicted by fitted taps on [`details`] and coded under [`context`]s, above all the magnitude that fitted
//! weights on clues [`expect`]. What the bytes mean is `docs/method-interpolation.md`.

mod bin;
mod context;
mod details;
mod expect;
mod fit;
mod frame;
mod order;
mod palette;
mod plane;
mod step;
#[cfg(test)]
mod tests;
mod told;

use crate::entropy::{BitCoder, Decoder, Encoder};
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;
use bin::Bin;
use fit::Search;
use frame::{Frame, FrameCoder, Original, References};
use palette::Palette;
use plane::Pyramid;

/// Encodes a tile. `Best` tries several orders of frames and keeps the smallest result.
pub fn encode(tile: &Tile, effort: Effort) -> Coded {
    let (contexts, distances, search): (_, &[u32], _) = match effort {
        Effort::Fast => (0, &[8], Search { samples: 2048, thinning: 1, thorough: false }),
        Effort::Balanced => (1, &[8], Search { samples: 4096, thinning: 4, thorough: true }),
        Effort::Best => (2, &[8, 2, 1], Search { samples: 16384, thinning: 1, thorough: true }),
    };
    let palette = Palette::find(tile.values, tile.mask, tile.bin_bits);
    let positions: Option<Vec<i32>> = palette.as_ref().map(|p| tile.values.iter().map(|&v| p.position(v)).collect());
    let values = positions.as_deref().unwrap_or(tile.values);
    let encode_with = |&distance: &u32| {
        let mut coder = Encoder::new();
        let settings = Settings { contexts, distance, palette: palette.clone() };
        let decoded = code_tile(&mut coder, settings, tile.shape, tile.mask, tile.bin_bits, Some((values, search)));
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
    let decoded = code_tile(&mut coder, Settings::default(), shape, mask, bin_bits, None);
    coder.finish()?;
    Ok(decoded)
}

/// What the encoder chooses for a whole tile.
#[derive(Default)]
struct Settings {
    /// 0, 1, 2: one, three or five contexts are mixed.
    contexts: u32,
    /// Frames from one key frame to the next.
    distance: u32,
    palette: Option<Palette>,
}

fn code_tile<C: BitCoder>(
    coder: &mut C,
    settings: Settings,
    shape: [usize; 3],
    mask: Option<&[bool]>,
    bin_bits: u32,
    original: Option<(&[i32], Search)>,
) -> Vec<i32> {
    let contexts = coder.code_raw(settings.contexts, 2);
    let distance = coder.code_raw(settings.distance, 6) as usize;
    let palette = Palette::code(coder, settings.palette, shape.iter().product());
    let bin = palette.as_ref().map_or(Bin::power_of_two(bin_bits), Palette::bin);
    let shape = upright(shape);
    let mut decoded = match contexts {
        0 => code_frames(coder, &mut FrameCoder::<1>::new(bin), distance, shape, mask, original),
        1 => code_frames(coder, &mut FrameCoder::<3>::new(bin), distance, shape, mask, original),
        _ => code_frames(coder, &mut FrameCoder::<5>::new(bin), distance, shape, mask, original),
    };
    if let Some(palette) = palette {
        decoded.iter_mut().for_each(|v| *v = palette.value(*v));
    }
    decoded
}

/// The shape with its extents of one in front: what has a row or a plane only is predicted within it.
fn upright(shape: [usize; 3]) -> [usize; 3] {
    let mut sorted = shape;
    sorted.sort_by_key(|&extent| extent != 1);
    sorted
}

fn code_frames<C: BitCoder, const N: usize>(
    coder: &mut C,
    frames: &mut FrameCoder<N>,
    distance: usize,
    shape: [usize; 3],
    mask: Option<&[bool]>,
    original: Option<(&[i32], Search)>,
) -> Vec<i32> {
    let [planes, rows, columns] = shape;
    let area = rows * columns;
    let mut decoded = vec![0; planes * area];
    let visits = order::visits(planes, distance);
    let mut last_use = vec![0; planes];
    for (i, visit) in visits.iter().enumerate() {
        visit.references.iter().flatten().for_each(|&r| last_use[r] = i);
    }
    let mut coded: Vec<Option<Frame>> = (0..planes).map(|_| None).collect();
    for (i, visit) in visits.iter().enumerate() {
        let part = visit.frame * area..(visit.frame + 1) * area;
        let references = References::new(visit.references.map(|r| coded[r?].as_ref()));
        let mask = mask.map(|m| Pyramid::split(&m[part.clone()], rows, columns));
        let original = original
            .map(|(values, search)| Original { values: Pyramid::split(&values[part.clone()], rows, columns), search });
        let frame = frames.code(coder, rows, columns, references.as_ref(), mask.as_ref(), original.as_ref());
        for (row, out) in decoded[part].chunks_exact_mut(columns).enumerate() {
            frame.values.levels[0].merge_row(row, out);
        }
        coded[visit.frame] = Some(frame);
        for reference in visit.references.into_iter().flatten().chain([visit.frame]) {
            if last_use[reference] <= i {
                coded[reference] = None;
            }
        }
    }
    decoded
}
