//! Latents: the coefficients of the block transform in units of the step.

use super::{Networks, hyper};
use crate::entropy::BitCoder;
use crate::error::Result;
use crate::transform::{self, FRACTION_BITS, Layout, PLANE_OCTAVES, SIDES};

/// Latents stay below this in magnitude, so that what follows stays within 32 bits.
const LIMIT: i32 = 1 << (transform::MAX_INPUT_BITS - FRACTION_BITS);

/// Codes the latents of a tile, after the hyper-latents whose scales help when there are any.
pub fn code<C: BitCoder>(
    coder: &mut C,
    latents: &mut [i32],
    hyper: Option<&mut [u8]>,
    layout: &Layout,
    skipped: &[bool],
    model: &Networks,
) -> Result<()> {
    let scales = match hyper {
        Some(hyper) => {
            hyper::code(coder, hyper, layout);
            Some(hyper::scales(hyper, layout, model)?)
        }
        None => None,
    };
    let lookup = scales.as_ref().map(|s| move |block: usize, position: usize| s.of(block, position));
    let lookup = lookup.as_ref().map(|f| f as &dyn Fn(usize, usize) -> u8);
    transform::code_blocks(coder, latents, layout, lookup, Some(skipped));
    Ok(())
}

/// Rounds coefficients, in 2^`exponent` lattice units each, to steps. Below 0.7 step they become zero: what that
/// saves in bits is worth more than what it costs in error.
pub fn quantise(coefficients: &[i32], exponent: i32, step: i32) -> Vec<i32> {
    let step = i64::from(step);
    let quantise = |c: i32| {
        let size = i64::from(c.unsigned_abs());
        let scaled = if exponent >= 0 { size << exponent } else { size >> -exponent };
        if scaled * 10 < 7 * step {
            return 0;
        }
        let q = ((scaled * 10 + 3 * step) / (10 * step)).min(i64::from(LIMIT)) as i32;
        if c < 0 { -q } else { q }
    };
    coefficients.iter().map(|&c| quantise(c)).collect()
}

/// Reconstruction points in 1/64 step: the shift table moves them to where values in their bins lie on average.
pub fn dequantise(latents: &[i32], layout: &Layout, model: &Networks) -> Vec<i32> {
    let size = SIDES.iter().position(|&side| side == layout.side).unwrap_or(0);
    let times = model.time_octaves();
    let shifts: Vec<[i32; 2]> = (0..layout.block_len())
        .map(|s| {
            let [t, y, x] = layout.octaves(s);
            let band = ((size * times + t.min(times - 1)) * PLANE_OCTAVES + y) * PLANE_OCTAVES + x;
            let shift = |more: usize| model.shift[band * 2 + more].clamp(-32, 32) as i32;
            [shift(0), shift(1)]
        })
        .collect();
    let point = |q: i32, shift: &[i32; 2]| {
        let size = q.unsigned_abs().min(LIMIT as u32) as i32;
        if size == 0 {
            return 0;
        }
        let point = (size << FRACTION_BITS) - shift[usize::from(size > 1)];
        if q < 0 { -point } else { point }
    };
    latents.chunks_exact(layout.block_len()).flat_map(|b| b.iter().zip(&shifts).map(|(&q, s)| point(q, s))).collect()
}
