//! Tiles of any shape as images of whole blocks, and back.

use crate::error::{Error, Result};
use crate::transform::Layout;

/// Planes are padded to multiples of this, so that every block size and the hyperprior's grid divide them.
const SIDE: usize = 64;
/// A line is folded into rows of this length; padding it to 64 rows would multiply it.
const ROW: usize = 256;

/// Padding may multiply a tile by this, beyond a few blocks that are always allowed; thinner tiles are not for this method.
const GROWTH: usize = 16;
const ALWAYS: usize = 1 << 20;

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
        let padded = [up(folded[0], frames)?, up(folded[1], SIDE)?, up(folded[2], SIDE)?];
        match padded.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) {
            Some(n) if n <= points.saturating_mul(GROWTH).saturating_add(ALWAYS) => {
                Ok(Padding { shape: folded, points, padded })
            }
            _ => Err(too_large()),
        }
    }

    /// Frames of a short stack, which one block may span.
    pub fn joint(&self) -> Option<usize> {
        (2..=3).contains(&self.padded[0]).then_some(self.padded[0])
    }

    /// Points of the padded image.
    pub fn len(&self) -> usize {
        self.padded.iter().product()
    }

    /// The place in the tile that a point of the padded image shows: the nearest one.
    fn source(&self, [t, y, x]: [usize; 3]) -> usize {
        let [frames, rows, columns] = self.shape;
        let (t, y, x) = (t.min(frames - 1), y.min(rows - 1), x.min(columns - 1));
        ((t * rows + y) * columns + x).min(self.points - 1)
    }

    fn places(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let [frames, rows, columns] = self.padded;
        (0..frames).flat_map(move |t| (0..rows).flat_map(move |y| (0..columns).map(move |x| [t, y, x])))
    }

    /// The padded image of `f(tile value)`.
    pub fn pad(&self, values: &[i32], f: impl Fn(i32) -> i32) -> Vec<i32> {
        self.places().map(|place| f(values[self.source(place)])).collect()
    }

    /// The tile's points of a padded image, in order.
    pub fn crop<'a>(&'a self, image: &'a [i32]) -> impl Iterator<Item = i32> + 'a {
        let ([_, rows, columns], [_, high, wide]) = (self.shape, self.padded);
        (0..self.points).map(move |i| {
            let (t, y, x) = (i / (rows * columns), i / columns % rows, i % columns);
            image[(t * high + y) * wide + x]
        })
    }

    /// Blocks that hold no point that counts: masked or padded ones only.
    pub fn skipped(&self, mask: Option<&[bool]>, layout: &Layout) -> Vec<bool> {
        let [_, rows, columns] = self.shape;
        let [_, down, across] = layout.count;
        let mut skipped = vec![true; layout.blocks()];
        for i in 0..self.points {
            if mask.is_some_and(|m| m[i]) {
                continue;
            }
            let (t, y, x) = (i / (rows * columns), i / columns % rows, i % columns);
            skipped[(t / layout.frames * down + y / layout.side) * across + x / layout.side] = false;
        }
        skipped
    }
}
