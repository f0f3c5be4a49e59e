//! Packed data: tiles whose values are few, or lie on a grid, are coded as positions among these.

use super::bin::Bin;
use super::grid::Grid;
use super::palette::Palette;
use crate::entropy::{BitCoder, ONE};

/// What the positions of a tile stand for.
pub enum Packing {
    Palette(Palette),
    Grid(Grid),
}

impl Packing {
    /// That of a tile of frames of so many points, if one is likely to pay.
    pub fn find(values: &[i32], mask: Option<&[bool]>, points: usize, bin_bits: u32) -> Option<Self> {
        let grid = Grid::find(values, mask, points, bin_bits).map(|(grid, saved)| (Packing::Grid(grid), saved));
        let palette = Palette::find(values, mask, bin_bits).map(|(palette, saved)| (Packing::Palette(palette), saved));
        grid.into_iter().chain(palette).max_by(|a, b| a.1.total_cmp(&b.1)).map(|(packing, _)| packing)
    }

    pub fn bin(&self) -> Bin {
        match self {
            Packing::Palette(palette) => palette.bin(),
            Packing::Grid(grid) => grid.bin(),
        }
    }

    /// The positions nearest to values.
    pub fn pack(&self, values: &[i32], points: usize) -> Vec<i32> {
        let position = |(i, &value): (usize, &i32)| match self {
            Packing::Palette(palette) => palette.position(value),
            Packing::Grid(grid) => grid.position(i / points, value),
        };
        values.iter().enumerate().map(position).collect()
    }

    /// Turns positions into what they stand for.
    pub fn unpack(&self, values: &mut [i32], points: usize) {
        for (i, value) in values.iter_mut().enumerate() {
            *value = match self {
                Packing::Palette(palette) => palette.value(*value),
                Packing::Grid(grid) => grid.value(i / points, *value),
            };
        }
    }

    /// Tells whether a tile of so many frames of so many points is packed, and how.
    pub fn code<C: BitCoder>(coder: &mut C, packing: Option<&Self>, frames: usize, points: usize) -> Option<Self> {
        if coder.code(matches!(packing, Some(Packing::Palette(_))), ONE / 4) {
            let palette = packing.and_then(|p| if let Packing::Palette(palette) = p { Some(palette) } else { None });
            return Some(Packing::Palette(Palette::code(coder, palette, frames * points)));
        }
        if frames > 1 && coder.code(matches!(packing, Some(Packing::Grid(_))), ONE / 16) {
            let grid = packing.and_then(|p| if let Packing::Grid(grid) = p { Some(grid) } else { None });
            return Some(Packing::Grid(Grid::code(coder, grid, frames)));
        }
        None
    }
}
