//! The pointwise quantiser: how many bins each value lies from its prediction (as SZ does).

use super::errors::Errors;
use crate::entropy::codes::log_class;
use crate::entropy::{Decoder, Encoder, code_raster};
use crate::lattice::Tile;

/// Codes `prediction` into bins of `2^bits` units and returns the decoded values: within half a bin.
pub fn encode(coder: &mut Encoder, tile: &Tile, prediction: Vec<i32>, bits: u32) -> Vec<i32> {
    let mut codes = codes(tile, &prediction, bits);
    let activity = activity(&prediction, tile.shape, bits);
    code_raster(coder, &mut codes, tile.shape, tile.mask, Some(&activity));
    corrected(prediction, &codes, bits)
}

pub fn decode(
    coder: &mut Decoder,
    prediction: Vec<i32>,
    shape: [usize; 3],
    mask: Option<&[bool]>,
    bits: u32,
) -> Vec<i32> {
    let mut codes = vec![0; prediction.len()];
    let activity = activity(&prediction, shape, bits);
    code_raster(coder, &mut codes, shape, mask, Some(&activity));
    corrected(prediction, &codes, bits)
}

/// The widest bins whose errors keep the target; bins of one unit have no error.
pub fn bits_within(tile: &Tile, prediction: &[i32], errors: &Errors) -> u32 {
    let keeps = |&bits: &u32| errors.kept(&corrected(prediction.to_vec(), &codes(tile, prediction, bits), bits));
    (1..=20).rev().find(keeps).unwrap_or(0)
}

fn codes(tile: &Tile, prediction: &[i32], bits: u32) -> Vec<i32> {
    let half = 1i32 << bits >> 1;
    let code = |(i, (&v, &p)): (usize, (&i32, &i32))| {
        if tile.mask.is_some_and(|m| m[i]) { 0 } else { v - p + half >> bits }
    };
    tile.values.iter().zip(prediction).enumerate().map(code).collect()
}

fn corrected(mut prediction: Vec<i32>, codes: &[i32], bits: u32) -> Vec<i32> {
    for (p, k) in prediction.iter_mut().zip(codes) {
        *p = p.wrapping_add(k.wrapping_shl(bits));
    }
    prediction
}

/// How restless the prediction is around each point, in sixteen classes, two to an octave of bins: where it is
/// steep it misses by more.
fn activity(prediction: &[i32], [_, rows, columns]: [usize; 3], bits: u32) -> Vec<u8> {
    let mut activity = Vec::with_capacity(prediction.len());
    for plane in prediction.chunks_exact((rows * columns).max(1)) {
        for y in 0..rows {
            let [above, here, below] =
                [y.saturating_sub(1), y, (y + 1).min(rows - 1)].map(|y| &plane[y * columns..(y + 1) * columns]);
            activity.extend((0..columns).map(|x| {
                let across = here[x.saturating_sub(1)].abs_diff(here[(x + 1).min(columns - 1)]);
                let down = above[x].abs_diff(below[x]);
                log_class((u64::from(across) + u64::from(down) << 4 >> bits) as u32).min(15) as u8
            }));
        }
    }
    activity
}
