//! The classical closed-loop predictor.

mod bin;
mod context;
mod details;
mod expect;
mod fit;
mod frame;
mod palette;
mod order;
mod plane;
mod step;
mod told;
#[cfg(test)]
mod tests;

use crate::entropy::{BitCoder, Decoder, Encoder};
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;
use bin::Bin;
use fit::Search;
use palette::Palette;
use frame::{Frame, FrameCoder, Original, References};
use plane::Pyramid;

/// Encodes a tile.
pub fn encode(tile: &Tile, effort: Effort) -> Coded {
    let mut coder = Encoder::new();
    let settings = match effort {
        Effort::Fast => Settings { contexts: 0, distance: 8 },
        Effort::Balanced => Settings { contexts: 1, distance: 8 },
        Effort::Best => Settings { contexts: 2, distance: 8 },
    };
    let search = match effort {
        Effort::Fast => Search { samples: 512, thorough: false },
        Effort::Balanced => Search { samples: 2048, thorough: true },
        Effort::Best => Search { samples: 8192, thorough: true },
    };
    let palette = Palette::find(tile.values, tile.mask, tile.bin_bits);
    let positions: Option<Vec<i32>> = palette.as_ref().map(|p| tile.values.iter().map(|&v| p.position(v)).collect());
    let values = positions.as_deref().unwrap_or(tile.values);
    let decoded =
        code_tile(&mut coder, settings, palette, tile.shape, tile.mask, tile.bin_bits, Some((values, search)));
    Coded { bytes: coder.finish(), decoded }
}

/// Decodes a tile.
pub fn decode(bytes: &[u8], shape: [usize; 3], mask: Option<&[bool]>, bin_bits: u32) -> Result<Vec<i32>> {
    let mut coder = Decoder::new(bytes);
    let decoded = code_tile(&mut coder, Settings::default(), None, shape, mask, bin_bits, None);
    coder.finish()?;
    Ok(decoded)
}

/// What the encoder chooses for a whole tile.
#[derive(Clone, Copy, Default)]
struct Settings {
    /// 0, 1, 2: how many contexts are mixed.
    contexts: u32,
    /// Frames from one key frame to the next.
    distance: u32,
}

fn code_tile<C: BitCoder>(
    coder: &mut C,
    settings: Settings,
    palette: Option<Palette>,
    shape: [usize; 3],
    mask: Option<&[bool]>,
    bin_bits: u32,
    original: Option<(&[i32], Search)>,
) -> Vec<i32> {
    let contexts = coder.code_raw(settings.contexts, 2);
    let distance = coder.code_raw(settings.distance, 6) as usize;
    let palette = Palette::code(coder, palette, shape.iter().product());
    let bin = palette.as_ref().map_or(Bin::power_of_two(bin_bits), Palette::bin);
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
