//! How an image is cut into blocks, and the order of a block's coefficients.

use super::partition::{CELL, Partition, SIDES};
use std::ops::Range;
use std::sync::OnceLock;

/// Points of the largest block.
pub const MAX_BLOCK: usize = 1 << 16;

/// Frames of the longest block.
const MAX_FRAMES: usize = 32;

/// Octaves of frequency: in time (32 frames), in the plane (64 points).
pub const TIME_OCTAVES: usize = 6;
pub const PLANE_OCTAVES: usize = 7;
/// Classes of frequencies.
pub(super) const FREQUENCIES: usize = TIME_OCTAVES * PLANE_OCTAVES * 3;

/// Blocks of `frames × side × side` points: the order of their coefficients, by rising frequency.
#[derive(Debug, Clone)]
pub struct Scan {
    pub side: usize,
    /// Position in scanning order -> place in a row-major block `[t][y][x]`.
    pub places: Vec<u16>,
    /// And back.
    pub positions: Vec<u16>,
    /// For each scanning position, those of the next lower frequency in time, rows and columns; a block's length
    /// where there is none.
    pub lower: Vec<[u32; 3]>,
    /// For each smaller side, by its place in [`SIDES`]: scanning position -> that of the frequency next below in such a block.
    pub(super) smaller: Vec<Vec<u16>>,
    /// The class of each coefficient's frequency, below [`FREQUENCIES`].
    pub(super) classes: Vec<u8>,
}

/// Orders by frames and place of the side in [`SIDES`], once they were needed: a chunk of few tiles would take long to make them anew.
static SCANS: [[OnceLock<Scan>; SIDES.len()]; MAX_FRAMES + 1] = [const { [const { OnceLock::new() }; SIDES.len()] }; MAX_FRAMES + 1];

impl Scan {
    /// The order of blocks of so many frames and one of [`SIDES`].
    fn of(frames: usize, size: usize) -> &'static Scan {
        SCANS[frames][size].get_or_init(|| Scan::new(frames, size))
    }

    fn new(frames: usize, size: usize) -> Scan {
        let side = SIDES[size];
        let len = frames * side * side;
        // Places with their frequencies and ranks: cycles, so that blocks of every size rank alike; time counts a little more.
        let each = || (0..frames * side).zip((0..len).step_by(side)).flat_map(move |(line, start)| {
            let (t, y) = (line / side, line % side);
            let rank = t * 6 * side / frames.max(8);
            (0..side).map(move |x| (start + x, [t, y, x], (rank + (y + x) * 5) * 4 + y.abs_diff(x)))
        });
        // By rank, counted: where the next place of each rank goes.
        let mut next = vec![0u32; 65 * side];
        each().for_each(|(_, _, rank)| next[rank + 1] += 1);
        (1..next.len()).for_each(|rank| next[rank] += next[rank - 1]);
        let mut positions = vec![0; len];
        let (mut places, mut lower) = (vec![0; len], vec![[len as u32; 3]; len]);
        for (place, [t, y, x], rank) in each() {
            let s = next[rank];
            next[rank] += 1;
            (positions[place], places[s as usize]) = (s as u16, place as u16);
            // Lower frequencies have lower places.
            let at = |exists: bool, distance: usize| if exists { positions[place - distance].into() } else { len as u32 };
            lower[s as usize] = [at(t > 0, side * side), at(y > 0, side), at(x > 0, 1)];
        }
        let to = |scan: &Scan| {
            let (times, less) = (side / scan.side, scan.side);
            let nearest = |&place: &u16| {
                let place = usize::from(place);
                let [t, y, x] = [place / (side * side), place / side % side / times, place % side / times];
                scan.positions[(t * less + y) * less + x]
            };
            places.iter().map(nearest).collect()
        };
        let smaller = (0..size).map(|smaller| to(Scan::of(frames, smaller))).collect();
        let mut scan = Scan { side, places, positions, lower, smaller, classes: Vec::new() };
        scan.classes = (0..len).map(|position| scan.class(position)).collect();
        scan
    }

    /// Octaves in time and, in cycles a point, of the larger frequency in the plane; which one that is, by more than an octave. So blocks
    /// of all sizes have them in common.
    fn class(&self, position: usize) -> u8 {
        let [t, y, x] = self.octaves(position);
        let [y, x] = [y, x].map(|octave| if octave > 0 { octave + PLANE_OCTAVES - 1 - self.side.ilog2() as usize } else { 0 });
        let tilt = if y > x + 1 { 0 } else if x > y + 1 { 1 } else { 2 };
        ((t * PLANE_OCTAVES + y.max(x)) * 3 + tilt) as u8
    }

    /// Coefficients of a block.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// A coefficient's frequency in time, rows and columns.
    pub fn frequencies(&self, position: usize) -> [usize; 3] {
        let (place, bits) = (usize::from(self.places[position]), self.side.ilog2());
        [place >> (2 * bits), place >> bits & (self.side - 1), place & (self.side - 1)]
    }

    /// The octaves of these.
    pub fn octaves(&self, position: usize) -> [usize; 3] {
        self.frequencies(position).map(octave)
    }
}

/// The octave of a frequency: 0, 1, 2 (2–3), 3 (4–7), 4 (8–15), 5 (16–31), 6 (32–63).
pub(super) fn octave(frequency: usize) -> usize {
    (usize::BITS - frequency.leading_zeros()) as usize
}

/// A block of a [`Layout`].
#[derive(Debug, Clone, Copy)]
struct Block {
    /// In the image, in points.
    y: u32,
    x: u32,
    /// Of its side, in [`SIDES`].
    size: u8,
    /// Where its coefficients are among those of its layer.
    start: usize,
}

/// An image in blocks of a few frames, the last of which may reach beyond its plane.
///
/// Blocks go layer after layer (in time), by their first row, then by their first column, coefficients block after block, within a
/// block by rising frequency ([`Scan`]). All blocks that begin in the rows of some squares make a *strip*; strips have as many
/// coefficients each.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Extents of the image.
    pub image: [usize; 3],
    /// Extent of a block in time: 1, 2, 3, 8, 16, 24 or 32.
    pub frames: usize,
    /// Extent in the plane of squares, the largest blocks: one of [`SIDES`].
    pub side: usize,
    /// Squares in time, rows, columns.
    pub count: [usize; 3],
    /// The orders of blocks in use, by the place of their side in [`SIDES`].
    scans: [Option<&'static Scan>; SIDES.len()],
    /// Of one layer; they are the same in all of them.
    layer: Vec<Block>,
    /// The block of a layer that holds each cell.
    cells: Vec<u32>,
}

impl Layout {
    /// All blocks alike. `image`: extents of the image, whole blocks in time.
    pub fn new(image: [usize; 3], frames: usize, side: usize) -> Layout {
        let size = SIDES.iter().position(|&other| other == side).expect("a side of blocks");
        Layout::of(image, frames, &Partition::whole([image[1], image[2]], size as u8))
    }

    pub fn of(image: [usize; 3], frames: usize, partition: &Partition) -> Layout {
        debug_assert_eq!(image[0] % frames, 0);
        let [down, across] = partition.cells;
        let scans = std::array::from_fn(|size| partition.sizes.contains(&(size as u8)).then(|| Scan::of(frames, size)));
        let mut layer: Vec<Block> = Vec::new();
        let mut cells = vec![0; down * across];
        let mut start = 0;
        for (at, &size) in partition.sizes.iter().enumerate() {
            let (y, x, side) = (at / across, at % across, 1 << size);
            if y % side == 0 && x % side == 0 {
                for row in cells.chunks_exact_mut(across).skip(y).take(side) {
                    row[x..x + side].fill(layer.len() as u32);
                }
                layer.push(Block { y: (y * CELL) as u32, x: (x * CELL) as u32, size, start });
                start += frames * (side * CELL).pow(2);
            }
        }
        let side = SIDES[usize::from(partition.largest)];
        Layout { image, frames, side, count: [image[0] / frames, down * CELL / side, across * CELL / side], scans, layer, cells }
    }

    /// Blocks of the image.
    pub fn blocks(&self) -> usize {
        self.count[0] * self.layer.len()
    }

    /// Coefficients of the image.
    pub fn len(&self) -> usize {
        self.count[0] * self.layer_len()
    }

    /// Of one layer.
    pub(super) fn layer_len(&self) -> usize {
        self.count[1] * self.strip_len()
    }

    fn block(&self, block: usize) -> &Block {
        &self.layer[block % self.layer.len()]
    }

    /// Where the side of a block is in [`SIDES`].
    pub fn size(&self, block: usize) -> usize {
        self.block(block).size.into()
    }

    /// The order of a block's coefficients.
    pub fn scan(&self, block: usize) -> &'static Scan {
        self.scans[self.size(block)].expect("the order of a side in use")
    }

    /// Where a block's coefficients are.
    pub fn range(&self, block: usize) -> Range<usize> {
        let Block { size, start, .. } = *self.block(block);
        let start = self.layer_of(block) * self.layer_len() + start;
        start..start + self.frames * SIDES[usize::from(size)].pow(2)
    }

    /// About `count` groups of blocks, in their order, and what belongs to the coefficients of each.
    pub(super) fn pieces<'a, T>(&self, mut of_all: &'a mut [T], count: usize) -> Vec<(Range<usize>, &'a mut [T])> {
        let some = self.blocks().div_ceil(count).max(1);
        let piece = |start: usize| {
            let blocks = start..(start + some).min(self.blocks());
            let (piece, others) = std::mem::take(&mut of_all).split_at_mut(self.range(blocks.end - 1).end - self.range(start).start);
            of_all = others;
            (blocks, piece)
        };
        (0..self.blocks()).step_by(some).map(piece).collect()
    }

    pub fn strips(&self) -> usize {
        self.count[0] * self.count[1]
    }

    /// Coefficients of a strip.
    pub fn strip_len(&self) -> usize {
        self.count[2] * self.frames * self.side * self.side
    }

    /// The blocks of a strip.
    pub fn strip(&self, strip: usize) -> Range<usize> {
        let (layer, row) = (strip / self.count[1], strip % self.count[1]);
        let at = |row: usize| layer * self.layer.len() + self.layer.partition_point(|block| (block.y as usize) < row * self.side);
        at(row)..at(row + 1)
    }

    /// The block of a layer that holds the point `[y, x]`.
    pub fn holds(&self, layer: usize, [y, x]: [usize; 2]) -> usize {
        let across = self.count[2] * self.side / CELL;
        layer * self.layer.len() + self.cells[y / CELL * across + x / CELL] as usize
    }

    /// The layer in time that a block belongs to.
    pub fn layer_of(&self, block: usize) -> usize {
        block / self.layer.len()
    }

    /// The same block of the layer before.
    pub(super) fn before(&self, block: usize) -> Option<usize> {
        block.checked_sub(self.layer.len())
    }

    /// The rows and columns of the plane that a block covers, be they in the image or not.
    pub fn place(&self, block: usize) -> [Range<usize>; 2] {
        let Block { y, x, size, .. } = *self.block(block);
        [y, x].map(|start| start as usize..start as usize + SIDES[usize::from(size)])
    }

    /// Rows and columns of a block that lie in the image.
    pub fn inside(&self, block: usize) -> [usize; 2] {
        let ([rows, columns], [_, high, wide]) = (self.place(block), self.image);
        [(rows, high), (columns, wide)].map(|(place, end)| place.end.min(end).saturating_sub(place.start))
    }

    /// Where a block begins in the image, and how far its frames are apart there.
    pub(super) fn origin(&self, block: usize) -> (usize, usize) {
        let ([_, rows, columns], [y, x]) = (self.image, self.place(block));
        ((self.layer_of(block) * self.frames * rows + y.start) * columns + x.start, rows * columns)
    }

    /// Each row of a block that lies in the image: its place in the row-major block and its offset in an image as wide as this one,
    /// where the block begins at `origin` and its frames are `pitch` apart.
    pub(super) fn rows(&self, block: usize, origin: usize, pitch: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let ([high, _], columns, side) = (self.inside(block), self.image[2], SIDES[self.size(block)]);
        let frames = (0..self.frames).map(move |t| (t * side * side, origin + t * pitch));
        frames.flat_map(move |(place, offset)| (0..high).map(move |y| (place + y * side, offset + y * columns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::partition::tests::any_partition;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_cover_an_image_once(partition in any_partition(), layers in 1usize..3, frames in prop::sample::select(&[1usize, 2, 8][..])) {
            let [rows, columns] = partition.plane;
            let layout = Layout::of([layers * frames, rows, columns], frames, &partition);
            let mut covered = vec![false; layers * frames * rows * columns];
            let mut end = 0;
            for strip in 0..layout.strips() {
                for block in layout.strip(strip) {
                    let place = layout.range(block);
                    prop_assert_eq!(place.start, end);
                    prop_assert_eq!(place.len(), layout.scan(block).len());
                    end = place.end;
                    let [y, x] = layout.place(block).map(|place| place.start);
                    prop_assert_eq!(layout.holds(layout.layer_of(block), [y, x]), block);
                    let [high, wide] = layout.inside(block);
                    if high > 0 && wide > 0 {
                        let (origin, pitch) = layout.origin(block);
                        for (_, offset) in layout.rows(block, origin, pitch) {
                            prop_assert!(covered[offset..offset + wide].iter_mut().all(|covered| !std::mem::replace(covered, true)));
                        }
                    }
                }
                prop_assert_eq!(end, (strip + 1) * layout.strip_len());
            }
            prop_assert_eq!(end, layout.len());
            prop_assert!(covered.into_iter().all(|covered| covered));
        }
    }

    #[test]
    fn frequencies_of_blocks_of_two_sizes_lie_beside_each_other() {
        for frames in [1, 8] {
            let [small, large] = [0, 2].map(|size| Scan::of(frames, size));
            for (s, &nearest) in large.smaller[0].iter().enumerate() {
                let (place, other) = (usize::from(large.places[s]), usize::from(small.places[usize::from(nearest)]));
                assert_eq!([place / 1024, place / 32 % 32 / 4, place % 32 / 4], [other / 64, other / 8 % 8, other % 8]);
            }
        }
    }
}
