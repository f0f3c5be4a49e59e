//! The hyperprior: a coarse description of how large latents are where, coded ahead of them.
//!
//! The hyper-encoder sees, for every block, the sum of magnitudes in each frequency channel (octave in time × the larger octave
//! in the plane) on a logarithmic scale. Its output, a quarter of the block grid each way, is stored; the
//! hyper-decoder makes an expected scale of it for each channel of each block, as a table index, never a float.

use super::{Networks, unusable};
use crate::entropy::BitCoder;
use crate::entropy::codes::{CodeModel, Context};
use crate::error::Result;
use crate::network::Tensor;
use crate::transform::Layout;

/// Octaves in the plane that are told apart, the highest together.
const PLANE_OCTAVES: usize = 5;
/// Blocks, each way, that share a hyper-latent.
const STRIDE: usize = 4;
/// Hyper-latents of a place.
const DEPTH: usize = 8;
/// The value a silent hyper-encoder gives.
const MIDDLE: i32 = 128;

fn channels(model: &Networks) -> usize {
    PLANE_OCTAVES * model.time_octaves()
}

/// The frequency channel of each scanning position.
fn channel_of(layout: &Layout, model: &Networks) -> Vec<usize> {
    let scan = layout.scan(0);
    (0..scan.len())
        .map(|s| {
            let [t, y, x] = scan.octaves(s);
            t.min(model.time_octaves() - 1) * PLANE_OCTAVES + y.max(x).min(PLANE_OCTAVES - 1)
        })
        .collect()
}

/// 16 · log2(1 + sum), straight between powers of two.
fn energy(sum: u32) -> u8 {
    let v = sum.saturating_add(1);
    let octave = v.ilog2();
    let within = (u64::from(v) << 4 >> octave) as u32 - 16;
    (16 * octave + within).min(255) as u8
}

/// Extents of the hyper-latents of one layer of blocks.
fn grid(layout: &Layout) -> [usize; 4] {
    [1, DEPTH, layout.count[1].div_ceil(STRIDE), layout.count[2].div_ceil(STRIDE)]
}

fn layer_len(layout: &Layout) -> usize {
    grid(layout).iter().product()
}

/// Hyper-latents before they are known: one layer for each layer of blocks.
pub fn blank(layout: &Layout) -> Vec<u8> {
    vec![0; layout.count[0] * layer_len(layout)]
}

/// The hyper-latents of latents.
pub fn analyse(latents: &[i32], layout: &Layout, model: &Networks) -> Result<Vec<u8>> {
    let encoder = model.model.graph("hyper_encoder")?;
    let channel_of = channel_of(layout, model);
    let [layers, down, across] = layout.count;
    let mut hyper = Vec::with_capacity(layers * layer_len(layout));
    for layer in latents.chunks_exact(down * across * layout.scan(0).len()) {
        let shape = vec![1, channels(model), down, across];
        let mut sums = vec![0u32; shape.iter().product()];
        for (block, latents) in layer.chunks_exact(layout.scan(0).len()).enumerate() {
            for (&channel, q) in channel_of.iter().zip(latents) {
                let sum = &mut sums[channel * down * across + block];
                *sum = sum.saturating_add(q.unsigned_abs());
            }
        }
        let output = encoder.run(&[Tensor { shape, data: sums.into_iter().map(energy).collect() }])?;
        match &output[..] {
            [z] if z.shape == grid(layout) && z.data.len() == layer_len(layout) => {
                hyper.extend(z.data.iter().map(|&v| v.clamp(0, 255) as u8));
            }
            other => return unusable(format!("a hyper-encoder that makes {:?}", other.first().map(|t| &t.shape))),
        }
    }
    Ok(hyper)
}

/// Codes hyper-latents: each less its neighbour's, by channel.
fn code<C: BitCoder>(coder: &mut C, hyper: &mut [u8], layout: &Layout) {
    let [_, _, down, across] = grid(layout);
    let plane = down * across;
    let mut model = CodeModel::<2>::new([DEPTH * 16, DEPTH * 2], 1, DEPTH);
    for i in 0..hyper.len() {
        let (channel, y, x) = (i / plane % DEPTH, i / across % down, i % across);
        let (west, north) = ((x > 0).then(|| i - 1), (y > 0).then(|| i - across));
        let before = i.checked_sub(DEPTH * plane);
        let expected = match (west, north) {
            (Some(w), Some(n)) => (i32::from(hyper[w]) + i32::from(hyper[n])) / 2,
            (Some(one), _) | (_, Some(one)) => i32::from(hyper[one]),
            _ => before.map_or(MIDDLE, |b| i32::from(hyper[b])),
        };
        let spread = match (west, north) {
            (Some(w), Some(n)) => hyper[w].abs_diff(hyper[n]).min(15),
            _ => 0,
        };
        let context = Context {
            tables: [channel * 16 + usize::from(spread), channel * 2 + usize::from(before.is_some())],
            set: 0,
            shift: 0,
            sign: channel,
        };
        let difference = model.code(coder, i32::from(hyper[i]) - expected, &context);
        hyper[i] = expected.wrapping_add(difference) as u8;
    }
}

/// Codes hyper-latents, where there are any, and says what scales they stand for.
pub fn coded_scales<C: BitCoder>(coder: &mut C, hyper: Option<&mut [u8]>, layout: &Layout, model: &Networks) -> Result<Option<Scales>> {
    let scales = |hyper: &mut [u8]| {
        code(coder, hyper, layout);
        scales(hyper, layout, model)
    };
    hyper.map(scales).transpose()
}

/// Expected scales of the latents of every block.
pub struct Scales {
    channel_of: Vec<usize>,
    channels: usize,
    /// By block and channel.
    index: Vec<u8>,
}

impl Scales {
    /// The scale index, eight to an octave, of a latent, by block and position.
    pub fn lookup(&self) -> impl Fn(usize, usize) -> u8 + Sync + '_ {
        |block, position| self.index[block * self.channels + self.channel_of[position]]
    }
}

/// The scales that hyper-latents stand for.
fn scales(hyper: &[u8], layout: &Layout, model: &Networks) -> Result<Scales> {
    let decoder = model.model.graph("hyper_decoder")?;
    let [layers, down, across] = layout.count;
    let channels = channels(model);
    let [_, _, high, wide] = grid(layout);
    let expected = [1, channels * STRIDE * STRIDE, high, wide];
    let mut index = vec![0; layers * down * across * channels];
    let layers = hyper.chunks_exact(layer_len(layout)).zip(index.chunks_exact_mut((down * across * channels).max(1)));
    for (hyper, index) in layers {
        let output = decoder.run(&[Tensor { shape: grid(layout).to_vec(), data: hyper.to_vec() }])?;
        let scales = match &output[..] {
            [s] if s.shape == expected && s.data.len() == expected.iter().product() => &s.data,
            other => return unusable(format!("a hyper-decoder that makes {:?}", other.first().map(|t| &t.shape))),
        };
        // The network gives each place of the coarse grid its STRIDE × STRIDE blocks as channels.
        for (i, index) in index.iter_mut().enumerate() {
            let (channel, x, y) = (i % channels, i / channels % across, i / channels / across);
            let patch = (channel * STRIDE + y % STRIDE) * STRIDE + x % STRIDE;
            let scale = scales[(patch * expected[2] + y / STRIDE) * expected[3] + x / STRIDE];
            *index = scale.clamp(0, 255) as u8;
        }
    }
    Ok(Scales { channel_of: channel_of(layout, model), channels, index })
}
