//! The kernel in vector registers, whatever their width.

use super::{Finish, LANES, Packed, Quad, Row, store};

pub struct Job<'a, F> {
    pub packed: &'a Packed,
    pub quads: &'a [Quad],
    pub row: &'a Row<'a>,
    pub finish: &'a F,
    pub pitch: usize,
}

/// Walks over the output, `BLOCKS` blocks of channels times `PIXELS` pixels at a time, and keeps their sums in registers.
///
/// `$parts` registers of type `$vector` hold the sixteen sums of a pixel and block; `$spread` puts four codes into every lane, and
/// `$dot` adds their products with four weights a lane. Macros, because intrinsics are inlined only into functions that enable
/// their features.
macro_rules! walk {
    ($features:literal, $walk:ident, $tile:ident, $vector:ty, $parts:literal, $zero:expr, $load:expr, $spread:expr, $dot:expr) => {
        /// The last pixels begin earlier rather than end beyond the row; rows too narrow go pixel by pixel.
        ///
        /// # Safety
        /// The quads are those of the packed weights. The row fits, and has as many rows as the packed windows, in no larger a span. So many
        /// blocks begin at `block`.
        #[target_feature(enable = $features)]
        unsafe fn $walk<const BLOCKS: usize, const PIXELS: usize>(&self, block: usize, output: &mut [F::Lane]) {
            if self.row.width < PIXELS {
                for x in 0..self.row.width {
                    // SAFETY: by contract.
                    self.finish_tile(x, block, &unsafe { self.$tile::<BLOCKS, 1>(x, block) }, output);
                }
                return;
            }
            for x in (0..self.row.width).step_by(PIXELS) {
                let x = x.min(self.row.width - PIXELS);
                // SAFETY: by contract.
                self.finish_tile(x, block, &unsafe { self.$tile::<BLOCKS, PIXELS>(x, block) }, output);
            }
        }

        /// # Safety
        /// As the walk's, and so many pixels begin at `x`.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn $tile<const BLOCKS: usize, const PIXELS: usize>(&self, x: usize, block: usize) -> [[[i32; LANES]; BLOCKS]; PIXELS] {
            let mut sums = [[[$zero; $parts]; BLOCKS]; PIXELS];
            let block_pitch = self.packed.taps * LANES;
            let mut weights = self.quads[block * self.packed.taps / 4..].as_ptr().cast::<i8>();
            let window = self.row.input[x * self.row.step..].as_ptr();
            for r in 0..self.row.rows {
                for k in (0..self.row.span).step_by(4) {
                    let mut w = [[$zero; $parts]; BLOCKS];
                    for b in 0..BLOCKS {
                        for h in 0..$parts {
                            // SAFETY: `quads` holds taps / 4 groups of 64 bytes for each block; `weights` walks over those of
                            // `block`, and `block + BLOCKS` blocks exist.
                            w[b][h] = unsafe { $load(weights.add(b * block_pitch + 64 / $parts * h).cast()) };
                        }
                    }
                    for p in 0..PIXELS {
                        // SAFETY: the windows x..x+PIXELS lie inside the input, and r and the four bytes at k inside a window.
                        let codes = unsafe { $spread(window.add(p * self.row.step + r * self.row.row_pitch + k).cast::<i32>()) };
                        for b in 0..BLOCKS {
                            for h in 0..$parts {
                                sums[p][b][h] = $dot(sums[p][b][h], codes, w[b][h]);
                            }
                        }
                    }
                    // SAFETY: at most one past the end of the last block.
                    weights = unsafe { weights.add(4 * LANES) };
                }
                // SAFETY: to the next row's, at most one past the end.
                weights = unsafe { weights.add((self.packed.span - self.row.span) * LANES) };
            }
            let mut plain = [[[0; LANES]; BLOCKS]; PIXELS];
            for p in 0..PIXELS {
                for b in 0..BLOCKS {
                    // SAFETY: both are 64 bytes, of which every pattern is an integer.
                    plain[p][b] = unsafe { std::mem::transmute::<[$vector; $parts], [i32; LANES]>(sums[p][b]) };
                }
            }
            plain
        }
    };
}

pub(super) use walk;

impl<F: Finish> Job<'_, F> {
    #[inline(always)]
    pub fn finish_tile<const BLOCKS: usize, const PIXELS: usize>(
        &self,
        x: usize,
        block: usize,
        sums: &[[[i32; LANES]; BLOCKS]; PIXELS],
        output: &mut [F::Lane],
    ) {
        for (pixel, sums) in output[x * self.pitch..].chunks_exact_mut(self.pitch).zip(sums) {
            for (b, sums) in sums.iter().enumerate() {
                store(&self.finish.lanes(sums, block + b), pixel, block + b);
            }
        }
    }
}
