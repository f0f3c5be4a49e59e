//! Tiles of any shape as images of whole patches, and back.

use crate::error::{Error, Result};
use crate::transform::{Layout, SIDES};
use std::ops::Range;

/// Planes are padded to multiples of the patches that the network sees.
const SIDE: usize = super::head::PATCH;
/// A line is folded into rows of this length, so that it fills blocks.
const ROW: usize = 256;

/// The largest blocks may multiply a tile by this, beyond a few blocks that are always allowed; thinner tiles are not for this method.
const GROWTH: usize = 16;
const ALWAYS: usize = 1 << 17;

/// The tile's shape and the padded one.
pub struct Padding {
    /// Of the tile, a line folded.
    shape: [usize; 3],
    /// Points of the tile.
    points: usize,
    pub padded: [usize; 3],
}

impl Padding {
    /// # Errors
    /// [`Error::LimitsExceeded`] for shapes so thin that padding would be nearly all of the image.
    pub fn new(shape: [usize; 3], frames: usize) -> Result<Padding> {
        let points: usize = shape.iter().product();
        let folded = match shape {
            [1, 1, n] if n > ROW => [1, n.div_ceil(ROW), ROW],
            other => other,
        };
        let too_large = || Error::LimitsExceeded(format!("a tile of {shape:?}"));
        let up = |n: usize, to: usize| n.max(1).checked_next_multiple_of(to).ok_or_else(too_large);
        let padded = |side: usize| Ok([up(folded[0], frames)?, up(folded[1], side)?, up(folded[2], side)?]);
        let [_, _, _, largest] = SIDES;
        match padded(largest)?.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) {
            Some(n) if n <= points.saturating_mul(GROWTH).saturating_add(ALWAYS) => {
                Ok(Padding { shape: folded, points, padded: padded(SIDE)? })
            }
            _ => Err(too_large()),
        }
    }

    /// Frames of a stack that one block may span, though they are not the model's.
    pub fn joint(&self) -> Option<usize> {
        Some(self.padded[0]).filter(|frames| [2, 3, 16, 24, 32].contains(frames))
    }

    /// Points of the padded image.
    pub fn len(&self) -> usize {
        self.padded.iter().product()
    }

    /// Where row `y` of frame `t` lies in the tile; the last row of a folded line may be short.
    fn row(&self, t: usize, y: usize) -> Range<usize> {
        let [_, rows, columns] = self.shape;
        let start = (t * rows + y) * columns;
        start..(start + columns).min(self.points)
    }

    /// The padded image of `f(tile value)`; what is added shows the nearest point.
    pub fn pad(&self, values: &[i32], f: impl Fn(i32) -> f32) -> Vec<f32> {
        let ([frames, rows, _], [long, high, wide]) = (self.shape, self.padded);
        let mut image = Vec::with_capacity(self.len());
        for (t, y) in (0..long).flat_map(|t| (0..high).map(move |y| (t.min(frames - 1), y.min(rows - 1)))) {
            let row = &values[self.row(t, y)];
            image.extend(row.iter().map(|&v| f(v)));
            image.resize(image.len() + wide - row.len(), f(row[row.len() - 1]));
        }
        image
    }

    /// Frames of the tile.
    pub fn frames(&self) -> usize {
        self.shape[0]
    }

    /// Columns of the tile.
    pub fn columns(&self) -> usize {
        self.shape[2]
    }

    /// Points of the tile.
    pub fn points(&self) -> usize {
        self.points
    }

    /// How many of them lie in some rows of one of its frames.
    pub fn points_of(&self, frame: usize, rows: Range<usize>) -> usize {
        let [_, high, columns] = self.shape;
        let at = |y: usize| ((frame * high + y.min(high)) * columns).min(self.points);
        at(rows.end) - at(rows.start)
    }

    /// Blocks that hold no point that counts: masked or padded ones only.
    pub fn skipped(&self, mask: Option<&[bool]>, layout: &Layout) -> Vec<bool> {
        let [_, high, wide] = self.shape;
        let counts = |block: usize| {
            let (first, [rows, columns]) = (layout.layer_of(block) * layout.frames, layout.place(block));
            let lines = (first..(first + layout.frames).min(self.shape[0])).flat_map(|t| (rows.start..rows.end.min(high)).map(move |y| (t, y)));
            lines.map(|(t, y)| self.row(t, y)).any(|row| {
                let points = (row.start + columns.start)..(row.start + columns.end.min(wide)).min(row.end);
                !points.is_empty() && mask.is_none_or(|mask| mask[points].iter().any(|&masked| !masked))
            })
        };
        (0..layout.blocks()).map(|block| !counts(block)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn added_points_show_the_nearest_and_blocks_of_none_are_skipped(
            shape in prop_oneof![prop::array::uniform3(1usize..20), (1usize..900).prop_map(|n| [1, 1, n])],
            frames in prop::sample::select(&[1usize, 8][..]),
            side in prop::sample::select(&[8usize, 16, 32][..]),
            seed: u64,
        ) {
            let padding = Padding::new(shape, frames).unwrap();
            let points = shape.iter().product::<usize>();
            let values: Vec<i32> = (0..points as i32).collect();
            let image: Vec<i32> = padding.pad(&values, |v| (v + 1) as f32).into_iter().map(|v| v as i32).collect();
            let parts = (0..padding.frames()).flat_map(|t| (0..padding.padded[1]).step_by(4).map(move |y| (t, y..y + 4)));
            prop_assert_eq!(parts.map(|(t, rows)| padding.points_of(t, rows)).sum::<usize>(), points);

            let layout = Layout::new(padding.padded, frames, side);
            let mask: Vec<bool> = (0..points).map(|i| (i as u64 / 3 + 1).wrapping_mul(seed | 1) >> 61 != 0).collect();
            let [_, high, wide] = padding.padded;
            let [_, rows, columns] = padding.shape;
            for mask in [None, Some(&mask[..])] {
                let skipped = padding.skipped(mask, &layout);
                let mut expected = vec![true; skipped.len()];
                for (i, &shown) in image.iter().enumerate() {
                    let (t, y, x) = (i / (high * wide), i / wide % high, i % wide);
                    let nearest = ((t.min(shape[0] - 1) * rows + y.min(rows - 1)) * columns + x.min(columns - 1)).min(points - 1);
                    prop_assert_eq!(shown as usize, nearest + 1);
                    let inside = t < shape[0] && y < rows && x < columns && (t * rows + y) * columns + x < points;
                    if inside && mask.is_none_or(|mask| !mask[nearest]) {
                        expected[(t / frames * layout.count[1] + y / side) * layout.count[2] + x / side] = false;
                    }
                }
                prop_assert_eq!(&skipped, &expected);
            }
        }
    }
}
