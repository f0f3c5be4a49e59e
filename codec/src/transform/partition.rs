//! Blocks of several sizes in a plane.

use crate::entropy::{Bit, BitCoder};

/// Extents of blocks in the plane.
pub const SIDES: [usize; 4] = [8, 16, 32, 64];

/// Points of a cell in each direction: the smallest block.
pub(super) const CELL: usize = SIDES[0];

/// How the planes of an image are cut into blocks: squares of one side, some of them in four, and those again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Rows and columns of the image, and of cells.
    pub(super) plane: [usize; 2],
    pub(super) cells: [usize; 2],
    /// Of the squares, in [`SIDES`].
    pub(super) largest: u8,
    /// Of the block that holds each cell, in [`SIDES`].
    pub(super) sizes: Vec<u8>,
}

impl Partition {
    /// Every square a block.
    pub fn whole([rows, columns]: [usize; 2], largest: u8) -> Partition {
        let square = SIDES[usize::from(largest)];
        let cells = [rows, columns].map(|n| n.next_multiple_of(square) / CELL);
        Partition { plane: [rows, columns], cells, largest, sizes: vec![largest; cells[0] * cells[1]] }
    }

    /// No square is split.
    pub fn is_whole(&self) -> bool {
        self.sizes.iter().all(|&size| size == self.largest)
    }

    /// Writes which squares are split, or reads it.
    pub fn code<C: BitCoder>(&mut self, coder: &mut C) {
        let mut splits = [Bit::new(); 3 * (SIDES.len() - 1)];
        self.each_square(|partition, y, x| partition.code_square(coder, &mut splits, partition.largest, y, x));
    }

    /// The cheapest one with these largest blocks, and its cost: blocks cost as `cost` says of a size and a place, in points, every split
    /// so much `more`.
    pub fn cheapest(plane: [usize; 2], largest: u8, cost: impl Fn(u8, [usize; 2]) -> f32, more: f32) -> (f32, Partition) {
        let (mut partition, mut sum) = (Partition::whole(plane, largest), 0.0);
        partition.each_square(|partition, y, x| sum += partition.split_square(&cost, more, largest, y, x));
        (sum, partition)
    }

    fn each_square(&mut self, mut f: impl FnMut(&mut Self, usize, usize)) {
        let side = SIDES[usize::from(self.largest)] / CELL;
        for y in (0..self.cells[0]).step_by(side) {
            for x in (0..self.cells[1]).step_by(side) {
                f(self, y, x);
            }
        }
    }

    fn code_square<C: BitCoder>(&mut self, coder: &mut C, splits: &mut [Bit], size: u8, y: usize, x: usize) {
        if size == 0 || y * CELL >= self.plane[0] || x * CELL >= self.plane[1] {
            return self.fill(size, y, x);
        }
        let at = y * self.cells[1] + x;
        let smaller = |exists: bool, distance: usize| usize::from(exists && self.sizes[at - distance] < size);
        let context = usize::from(size - 1) * 3 + smaller(x > 0, 1) + smaller(y > 0, self.cells[1]);
        if splits[context].code(coder, self.sizes[at] < size) {
            quarters(size, y, x).into_iter().for_each(|(y, x)| self.code_square(coder, splits, size - 1, y, x));
        } else {
            self.fill(size, y, x);
        }
    }

    fn split_square(&mut self, cost: &impl Fn(u8, [usize; 2]) -> f32, more: f32, size: u8, y: usize, x: usize) -> f32 {
        let whole = cost(size, [y, x].map(|n| n * CELL));
        if size > 0 {
            let parts = quarters(size, y, x).map(|(y, x)| self.split_square(cost, more, size - 1, y, x));
            let parts = more + parts.iter().sum::<f32>();
            if parts < whole {
                return parts;
            }
        }
        self.fill(size, y, x);
        whole
    }

    fn fill(&mut self, size: u8, y: usize, x: usize) {
        let side = 1 << size;
        for row in self.sizes.chunks_exact_mut(self.cells[1]).skip(y).take(side) {
            row[x..x + side].fill(size);
        }
    }
}

/// The places of the four parts of a square, in cells.
fn quarters(size: u8, y: usize, x: usize) -> [(usize, usize); 4] {
    let half = 1 << (size - 1);
    [(y, x), (y, x + half), (y + half, x), (y + half, x + half)]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::entropy::{Decoder, Encoder};
    use proptest::prelude::*;

    /// Costs by chance.
    fn chance(seed: u64) -> impl Fn(u8, [usize; 2]) -> f32 {
        move |size, [y, x]| {
            let at = (y as u64) << 32 | (x as u64) << 2 | u64::from(size);
            let random = (at + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            random as f32 * (1 << (2 * size)) as f32
        }
    }

    /// Some planes in blocks.
    pub fn any_partition() -> impl Strategy<Value = Partition> {
        let plane = prop::array::uniform2(1usize..200);
        (plane, 0..SIDES.len() as u8, any::<u64>()).prop_map(|(plane, largest, seed)| Partition::cheapest(plane, largest, chance(seed), 0.0).1)
    }

    fn cost_of(partition: &Partition, cost: impl Fn(u8, [usize; 2]) -> f32) -> f32 {
        let across = partition.cells[1];
        let of = |(at, &size): (usize, &u8)| {
            let [y, x] = [at / across, at % across];
            let starts = y % (1 << size) == 0 && x % (1 << size) == 0;
            if starts { cost(size, [y * CELL, x * CELL]) } else { 0.0 }
        };
        partition.sizes.iter().enumerate().map(of).sum()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(partition in any_partition()) {
            let mut coder = Encoder::new();
            partition.clone().code(&mut coder);
            let bytes = coder.finish();
            let mut read = Partition::whole(partition.plane, partition.largest);
            let mut coder = Decoder::new(&bytes);
            read.code(&mut coder);
            prop_assert!(coder.finish().is_ok());
            // What lies beyond the plane is not told.
            let (across, [rows, columns]) = (partition.cells[1], partition.plane);
            for at in (0..read.sizes.len()).filter(|at| at / across * CELL < rows && at % across * CELL < columns) {
                prop_assert_eq!(read.sizes[at], partition.sizes[at]);
            }
        }

        #[test]
        fn none_is_cheaper_than_the_cheapest(plane in prop::array::uniform2(1usize..200), largest in 0..SIDES.len() as u8, seeds: [u64; 2]) {
            let (sum, partition) = Partition::cheapest(plane, largest, chance(seeds[0]), 0.0);
            let (_, other) = Partition::cheapest(plane, largest, chance(seeds[1]), 0.0);
            for other in [other, Partition::whole(plane, largest)] {
                prop_assert!(sum <= cost_of(&other, chance(seeds[0])) * 1.0001);
            }
            prop_assert!((sum - cost_of(&partition, chance(seeds[0]))).abs() <= sum * 1e-4);
        }
    }
}
