//! What the neighbours of a residual code say about it.

use crate::entropy::codes::{Context, log_class};

/// Columns of margin in rows of codes.
pub const EDGE: usize = 2;
/// Magnitudes count up to this in contexts.
const CAP: u32 = 1 << 16;

/// Values of each context, best first: as many are mixed as the effort allows.
pub const TABLES: [usize; 5] = [SIZES * STEPS, ACTIVITIES * 16 * 4, 1 << 12, ACTIVITIES * ACTIVITIES, SIZES * 24 * 2];
pub const SETS: usize = SIZES;
pub const SIGNS: usize = 27;
const SIZES: usize = 40;
const STEPS: usize = 16;
const ACTIVITIES: usize = 24;

/// Which kind of step: finest levels apart, centres apart, with and without references.
pub fn step_class(level: usize, centre: bool, references: bool) -> usize {
    level.min(3) * 4 + usize::from(centre) * 2 + usize::from(references)
}

/// Everything known of a row of targets before its codes.
pub struct Row<'a> {
    pub step: usize,
    /// Codes of this row as they become known, and of the row above, with [`EDGE`] columns of margin.
    pub codes: &'a [i32],
    pub above: &'a [i32],
    /// Sum of the magnitudes of the four nearest codes of the same frame.
    pub near: &'a [u32],
    /// Mean magnitude of the reference frames' codes at the same place; empty where there are none.
    pub reference: &'a [u16],
    /// How far the prediction is from its base, and how far the nearest points differ, in eighths of a bin.
    pub bend: &'a [u32],
    pub slope: &'a [u32],
}

impl Row<'_> {
    #[inline(always)]
    pub fn context<const N: usize>(&self, x: usize) -> Context<N> {
        let size = |k: i32| k.unsigned_abs().min(CAP);
        let at = x + EDGE;
        let (west, far) = (self.codes[at - 1], self.codes[at - 2]);
        let (north, north_west, north_east) = (self.above[at], self.above[at - 1], self.above[at + 1]);
        let near = self.near[x];
        let beside = 6 * (size(west) + size(north)) + 3 * (size(north_west) + size(north_east)) + 2 * size(far);
        let with_own = beside + 3 * near;
        // Sixteenths of the neighbours' mean magnitude.
        let (reference, mean) = match self.reference.get(x) {
            Some(&r) => (u32::from(r), (with_own + 10 * u32::from(r)) * 16 / 42),
            None => (0, with_own * 16 / 32),
        };
        let sizes = log_class(mean).min(SIZES - 1);
        let bend = log_class(self.bend[x]).min(ACTIVITIES - 1);
        let slope = log_class(self.slope[x]).min(ACTIVITIES - 1);
        let capped = |m: u32| m.min(3) as usize;
        let pattern = [size(west), size(north), near.div_ceil(2), reference, size(north_east), size(north_west)];
        let tables: [usize; 5] = [
            sizes * STEPS + self.step,
            (bend * 16 + (sizes / 2).min(15)) * 4 + (self.step / 4),
            pattern.into_iter().fold(0, |p, m| p << 2 | capped(m)),
            slope * ACTIVITIES + bend,
            (sizes * 24 + slope) * 2 + (self.step & 1),
        ];
        let sign = [west, north, north_west].into_iter().fold(0, |s, k| s * 3 + (k.signum() + 1) as usize);
        Context {
            tables: std::array::from_fn(|i| tables[i]),
            set: sizes,
            shift: (mean >> 6).checked_ilog2().unwrap_or(0),
            sign,
        }
    }
}
