//! What a decoder network is trained on.

use super::latents;
use crate::transform::{self, Layout, Rates};
use caesar_kernels::Team;

/// Values that [`image`] takes count in 2^-15 step.
pub const STEP_BITS: u32 = 15;

/// What the transform and the latents leave of values below 2^23, before any network: in 1/64 step, extents `[T, H, W]` with T the
/// frames and `side` the rows and columns of a block. The encoder's own choices, so that networks learn what they will see.
pub fn image(values: &[i32], shape: [usize; 3], side: usize) -> Vec<i32> {
    let layout = Layout::new(shape, shape[0], side);
    let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
    let coefficients = transform::forward(&values, &layout, None, Team::ALONE);
    let skip = vec![false; layout.blocks()];
    let estimate = latents::estimate(&values, 1 << STEP_BITS, layout.clone(), &skip);
    let rates = Rates::of((0..layout.blocks()).map(|block| (&estimate, block)));
    let latents = latents::quantise(&coefficients, 1 << STEP_BITS, &layout, &skip, &rates, Team::ALONE);
    transform::inverse(&latents, &layout, latents::dequantise)
}
