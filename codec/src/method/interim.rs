//! Differences along the rows until the predictor is there.
use crate::entropy::{Decoder, Encoder, code_raster};
use crate::error::Result;
use crate::lattice::{Coded, Tile};
use crate::options::Effort;

pub fn encode(tile: &Tile, _: Effort) -> Coded {
    let mut codes = vec![0; tile.values.len()];
    let mut decoded = vec![0; tile.values.len()];
    let mut last = 0i32;
    let half = (1i32 << tile.bin_bits) >> 1;
    for i in 0..codes.len() {
        if tile.mask.is_none_or(|m| !m[i]) {
            codes[i] = (tile.values[i] - last + half) >> tile.bin_bits;
            last += codes[i] << tile.bin_bits;
        }
        decoded[i] = last;
    }
    let mut coder = Encoder::new();
    code_raster(&mut coder, &mut codes, tile.shape, tile.mask, None);
    Coded { bytes: coder.finish(), decoded }
}

pub fn decode(bytes: &[u8], shape: [usize; 3], mask: Option<&[bool]>, bin_bits: u32) -> Result<Vec<i32>> {
    let mut codes = vec![0; shape.iter().product()];
    let mut coder = Decoder::new(bytes);
    code_raster(&mut coder, &mut codes, shape, mask, None);
    coder.finish()?;
    let mut last = 0i32;
    Ok(codes.into_iter().enumerate().map(|(i, k)| {
        if mask.is_none_or(|m| !m[i]) { last = last.wrapping_add(k << bin_bits); }
        last
    }).collect())
}
