//! The 8 × 8 patches of frames, each of which may have a target of its own: CAESAR's unit of guarantee.

/// Points of a patch along rows and columns.
pub(crate) const SIDE: usize = 8;
/// Points of a whole patch.
pub(crate) const PATCH: usize = SIDE * SIDE;

/// How an array's frames, its last two dimensions, are cut into patches: from their first points on, the last ones smaller. Patches
/// are numbered in row-major order.
#[derive(Debug, Clone)]
pub struct Patches {
    /// Rows of all frames, rows of one, columns.
    lines: usize,
    rows: usize,
    columns: usize,
}

impl Patches {
    pub fn new(shape: &[usize]) -> Patches {
        let (frames, rows, columns) = match *shape {
            [] => (1, 1, 1),
            [n] => (1, 1, n),
            [ref frames @ .., h, w] => (frames.iter().product(), h, w),
        };
        Patches { lines: frames * rows, rows, columns }
    }

    /// Patches of a frame, down and across.
    fn grid(&self) -> [usize; 2] {
        [self.rows.div_ceil(SIDE), self.columns.div_ceil(SIDE)]
    }

    pub fn count(&self) -> usize {
        let [down, across] = self.grid();
        self.lines / self.rows.max(1) * down * across
    }

    /// The patch of every point, in row-major order.
    pub fn of_points(&self) -> impl Iterator<Item = usize> + '_ {
        let [down, across] = self.grid();
        (0..self.lines).flat_map(move |line| {
            let start = (line / self.rows * down + line % self.rows / SIDE) * across;
            (0..self.columns).map(move |x| start + x / SIDE)
        })
    }

    /// The points of a patch, in row-major order: their places in a whole patch and in the array.
    pub(crate) fn points(&self, patch: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let [down, across] = self.grid();
        let [frame, y, x] = [patch / (down * across), patch / across % down * SIDE, patch % across * SIDE];
        let start = (frame * self.rows + y) * self.columns + x;
        let [high, wide] = [self.rows - y, self.columns - x].map(|n| n.min(SIDE));
        (0..high).flat_map(move |y| (0..wide).map(move |x| (y * SIDE + x, start + y * self.columns + x)))
    }

    /// The points without whose squared errors, the largest of their patches, every patch has a mean within the limit; in row-major
    /// order. `square`: the squared error of a point, `None` where it does not count.
    pub(crate) fn beyond(&self, limit: f64, square: impl Fn(usize) -> Option<f64>) -> Vec<usize> {
        let mut excess = vec![0.0; self.count()];
        for (i, patch) in self.of_points().enumerate() {
            excess[patch] += square(i).map_or(0.0, |square| square - limit);
        }
        let mut beyond = Vec::new();
        for patch in (0..excess.len()).filter(|&patch| excess[patch] > 0.0) {
            let mut squares: Vec<(f64, usize)> = self.points(patch).filter_map(|(_, i)| Some((square(i)?, i))).collect();
            squares.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            let allowed = limit * squares.len() as f64;
            let mut sum = 0.0;
            beyond.extend(squares.into_iter().filter(|(square, _)| { sum += square; sum > allowed }).map(|(_, i)| i));
        }
        beyond.sort_unstable();
        beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_point_lies_in_its_patch(shape in prop::collection::vec(0usize..20, 0..5)) {
            let patches = Patches::new(&shape);
            let of_points: Vec<usize> = patches.of_points().collect();
            prop_assert_eq!(of_points.len(), shape.iter().product::<usize>());
            let mut seen = vec![0; of_points.len()];
            for patch in 0..patches.count() {
                for (place, point) in patches.points(patch) {
                    prop_assert!(place < PATCH);
                    prop_assert_eq!(of_points[point], patch);
                    seen[point] += 1;
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));
        }
    }
}
