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

    pub fn grid(&self) -> Option<&Grid> {
        match self {
            Packing::Palette(_) => None,
            Packing::Grid(grid) => Some(grid),
        }
    }

    /// The positions nearest to values.
    pub fn pack(&self, values: &[i32], points: usize) -> Vec<i32> {
        let position = |frame: usize, value: i32| match self {
            Packing::Palette(palette) => palette.position(value),
            Packing::Grid(grid) => grid.position(frame, value),
        };
        values.chunks(points).enumerate().flat_map(|(frame, values)| values.iter().map(move |&v| position(frame, v))).collect()
    }

    /// Turns positions into what they stand for.
    pub fn unpack(&self, values: &mut [i32], points: usize) {
        for (frame, values) in values.chunks_mut(points).enumerate() {
            match self {
                Packing::Palette(palette) => values.iter_mut().for_each(|v| *v = palette.value(*v)),
                Packing::Grid(grid) => values.iter_mut().for_each(|v| *v = grid.value(frame, *v)),
            }
        }
    }

    /// Tells whether a tile of so many frames of so many points is packed, and how.
    pub fn code<C: BitCoder>(coder: &mut C, packing: Option<&Self>, frames: usize, points: usize) -> Option<Self> {
        let (palette, grid) = match packing {
            Some(Packing::Palette(palette)) => (Some(palette), None),
            Some(Packing::Grid(grid)) => (None, Some(grid)),
            None => (None, None),
        };
        if coder.code(palette.is_some(), ONE / 4) {
            return Some(Packing::Palette(Palette::code(coder, palette, frames * points)));
        }
        let is_grid = frames > 1 && coder.code(grid.is_some(), ONE / 16);
        is_grid.then(|| Packing::Grid(Grid::code(coder, grid, frames)))
    }
}
