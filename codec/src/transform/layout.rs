//! How an image is cut into blocks, and the order of a block's coefficients.

/// Extents of blocks in the plane.
pub const SIDES: [usize; 4] = [8, 16, 32, 64];

/// Points of the largest block.
pub const MAX_BLOCK: usize = 1 << 16;

/// Octaves of frequency: in time (32 frames), in the plane (64 points).
pub const TIME_OCTAVES: usize = 6;
pub const PLANE_OCTAVES: usize = 7;

/// An image in blocks of `frames × side × side` points, the last of which may reach beyond its plane.
///
/// Coefficients lie block after block (row-major), within a block by rising frequency ([`Layout::scan`]).
#[derive(Debug, Clone)]
pub struct Layout {
    /// Extents of the image.
    pub image: [usize; 3],
    /// Extent of a block in time: 1, 2, 3, 8, 16, 24 or 32.
    pub frames: usize,
    /// Extent of a block in both directions of the plane: one of [`SIDES`].
    pub side: usize,
    /// Blocks in time, rows, columns.
    pub count: [usize; 3],
    /// Position in scanning order -> place in a row-major block `[t][y][x]`.
    pub scan: Vec<u16>,
    /// For each scanning position, those of the next lower frequency in time, rows and columns; a block's length
    /// where there is none.
    pub lower: Vec<[u32; 3]>,
}

impl Layout {
    /// `image`: extents of the image, whole blocks in time.
    pub fn new(image: [usize; 3], frames: usize, side: usize) -> Layout {
        debug_assert_eq!(image[0] % frames, 0);
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
        let mut position = vec![0u32; len];
        let (mut scan, mut lower) = (vec![0; len], vec![[len as u32; 3]; len]);
        for (place, [t, y, x], rank) in each() {
            let s = next[rank];
            next[rank] += 1;
            (position[place], scan[s as usize]) = (s, place as u16);
            // Lower frequencies have lower places.
            let at = |exists: bool, distance: usize| if exists { position[place - distance] } else { len as u32 };
            lower[s as usize] = [at(t > 0, side * side), at(y > 0, side), at(x > 0, 1)];
        }
        Layout { image, frames, side, count: [image[0] / frames, image[1].div_ceil(side), image[2].div_ceil(side)], scan, lower }
    }

    /// Coefficients of a block.
    pub fn block_len(&self) -> usize {
        self.scan.len()
    }

    /// Blocks of the image.
    pub fn blocks(&self) -> usize {
        self.count.iter().product()
    }

    /// Octaves of a coefficient's frequency in time, rows and columns: 0, 1, 2 (2–3), 3 (4–7), 4 (8–15), 5 (16–31), 6 (32–63).
    pub fn octaves(&self, scan_position: usize) -> [usize; 3] {
        let (place, bits) = (u32::from(self.scan[scan_position]), self.side.ilog2());
        let frequencies = [place >> (2 * bits), place >> bits & (1 << bits) - 1, place & (1 << bits) - 1];
        frequencies.map(|f| (u32::BITS - f.leading_zeros()) as usize)
    }

    /// Coefficients of the image.
    pub fn len(&self) -> usize {
        self.blocks() * self.block_len()
    }

    /// Rows and columns of a block that lie in the image.
    pub fn inside(&self, block: usize) -> [usize; 2] {
        let ([_, rows, columns], [_, down, across]) = (self.image, self.count);
        [rows - block / across % down * self.side, columns - block % across * self.side].map(|n| n.min(self.side))
    }

    /// Where a block begins in the image, and how far its frames are apart there.
    pub(super) fn origin(&self, block: usize) -> (usize, usize) {
        let ([_, rows, columns], [_, down, across]) = (self.image, self.count);
        let (x, y, t) = (block % across, block / across % down, block / (across * down));
        ((t * self.frames * rows + y * self.side) * columns + x * self.side, rows * columns)
    }

    /// Each row of a block that lies in the image: its place in the row-major block and its offset in an image as wide as this one,
    /// where the block begins at `origin` and its frames are `pitch` apart.
    pub(super) fn rows(&self, block: usize, origin: usize, pitch: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let ([high, _], columns, side) = (self.inside(block), self.image[2], self.side);
        let frames = (0..self.frames).map(move |t| (t * side * side, origin + t * pitch));
        frames.flat_map(move |(place, offset)| (0..high).map(move |y| (place + y * side, offset + y * columns)))
    }
}
