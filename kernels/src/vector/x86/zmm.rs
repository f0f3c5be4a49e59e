//! AVX-512 VNNI: sixteen lanes are one register.

use super::{BRING_TOGETHER, TRANSPOSE, tiles};
use crate::vector::Kernel;
use crate::vector::lanes::{LANES, Lanes};
use crate::vector::packed::{Packed, Rounding};
use crate::vector::scratch::Scratch;
use std::arch::x86_64::*;
use std::mem::transmute;

/// `TILES`: AMX is there, too, and configured.
#[derive(Clone, Copy)]
pub struct Zmm<const TILES: bool>(());

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn run<const TILES: bool, K: Kernel>(kernel: K) {
    kernel.vector(Zmm::<TILES>(()));
}

macro_rules! safe {
    ($e:expr) => {
        // SAFETY: only `run` makes a `Zmm`, and it has the instructions. Arrays and registers are of one size and take
        // any bits.
        unsafe { $e }
    };
}

impl<const TILES: bool> Zmm<TILES> {
    #[inline(always)]
    fn repeat(self, words: [u16; 8]) -> __m512i {
        safe!(_mm512_broadcast_i32x4(transmute::<[u16; 8], __m128i>(words)))
    }

    #[inline(always)]
    fn round(self, sums: __m512i, factor: [u16; 8], lost: [u16; 8]) -> __m512i {
        safe!({
            let kept = _mm512_adds_epu16(_mm512_and_si512(sums, self.repeat(lost)), _mm512_set1_epi16(-2));
            _mm512_and_si512(_mm512_mulhi_epu16(sums, self.repeat(factor)), kept)
        })
    }
}

impl<const TILES: bool> Lanes for Zmm<TILES> {
    type V = __m512i;

    const WIDE: bool = true;
    const SIGNED: bool = false;

    #[inline(always)]
    fn splat(self, x: i32) -> __m512i {
        safe!(_mm512_set1_epi32(x))
    }

    #[inline(always)]
    fn load(self, from: &[i32; LANES]) -> __m512i {
        safe!(_mm512_loadu_si512(from.as_ptr().cast()))
    }

    #[inline(always)]
    fn load_i16(self, from: &[i16; LANES]) -> __m512i {
        safe!(_mm512_cvtepi16_epi32(_mm256_loadu_si256(from.as_ptr().cast())))
    }

    #[inline(always)]
    fn to_array(self, v: __m512i) -> [i32; LANES] {
        safe!(transmute(v))
    }

    #[inline(always)]
    fn to_u8(self, v: __m512i) -> [u8; LANES] {
        safe!(transmute(_mm512_cvtepi32_epi8(v)))
    }

    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_and_si512(a, b))
    }

    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_or_si512(a, b))
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_add_epi32(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_sub_epi32(a, b))
    }

    #[inline(always)]
    fn min(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_min_epi32(a, b))
    }

    #[inline(always)]
    fn max(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_max_epi32(a, b))
    }

    #[inline(always)]
    fn abs(self, a: __m512i) -> __m512i {
        safe!(_mm512_abs_epi32(a))
    }

    #[inline(always)]
    fn shl(self, a: __m512i, count: __m512i) -> __m512i {
        safe!(_mm512_sllv_epi32(a, count))
    }

    #[inline(always)]
    fn shr(self, a: __m512i, count: __m512i) -> __m512i {
        safe!(_mm512_srav_epi32(a, count))
    }

    #[inline(always)]
    fn shl_by<const N: u32>(self, a: __m512i) -> __m512i {
        safe!(_mm512_slli_epi32::<N>(a))
    }

    #[inline(always)]
    fn shr_by<const N: u32>(self, a: __m512i) -> __m512i {
        safe!(_mm512_srai_epi32::<N>(a))
    }

    #[inline(always)]
    fn shr_zeros_by<const N: u32>(self, a: __m512i) -> __m512i {
        safe!(_mm512_srli_epi32::<N>(a))
    }

    #[inline(always)]
    fn float_bits(self, a: __m512i) -> __m512i {
        safe!(_mm512_castps_si512(_mm512_cvtepi32_ps(a)))
    }

    #[inline(always)]
    fn pair(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_shuffle_epi8(_mm512_packs_epi32(a, b), self.repeat(BRING_TOGETHER)))
    }

    #[inline(always)]
    fn min_i16(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_min_epi16(a, b))
    }

    #[inline(always)]
    fn max_i16(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_max_epi16(a, b))
    }

    #[inline(always)]
    fn abs_i16(self, a: __m512i) -> __m512i {
        safe!(_mm512_abs_epi16(a))
    }

    #[inline(always)]
    fn mul_i16(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_mullo_epi16(a, b))
    }

    #[inline(always)]
    fn mul_round_i16(self, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_mulhrs_epi16(a, b))
    }

    #[inline(always)]
    fn dot_i16(self, sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
        safe!(_mm512_dpwssd_epi32(sum, a, b))
    }

    #[inline(always)]
    fn codes(self, a: __m512i, b: __m512i) -> __m512i {
        safe!({
            let codes = _mm512_shuffle_epi8(_mm512_packs_epi16(a, b), self.repeat(BRING_TOGETHER));
            _mm512_xor_si512(codes, _mm512_set1_epi8(-128))
        })
    }

    #[inline(always)]
    fn dot_codes(self, sum: __m512i, codes: __m512i, weights: __m512i) -> __m512i {
        safe!(_mm512_dpbusd_epi32(sum, codes, weights))
    }

    #[inline(always)]
    fn quantise(self, sums: [__m512i; 4], rounding: &Rounding) -> __m512i {
        safe!({
            let a = self.round(_mm512_packus_epi32(sums[0], sums[1]), rounding.factor[0], rounding.lost[0]);
            let b = self.round(_mm512_packus_epi32(sums[2], sums[3]), rounding.factor[1], rounding.lost[1]);
            _mm512_shuffle_epi8(_mm512_packus_epi16(a, b), self.repeat(TRANSPOSE))
        })
    }

    #[inline(always)]
    unsafe fn network(self, packed: &Packed, groups: usize, scratch: &mut Scratch) -> bool {
        if TILES {
            // SAFETY: by contract; only `tiles::run` makes a `Zmm` with tiles.
            unsafe { tiles::network(Zmm(()), packed, groups, scratch) };
        }
        TILES
    }
}
