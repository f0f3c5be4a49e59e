//! The kernel in x86 vector instructions.
//!
//! * AVX2: `maddubs` adds two products in an i16, exact because weights have 7 bits.
//! * AVX-VNNI, AVX-512 VNNI: `dpbusd` adds four products in an i32.
//! * AMX ([`amx`]), where rows are long enough for it: the same to tiles.

use super::{Finish, LANES, Packed, Quad, Row, amx, store};
use caesar_kernels::Set;
use std::arch::x86_64::*;

/// # Safety
/// The quads are those of the packed weights. The row fits, and has as many rows as the packed windows, in no larger a span.
pub unsafe fn row<F: Finish>(packed: &Packed, quads: &[Quad], row: &Row, finish: &F, output: &mut [F::Lane], pitch: usize) {
    let job = Job { packed, quads, row, finish, pitch };
    // SAFETY: an `Isa` exists only for instructions that this processor has; the rest is the caller's.
    unsafe {
        match packed.isa.set() {
            Set::Amx if amx::suits(packed, row) => amx::row(packed, quads, row, finish, output, pitch),
            Set::Amx | Set::Avx512Vnni => job.avx512_vnni(output),
            Set::AvxVnni => job.avx_vnni(output),
            _ => job.avx2(output),
        }
    }
}

struct Job<'a, F> {
    packed: &'a Packed,
    quads: &'a [Quad],
    row: &'a Row<'a>,
    finish: &'a F,
    pitch: usize,
}

/// Walks over the output, `BLOCKS` blocks of channels times `PIXELS` pixels at a time, and keeps their sums in registers.
///
/// `$parts` registers of type `$vector` hold the sixteen sums of a pixel and block; `$dot` adds the products of four
/// codes (the same four in every lane) and four weights a lane. Macros, because intrinsics are inlined only into
/// functions that enable their features.
macro_rules! path {
    ($features:literal, $walk:ident, $tile:ident, $vector:ty, $parts:literal, $zero:expr, $load:expr, $spread:expr, $dot:expr) => {
        /// The last pixels begin earlier rather than end beyond the row; rows too narrow go pixel by pixel.
        ///
        /// # Safety
        /// As [`row`], and so many blocks begin at `block`.
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
                        let codes = unsafe {
                            let at = window.add(p * self.row.step + r * self.row.row_pitch + k);
                            $spread(at.cast::<i32>().read_unaligned())
                        };
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

#[inline]
#[target_feature(enable = "avx2")]
fn dot_avx2(sum: __m256i, codes: __m256i, weights: __m256i) -> __m256i {
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(codes, weights), _mm256_set1_epi16(1)))
}

impl<F: Finish> Job<'_, F> {
    /// # Safety
    /// As [`row`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn avx512_vnni(&self, output: &mut [F::Lane]) {
        let mut block = 0;
        while block < self.packed.blocks {
            // As even a split as possible into groups of at most four blocks.
            let left = self.packed.blocks - block;
            let group = left.div_ceil(left.div_ceil(4));
            // 24 sums (12 for a single block), the weights and a code in 32 registers.
            // SAFETY: by contract; a group is of blocks that are left.
            unsafe {
                match group {
                    4 => self.walk_512::<4, 6>(block, output),
                    3 => self.walk_512::<3, 8>(block, output),
                    2 => self.walk_512::<2, 12>(block, output),
                    _ => self.walk_512::<1, 12>(block, output),
                }
            }
            block += group;
        }
    }

    /// # Safety
    /// As [`row`].
    #[target_feature(enable = "avx2,avxvnni")]
    unsafe fn avx_vnni(&self, output: &mut [F::Lane]) {
        for block in 0..self.packed.blocks {
            // 12 sums, two registers of weights and a code in 16 registers.
            // SAFETY: by contract.
            unsafe { self.walk_vnni::<1, 6>(block, output) };
        }
    }

    /// # Safety
    /// As [`row`].
    #[target_feature(enable = "avx2")]
    unsafe fn avx2(&self, output: &mut [F::Lane]) {
        for block in 0..self.packed.blocks {
            // 8 sums, two registers of weights, a code, ones and the products in 16 registers.
            // SAFETY: by contract.
            unsafe { self.walk_avx2::<1, 4>(block, output) };
        }
    }

    path!(
        "avx512f,avx512bw,avx512vnni", walk_512, tile_512, __m512i, 1,
        _mm512_setzero_si512(), _mm512_loadu_si512, _mm512_set1_epi32, _mm512_dpbusd_epi32
    );
    path!(
        "avx2,avxvnni", walk_vnni, tile_vnni, __m256i, 2,
        _mm256_setzero_si256(), _mm256_loadu_si256, _mm256_set1_epi32, _mm256_dpbusd_avx_epi32
    );
    path!(
        "avx2", walk_avx2, tile_avx2, __m256i, 2,
        _mm256_setzero_si256(), _mm256_loadu_si256, _mm256_set1_epi32, dot_avx2
    );

    #[inline(always)]
    fn finish_tile<const BLOCKS: usize, const PIXELS: usize>(
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
