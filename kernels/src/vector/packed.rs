//! Weights in the order in which the kernels read them.

#[cfg(target_arch = "x86_64")]
use super::x86::tiles::Blocks;
use crate::predictor::{Dense, FILTERS};
use crate::row::DETAILS;

/// Details of a target, two by two.
pub const PAIRS: usize = DETAILS / 2;
/// Sums of the last layer, padded to what any kernel computes together.
pub const SUMS: usize = 16;
/// Outputs that are computed together.
pub const TILE: usize = 4;

#[derive(Debug, Clone)]
pub struct Packed {
    pub layers: [Layer; 3],
    /// Tile, pair, filter: two taps.
    pub filters: [[[i32; TILE]; PAIRS]; FILTERS / TILE],
}

/// A dense layer, four outputs by four outputs.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Groups of four codes.
    pub quads: usize,
    /// Tile, quad, output: four weights.
    pub weights: Vec<[i32; TILE]>,
    pub tiles: Vec<Tile>,
    #[cfg(target_arch = "x86_64")]
    pub blocks: Blocks,
}

#[derive(Debug, Clone)]
pub struct Tile {
    /// With half a unit for rounding.
    bias: [i32; TILE],
    /// The same for codes less 128.
    signed_bias: [i32; TILE],
    pub reduction: Option<Reduction>,
    pub rounding: Rounding,
}

/// Brings sums into the unit for which there are fast shifts, where theirs is none.
#[derive(Debug, Clone)]
pub struct Reduction {
    pub right: [i32; TILE],
    /// The bits that are shifted out; whether any is set lives on in the lowest bit.
    pub lost: [i32; TILE],
    /// 1 where there is no shift: twice the sum, and one, is never a tie.
    pub doubled: [i32; TILE],
}

/// Shifts of 1 to 8 for u16 sums in the order in which packing leaves them: of four targets each, outputs 0 and 1, then 2
/// and 3.
#[derive(Debug, Clone)]
#[repr(align(16))]
pub struct Rounding {
    /// 2^(16 - shift): the upper half of a product is a shift.
    pub factor: [[u16; 8]; 2],
    /// The bits that are shifted out; without any, with half a unit added, the sum was a tie.
    pub lost: [[u16; 8]; 2],
}

impl Packed {
    pub fn new(layers: &[Dense; 3], filters: &[[i16; DETAILS]; FILTERS]) -> Self {
        let taps = |filter: &[i16; DETAILS], pair: usize| {
            i32::from(filter[2 * pair]) & 0xffff | i32::from(filter[2 * pair + 1]) << 16
        };
        let pairs = |tile: usize| std::array::from_fn(|p| std::array::from_fn(|o| taps(&filters[TILE * tile + o], p)));
        Packed { layers: layers.each_ref().map(Layer::new), filters: std::array::from_fn(pairs) }
    }
}

impl Layer {
    fn new(dense: &Dense) -> Self {
        let inputs = dense.weights.len() / dense.outputs();
        let tiles = 0..dense.outputs().div_ceil(TILE);
        let row = |o: usize| dense.weights.get(o * inputs..(o + 1) * inputs);
        let four = |o: usize, k: usize| row(o).map_or(0, |row| i32::from_le_bytes([0, 1, 2, 3].map(|i| row[4 * k + i] as u8)));
        let outputs = |tile: usize| -> [usize; TILE] { std::array::from_fn(|o| TILE * tile + o) };
        let weights = tiles.clone().flat_map(|t| (0..inputs / 4).map(move |k| outputs(t).map(|o| four(o, k)))).collect();
        let tile = |t: usize| {
            let shifts = outputs(t).map(|o| dense.shifts.get(o).copied());
            // Without a shift nothing is rounded.
            let half = shifts.map(|s| s.map_or(0, |s| 1 << s >> 1));
            let bias: [i32; TILE] = std::array::from_fn(|i| dense.bias.get(TILE * t + i).map_or(0, |b| b + half[i]));
            let sum = |o: usize| row(o).map_or(0, |row| row.iter().map(|&w| i32::from(w)).sum::<i32>());
            let sums = outputs(t).map(sum);
            let shifts = shifts.map(|s| s.unwrap_or(1));
            Tile {
                bias,
                signed_bias: std::array::from_fn(|i| bias[i] + 128 * sums[i]),
                reduction: shifts.iter().any(|s| !(1..=8).contains(s)).then(|| Reduction::new(shifts)),
                rounding: Rounding::new(shifts.map(|s| s.clamp(1, 8))),
            }
        };
        let tiles: Vec<Tile> = tiles.map(tile).collect();
        Layer {
            quads: inputs / 4,
            weights,
            #[cfg(target_arch = "x86_64")]
            blocks: Blocks::new(dense, |o| tiles.get(o / TILE).map_or(0, |tile| tile.bias[o % TILE])),
            tiles,
        }
    }
}

impl Tile {
    #[inline(always)]
    pub fn bias(&self, signed: bool) -> [i32; TILE] {
        if signed { self.signed_bias } else { self.bias }
    }
}

impl Reduction {
    fn new(shifts: [u32; TILE]) -> Self {
        let right = shifts.map(|s| s.saturating_sub(8) as i32);
        Reduction { right, lost: right.map(|r| (1 << r) - 1), doubled: shifts.map(|s| i32::from(s == 0)) }
    }
}

impl Rounding {
    fn new(shifts: [u32; TILE]) -> Self {
        let halves = |value: fn(u32) -> u16| {
            [[0, 1], [2, 3]].map(|outputs| std::array::from_fn(|i| value(shifts[outputs[i / 4]])))
        };
        Rounding { factor: halves(|s| 1 << (16 - s)), lost: halves(|s| (1 << s) - 1) }
    }
}
