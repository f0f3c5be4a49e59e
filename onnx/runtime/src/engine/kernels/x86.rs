//! The kernel in x86 vector instructions.
//!
//! * AVX2: `maddubs` adds two products in an i16, exact because weights have 7 bits.
//! * AVX-VNNI, AVX-512 VNNI: `dpbusd` adds four products in an i32.
//! * AMX ([`amx`]), where rows are long enough for it: the same to tiles.

use super::vector::{Job, walk};
use super::{Finish, LANES, Packed, Quad, Row, amx};
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

/// # Safety
/// Four bytes lie there.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn spread_512(codes: *const i32) -> __m512i {
    // SAFETY: by contract.
    _mm512_set1_epi32(unsafe { codes.read_unaligned() })
}

/// # Safety
/// Four bytes lie there.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn spread_256(codes: *const i32) -> __m256i {
    // SAFETY: by contract.
    _mm256_set1_epi32(unsafe { codes.read_unaligned() })
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

    walk!(
        "avx512f,avx512bw,avx512vnni", walk_512, tile_512, __m512i, 1,
        _mm512_setzero_si512(), _mm512_loadu_si512, spread_512, _mm512_dpbusd_epi32
    );
    walk!(
        "avx2,avxvnni", walk_vnni, tile_vnni, __m256i, 2,
        _mm256_setzero_si256(), _mm256_loadu_si256, spread_256, _mm256_dpbusd_avx_epi32
    );
    walk!(
        "avx2", walk_avx2, tile_avx2, __m256i, 2,
        _mm256_setzero_si256(), _mm256_loadu_si256, spread_256, dot_avx2
    );
}
