//! The part of a large tile that methods are tried on, where trying each on all of it would take too long.

use crate::lattice::Tile;
use crate::tiles::{Region, gather};

/// Points of a part; tiles of fewer than [`WORTH`] times as many are tried as they are.
const POINTS: usize = 128_000;
const WORTH: usize = 4;
/// Frames that a part has at least, where there are as many: a key frame and those between it and the next.
const FRAMES: usize = 5;

pub struct Part {
    region: Region,
    values: Vec<i32>,
    mask: Option<Vec<bool>>,
    bin_bits: u32,
}

impl Part {
    /// Of the middles, edges and corners of a tile the one where most happens, for there most of its bytes go; `None` where the tile is small itself.
    pub fn of(tile: &Tile) -> Option<Self> {
        if tile.values.len() < POINTS * WORTH {
            return None;
        }
        let shape = extents(tile.shape);
        let place = |k: usize| Region { start: std::array::from_fn(|d| (tile.shape[d] - shape[d]) * [1, 0, 2][k / [1, 3, 9][d] % 3] / 2), shape };
        // The last of equals is taken: the middle.
        let region = (0..27).map(place).rev().max_by_key(|&region| liveliness(tile, region))?;
        let mask = tile.mask.map(|mask| gather(mask, tile.shape, region));
        Some(Part { region, values: gather(tile.values, tile.shape, region), mask, bin_bits: tile.bin_bits })
    }

    pub fn tile(&self) -> Tile<'_> {
        Tile { shape: self.region.shape, values: &self.values, mask: self.mask.as_deref(), bin_bits: self.bin_bits }
    }
}

/// The shape of a part: as square as the tile lets it be.
fn extents([frames, rows, columns]: [usize; 3]) -> [usize; 3] {
    let plane = POINTS / frames.min(FRAMES);
    let height = rows.min(plane.isqrt());
    let width = columns.min(plane / height);
    let height = rows.min(plane / width);
    [frames.min(POINTS / (height * width)), height, width]
}

/// About the bits of what a line through the two points before a point says wrongly, in every eighth row. Masked points hold a smooth fill.
fn liveliness(tile: &Tile, region: Region) -> u64 {
    let bits = |points: &[i32]| {
        let wrong = (points[2] - points[1]) - (points[1] - points[0]);
        u64::from(u32::BITS - (wrong.unsigned_abs() >> tile.bin_bits).leading_zeros())
    };
    let row = |start: usize| tile.values[start..start + region.shape[2]].windows(3).map(bits).sum::<u64>();
    region.rows(tile.shape).step_by(8).map(row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ramp with noise in the box that is named.
    fn noisy(shape: [usize; 3], noise: Region) -> Vec<i32> {
        let mut values: Vec<i32> = (0..shape.iter().product()).map(|i| 3 * (i % shape[2]) as i32).collect();
        let mut random = 1u32;
        for start in noise.rows(shape) {
            for value in &mut values[start..start + noise.shape[2]] {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *value += (random >> 20) as i32;
            }
        }
        values
    }

    #[test]
    fn a_part_is_taken_where_most_happens() {
        let shape = [20, 180, 360];
        for start in [[7, 10, 100], [0, 0, 0], [15, 0, 200], [7, 20, 0]] {
            let noise = Region { start, shape: [5, 160, 160] };
            let part = Part::of(&Tile { shape, values: &noisy(shape, noise), mask: None, bin_bits: 6 }).unwrap();
            assert_eq!(part.region, noise);
        }
    }

    proptest! {
        #[test]
        fn parts_are_inside_their_tiles(frames in 1usize..70, rows in 1usize..3000, columns in 1usize..3000) {
            let shape = extents([frames, rows, columns]);
            prop_assert!(shape[0] >= frames.min(FRAMES) && shape[0] <= frames && shape[1] <= rows && shape[2] <= columns, "{shape:?}");
            let points: usize = shape.iter().product();
            prop_assert!(points <= POINTS && (points * 2 > POINTS || shape == [frames, rows, columns]), "{shape:?}");
        }
    }
}
