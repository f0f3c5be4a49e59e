//! From accumulators to codes, exactly as ONNX's `QuantizeLinear` does it: ties to even, then the zero point, then
//! saturation.

use super::spare::Item;
use crate::graph::Conv;

/// No real of a checked graph reaches beyond it.
const WIDE: i32 = 1 << 30;

/// `value` in a unit 2^shift times coarser (finer when negative), ties to even. |value| stays below 2^30 on both sides.
#[inline(always)]
pub fn round_shift(value: i32, shift: i32) -> i32 {
    if shift <= 0 {
        return value << -shift;
    }
    let odd = (value >> shift) & 1;
    (value + (1 << (shift - 1)) - 1 + odd) >> shift
}

/// Quantisation of reals that share one unit, limits of a preceding Clip included.
#[derive(Debug, Clone, Copy)]
pub struct Quantizer {
    pub shift: i32,
    pub zero: i32,
    pub low: i32,
    pub high: i32,
}

impl Quantizer {
    /// `limits` are those of a Clip before it: quantisation is monotone, so they become limits of the code.
    pub fn new(shift: i32, zero: u8, limits: Option<[i32; 2]>) -> Self {
        let zero = i32::from(zero);
        let code = |m: i32| {
            let m = m.clamp(-WIDE, WIDE);
            let rounded = if shift < 0 { i64::from(m) << -shift } else { round_shift(m, shift).into() };
            (rounded + i64::from(zero)).clamp(0, 255) as i32
        };
        let [low, high] = limits.map_or([0, 255], |[low, high]| [code(low), code(high)]);
        Quantizer { shift, zero, low, high }
    }

    #[inline(always)]
    pub fn code(&self, m: i32) -> u8 {
        (round_shift(m, self.shift) + self.zero).clamp(self.low, self.high) as u8
    }
}

/// What becomes of the sixteen sums of a pixel and a block of channels.
pub trait Finish: Sync {
    type Lane: Item;
    /// `sums[i]` belongs to channel `16 * block + i`.
    fn lanes(&self, sums: &[i32; 16], block: usize) -> [Self::Lane; 16];
}

/// Per-channel constants in blocks of sixteen lanes.
type Lanes = Vec<[i32; 16]>;

fn lanes_of(values: impl Iterator<Item = i32>) -> Lanes {
    let values: Vec<i32> = values.collect();
    let block = |chunk: &[i32]| std::array::from_fn(|i| chunk.get(i).copied().unwrap_or(0));
    values.chunks(16).map(block).collect()
}

/// The bias that also takes out the input's zero point: sums run over raw codes, `less` so much each.
fn offsets(conv: &Conv, less: i32) -> Lanes {
    let per_channel = conv.weights.len() / conv.out_channels;
    let sums = conv.weights.chunks_exact(per_channel).map(|w| w.iter().map(|&w| i32::from(w)).sum::<i32>());
    lanes_of(conv.bias.iter().zip(sums).map(|(&b, sum)| b - (i32::from(conv.zero) - less) * sum))
}

/// Sums to codes.
pub struct ToCodes {
    offset: Lanes,
    left: Lanes,
    right: Lanes,
    /// Half a unit less one, where there is something to round.
    half: Lanes,
    /// 1 where there is something to round.
    tie: Lanes,
    quantizer: Quantizer,
}

impl ToCodes {
    pub fn new(conv: &Conv, quantizer: Quantizer, less: i32) -> Self {
        let shifts = || conv.lift.iter().map(|&l| quantizer.shift - l as i32);
        ToCodes {
            offset: offsets(conv, less),
            left: lanes_of(shifts().map(|s| (-s).max(0))),
            right: lanes_of(shifts().map(|s| s.max(0))),
            half: lanes_of(shifts().map(|s| if s > 0 { (1 << (s - 1)) - 1 } else { 0 })),
            tie: lanes_of(shifts().map(|s| i32::from(s > 0))),
            quantizer,
        }
    }
}

impl Finish for ToCodes {
    type Lane = u8;

    #[inline(always)]
    fn lanes(&self, sums: &[i32; 16], block: usize) -> [u8; 16] {
        let (offset, left, right) = (&self.offset[block], &self.left[block], &self.right[block]);
        let (half, tie) = (&self.half[block], &self.tie[block]);
        let Quantizer { zero, low, high, .. } = self.quantizer;
        let mut codes = [0; 16];
        for i in 0..16 {
            let m = sums[i].wrapping_add(offset[i]).wrapping_shl(left[i] as u32);
            let odd = m.wrapping_shr(right[i] as u32) & tie[i];
            let rounded = m.wrapping_add(half[i]).wrapping_add(odd).wrapping_shr(right[i] as u32);
            codes[i] = (rounded + zero).clamp(low, high) as u8;
        }
        codes
    }
}

/// Sums as they are, in the unit common to all channels.
pub struct ToWide {
    offset: Lanes,
    left: Lanes,
}

impl ToWide {
    pub fn new(conv: &Conv, less: i32) -> Self {
        ToWide { offset: offsets(conv, less), left: lanes_of(conv.lift.iter().map(|&l| l as i32)) }
    }
}

impl Finish for ToWide {
    type Lane = i32;

    #[inline(always)]
    fn lanes(&self, sums: &[i32; 16], block: usize) -> [i32; 16] {
        let (offset, left) = (&self.offset[block], &self.left[block]);
        std::array::from_fn(|i| sums[i].wrapping_add(offset[i]).wrapping_shl(left[i] as u32))
    }
}
