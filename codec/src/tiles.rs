//! How an array is cut into tiles: the unit of parallelism, of random access and of choice between methods.
//!
//! Every array is seen as frames × rows × columns: the last two dimensions are the plane, all others together
//! the frames. `item` frames (the third dimension from the end) belong together, as time or depth; a tile does
//! not reach over the end of an item unless items are so small that whole ones share a tile.

use crate::error::{Result, corrupt};
use crate::options::Effort;
use crate::patches::SIDE;

/// A box of the frames × rows × columns array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub start: [usize; 3],
    pub shape: [usize; 3],
}

impl Region {
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where the rows of this region begin inside an array of the given shape.
    pub fn rows(self, array: [usize; 3]) -> impl Iterator<Item = usize> {
        let [f0, y0, x0] = self.start;
        (0..self.shape[0]).flat_map(move |f| {
            (0..self.shape[1]).map(move |y| ((f0 + f) * array[1] + y0 + y) * array[2] + x0)
        })
    }

    /// The elements of this region that follow each other inside an array of the given shape: where such runs begin, and their length.
    pub fn runs(self, array: [usize; 3]) -> (impl Iterator<Item = usize>, usize) {
        let [_, rows, columns] = self.shape;
        let len = match () {
            _ if columns < array[2] => columns,
            _ if rows < array[1] => rows * columns,
            _ => self.len(),
        };
        (self.rows(array).step_by((len / columns.max(1)).max(1)), len)
    }

    /// Whether the list of its runs takes little room beside it: one run, or runs as long as a patch.
    fn runs_are_few(self, array: [usize; 3]) -> bool {
        let (_, len) = self.runs(array);
        len >= SIDE || len == self.len()
    }
}

/// The array as frames × rows × columns, and the extents its tiles have at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub array: [usize; 3],
    /// Frames that belong together; divides `array[0]`.
    pub item: usize,
    pub tile: [usize; 3],
}

/// No tile is larger than this many points, whatever a stream claims.
pub const MAX_TILE_POINTS: usize = 1 << 25;
/// Time or depth of a tile; longer ones would make reading a single frame dear.
const MAX_FRAMES: usize = 64;
/// Tiles are not made narrower than this to save time.
const MIN_SIDE: usize = 128;

impl Plan {
    /// Frames × rows × columns and the frames that belong together.
    fn fold(shape: &[usize]) -> ([usize; 3], usize) {
        match *shape {
            [] => ([1, 1, 1], 1),
            [n] => ([1, 1, n], 1),
            [h, w] => ([1, h, w], 1),
            [ref batch @ .., t, h, w] => ([batch.iter().product::<usize>() * t, h, w], t),
        }
    }

    /// The plan for an effort. Depends on shape and effort only, never on the number of threads, so that
    /// the same input gives the same stream everywhere.
    pub fn new(shape: &[usize], effort: Effort) -> Plan {
        let budget: usize = match effort {
            Effort::Fast => 1 << 19,
            Effort::Balanced => 1 << 20,
            Effort::Best => 1 << 23,
        };
        let (array, mut item) = Plan::fold(shape);
        // Small items share tiles: a thousand 16×16 planes are one tall stack, not a thousand tiles.
        if item * array[1] * array[2] < budget / 8 {
            item = array[0];
        }
        let mut tile = [item, array[1], array[2]];
        while tile.iter().product::<usize>() > budget + budget / 2 {
            let side = if tile[1] >= tile[2] { 1 } else { 2 };
            let axis = match tile {
                [t, ..] if t > MAX_FRAMES => 0,
                _ if tile[side] >= 2 * MIN_SIDE => side,
                [t, ..] if t > 1 => 0,
                _ => side,
            };
            tile[axis] = tile[axis].div_ceil(2);
            if axis > 0 {
                tile[axis] = tile[axis].next_multiple_of(SIDE);
            }
        }
        Plan { array, item, tile }.tidy()
    }

    /// All of the array in one tile.
    pub fn whole(shape: &[usize]) -> Plan {
        let (array, _) = Plan::fold(shape);
        Plan { array, item: array[0], tile: array }.tidy()
    }

    /// Extents of zero would make grids awkward: an empty array, which has no tiles anyway, has tiles of one point.
    fn tidy(self) -> Plan {
        match self.array.contains(&0) {
            true => Plan { item: self.item.max(1), tile: [1; 3], ..self },
            false => self,
        }
    }

    /// The plan, if it is one that a stream may have. Tiles of many runs shorter than a patch would take more room to place than to decode.
    pub fn checked(self) -> Result<Plan> {
        let Plan { array, item, tile } = self;
        let sound = item > 0
            && array[0].is_multiple_of(item)
            && tile.iter().all(|&n| n > 0)
            && tile.iter().zip([item, array[1], array[2]]).all(|(&t, n)| t <= n.max(1))
            && tile.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_some_and(|n| n <= MAX_TILE_POINTS)
            && (Region { start: [0; 3], shape: tile }).runs_are_few(array);
        if sound { Ok(self) } else { corrupt(format!("tiles of {tile:?} do not fit an array of {array:?}")) }
    }

    /// Number of tiles along items, frames of an item, rows and columns.
    fn grid(&self) -> [usize; 4] {
        if self.array.contains(&0) {
            return [0; 4];
        }
        let per = |n: usize, t: usize| n.div_ceil(t);
        [
            self.array[0] / self.item,
            per(self.item, self.tile[0]),
            per(self.array[1], self.tile[1]),
            per(self.array[2], self.tile[2]),
        ]
    }

    /// Number of tiles; saturates, so that a hostile plan is large rather than small.
    pub fn count(&self) -> usize {
        self.grid().iter().fold(1usize, |n, &d| n.saturating_mul(d))
    }

    /// The region of tile `index`, columns fastest.
    pub fn region(&self, index: usize) -> Region {
        let [_, along_item, along_rows, along_columns] = self.grid();
        let (rest, column) = (index / along_columns, index % along_columns);
        let (rest, row) = (rest / along_rows, rest % along_rows);
        let (item, frame) = (rest / along_item, rest % along_item);
        // Pieces of nearly equal size instead of full ones and a sliver; patches stay whole where extents allow it.
        let piece = |n: usize, extent: usize, pieces: usize, i: usize, patch: usize| {
            let unit = if extent.is_multiple_of(patch) { patch } else { 1 };
            let units = n.div_ceil(unit);
            let at = |i: usize| (units / pieces * i + (units % pieces).min(i)).saturating_mul(unit).min(n);
            (at(i), at(i + 1) - at(i))
        };
        let (frame, frames) = piece(self.item, self.tile[0], along_item, frame, 1);
        let (row, rows) = piece(self.array[1], self.tile[1], along_rows, row, SIDE);
        let (column, columns) = piece(self.array[2], self.tile[2], along_columns, column, SIDE);
        Region { start: [item * self.item + frame, row, column], shape: [frames, rows, columns] }
    }

    pub fn regions(&self) -> impl Iterator<Item = Region> {
        (0..self.count()).map(|i| self.region(i))
    }

    /// The bytes of an array of elements of `size` bytes, dealt out to its tiles: of each the runs that are its own, in order.
    pub fn places<'a>(&self, mut bytes: &'a mut [u8], size: usize) -> Vec<Vec<&'a mut [u8]>> {
        let mut runs = Vec::new();
        for (tile, region) in self.regions().enumerate() {
            let (starts, len) = region.runs(self.array);
            runs.extend(starts.map(|start| (start, len, tile)));
        }
        runs.sort_unstable();
        let mut places: Vec<_> = (0..self.count()).map(|_| Vec::new()).collect();
        for (_, len, tile) in runs {
            let (run, rest) = std::mem::take(&mut bytes).split_at_mut(len * size);
            places[tile].push(run);
            bytes = rest;
        }
        places
    }
}

/// Copies a region out of an array of elements.
pub fn gather<T: Copy>(array: &[T], shape: [usize; 3], region: Region) -> Vec<T> {
    let mut tile = Vec::with_capacity(region.len());
    let (runs, len) = region.runs(shape);
    for at in runs {
        tile.extend_from_slice(&array[at..at + len]);
    }
    tile
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every element lies in exactly one tile, and no tile is over the limit.
        #[test]
        fn tiles_partition_the_array(shape in prop::collection::vec(1usize..40, 0..5), effort in 0u32..3, divisor in 1usize..9) {
            let mut plan = Plan::new(&shape, Effort::from_number(effort).unwrap());
            plan.tile = plan.tile.map(|n| n.div_ceil(divisor));
            prop_assume!((Region { start: [0; 3], shape: plan.tile }).runs_are_few(plan.array));
            let plan = plan.checked().unwrap();
            let mut seen = vec![0u8; shape.iter().product()];
            for region in plan.regions() {
                prop_assert!(region.shape.iter().zip(plan.tile).all(|(&n, t)| n <= t && n > 0));
                for at in region.rows(plan.array) {
                    seen[at..at + region.shape[2]].iter_mut().for_each(|n| *n += 1);
                }
            }
            prop_assert!(seen.iter().all(|&n| n == 1));

            let numbers: Vec<u8> = (0..seen.len()).map(|i| i as u8).collect();
            let mut array = numbers.clone();
            for (place, region) in plan.places(&mut array, 1).iter().zip(plan.regions()) {
                prop_assert_eq!(place.concat(), gather(&numbers, plan.array, region));
            }
        }
    }

    #[test]
    fn narrow_tiles_are_refused() {
        let cases = [
            ([4, 9, 100], [2, 9, 7], false),
            ([4, 9, 100], [2, 9, 8], true),
            ([4, 9, 3], [2, 9, 3], true),
            ([4, 9, 3], [2, 9, 2], false),
            ([4, 9, 1], [4, 1, 1], false),
            ([4, 9, 1], [1, 1, 1], true),
        ];
        for (shape, tile, sound) in cases {
            assert_eq!(Plan { tile, ..Plan::whole(&shape) }.checked().is_ok(), sound, "{shape:?} in {tile:?}");
        }
    }

    #[test]
    fn no_patch_is_cut() {
        for shape in [vec![1000, 721, 1441], vec![3003, 4097], vec![9, 90001, 31], vec![1 << 23 | 1]] {
            let plan = Plan::new(&shape, Effort::Balanced);
            assert!(plan.count() > 1);
            assert!(plan.regions().all(|region| region.start[1].is_multiple_of(SIDE) && region.start[2].is_multiple_of(SIDE)), "{plan:?}");
        }
    }

    #[test]
    fn large_arrays_are_cut_near_the_budget() {
        for shape in [vec![1 << 24], vec![4096, 8192], vec![1000, 721, 1440], vec![10, 20, 512, 512], vec![3, 1 << 22, 3], vec![1 << 23, 3, 1], vec![1, 1 << 23, 2]] {
            let plan = Plan::new(&shape, Effort::Balanced);
            let points = plan.tile.iter().product::<usize>();
            assert!(points <= 3 << 19 && points >= 1 << 18, "{shape:?}: {plan:?}");
            assert!(plan.clone().checked().is_ok(), "{shape:?}: {plan:?}");
        }
    }
}
