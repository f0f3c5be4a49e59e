//! The classical closed-loop predictor.

mod context;
mod details;
mod fit;
mod frame;
mod order;
mod plane;

use crate::entropy::{BitCoder, Decoder, Encoder};
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;
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
    let samples = match effort {
        Effort::Fast => 512,
        Effort::Balanced => 2048,
        Effort::Best => 8192,
    };
    let decoded = code_tile(&mut coder, settings, tile.shape, tile.mask, tile.bin_bits, Some((tile.values, samples)));
    Coded { bytes: coder.finish(), decoded }
}

/// Decodes a tile.
pub fn decode(bytes: &[u8], shape: [usize; 3], mask: Option<&[bool]>, bin_bits: u32) -> Result<Vec<i32>> {
    let mut coder = Decoder::new(bytes);
    let decoded = code_tile(&mut coder, Settings::default(), shape, mask, bin_bits, None);
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
    shape: [usize; 3],
    mask: Option<&[bool]>,
    bin_bits: u32,
    original: Option<(&[i32], usize)>,
) -> Vec<i32> {
    let contexts = coder.code_raw(settings.contexts, 2);
    let distance = coder.code_raw(settings.distance, 6) as usize;
    match contexts {
        0 => code_frames(coder, &mut FrameCoder::<1>::new(bin_bits), distance, shape, mask, original),
        1 => code_frames(coder, &mut FrameCoder::<3>::new(bin_bits), distance, shape, mask, original),
        _ => code_frames(coder, &mut FrameCoder::<5>::new(bin_bits), distance, shape, mask, original),
    }
}

fn code_frames<C: BitCoder, const N: usize>(
    coder: &mut C,
    frames: &mut FrameCoder<N>,
    distance: usize,
    shape: [usize; 3],
    mask: Option<&[bool]>,
    original: Option<(&[i32], usize)>,
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
            .map(|(values, samples)| Original { values: Pyramid::split(&values[part.clone()], rows, columns), samples });
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
