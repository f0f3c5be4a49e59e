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
    pub scan: Vec<usize>,
    /// For each scanning position, those of the next lower frequency in time, rows and columns; a block's length
    /// where there is none.
    pub lower: Vec<[usize; 3]>,
}

impl Layout {
    /// `image`: extents of the image, whole blocks in time.
    pub fn new(image: [usize; 3], frames: usize, side: usize) -> Layout {
        debug_assert_eq!(image[0] % frames, 0);
        let frequency = |place: usize| [place / (side * side), place / side % side, place % side];
        let mut scan: Vec<usize> = (0..frames * side * side).collect();
        // Frequencies in cycles, so that blocks of every size rank alike; time counts a little more.
        scan.sort_by_cached_key(|&place| {
            let [t, y, x] = frequency(place);
            (t * 6 * side / frames.max(8) + (y + x) * 5) * 4 + y.abs_diff(x)
        });
        let mut position = vec![0; scan.len()];
        for (s, &place) in scan.iter().enumerate() {
            position[place] = s;
        }
        let lower = scan.iter().map(|&place| {
            let [t, y, x] = frequency(place);
            let at = |exists: bool, distance: usize| if exists { position[place - distance] } else { position.len() };
            [at(t > 0, side * side), at(y > 0, side), at(x > 0, 1)]
        });
        let lower = lower.collect();
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
        let place = self.scan[scan_position];
        let n = self.side;
        [place / (n * n), place / n % n, place % n].map(|f| (usize::BITS - f.leading_zeros()) as usize)
    }

    /// Coefficients of the image.
    pub fn len(&self) -> usize {
        self.blocks() * self.block_len()
    }

    /// Rows and columns of a block that lie in the image.
    pub(super) fn inside(&self, block: usize) -> [usize; 2] {
        let ([_, rows, columns], [_, down, across]) = (self.image, self.count);
        [rows - block / across % down * self.side, columns - block % across * self.side].map(|n| n.min(self.side))
    }

    /// Each row of a block that lies in the image: its place in the row-major block and its offset in the image.
    pub(super) fn rows(&self, block: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let ([_, rows, columns], [_, down, across], side) = (self.image, self.count, self.side);
        let (x, y, t) = (block % across, block / across % down, block / (across * down));
        let origin = (t * self.frames * rows + y * side) * columns + x * side;
        let [high, _] = self.inside(block);
        let frames = (0..self.frames).map(move |t| (t * side * side, origin + t * rows * columns));
        frames.flat_map(move |(place, offset)| (0..high).map(move |y| (place + y * side, offset + y * columns)))
    }
}
