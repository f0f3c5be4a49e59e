//! AVX2, with or without AVX-VNNI: sixteen lanes are two registers.

use super::{BRING_TOGETHER, TRANSPOSE};
use crate::vector::Kernel;
use crate::vector::lanes::{LANES, Lanes};
use crate::vector::packed::Rounding;
use std::arch::x86_64::*;
use std::mem::transmute;

#[derive(Clone, Copy)]
pub struct Ymm<const VNNI: bool>(());

type Two = [__m256i; 2];

#[target_feature(enable = "avx2")]
pub fn run<K: Kernel>(kernel: K) {
    kernel.vector(Ymm::<false>(()));
}

#[target_feature(enable = "avx2,avxvnni")]
pub fn run_vnni<K: Kernel>(kernel: K) {
    kernel.vector(Ymm::<true>(()));
}

macro_rules! safe {
    ($e:expr) => {
        // SAFETY: only `run` and `run_vnni` make a `Ymm`, and they have the instructions. Arrays and registers are of one
        // size and take any bits.
        unsafe { $e }
    };
}

/// An instruction on both registers.
macro_rules! both {
    ($f:expr, $a:expr) => {{
        let a = $a;
        safe!([$f(a[0]), $f(a[1])])
    }};
    ($f:expr, $a:expr, $b:expr) => {{
        let (a, b) = ($a, $b);
        safe!([$f(a[0], b[0]), $f(a[1], b[1])])
    }};
    ($f:expr, $a:expr, $b:expr, $c:expr) => {{
        let (a, b, c) = ($a, $b, $c);
        safe!([$f(a[0], b[0], c[0]), $f(a[1], b[1], c[1])])
    }};
}

impl<const VNNI: bool> Ymm<VNNI> {
    #[inline(always)]
    fn repeat(self, words: [u16; 8]) -> Two {
        safe!([_mm256_broadcastsi128_si256(transmute::<[u16; 8], __m128i>(words)); 2])
    }

    #[inline(always)]
    fn round(self, sums: Two, factor: [u16; 8], lost: [u16; 8]) -> Two {
        let kept = both!(_mm256_adds_epu16, self.and(sums, self.repeat(lost)), self.splat(-0x1_0002));
        self.and(both!(_mm256_mulhi_epu16, sums, self.repeat(factor)), kept)
    }
}

impl<const VNNI: bool> Lanes for Ymm<VNNI> {
    type V = Two;

    const WIDE: bool = false;
    const SIGNED: bool = false;

    #[inline(always)]
    fn splat(self, x: i32) -> Two {
        safe!([_mm256_set1_epi32(x); 2])
    }

    #[inline(always)]
    fn load(self, from: &[i32; LANES]) -> Two {
        safe!(transmute(*from))
    }

    #[inline(always)]
    fn load_i16(self, from: &[i16; LANES]) -> Two {
        let [low, high]: [__m128i; 2] = safe!(transmute(*from));
        safe!([_mm256_cvtepi16_epi32(low), _mm256_cvtepi16_epi32(high)])
    }

    #[inline(always)]
    fn to_array(self, v: Two) -> [i32; LANES] {
        safe!(transmute(v))
    }

    #[inline(always)]
    fn to_u8(self, v: Two) -> [u8; LANES] {
        self.to_array(v).map(|lane| lane as u8)
    }

    #[inline(always)]
    fn and(self, a: Two, b: Two) -> Two {
        both!(_mm256_and_si256, a, b)
    }

    #[inline(always)]
    fn or(self, a: Two, b: Two) -> Two {
        both!(_mm256_or_si256, a, b)
    }

    #[inline(always)]
    fn add(self, a: Two, b: Two) -> Two {
        both!(_mm256_add_epi32, a, b)
    }

    #[inline(always)]
    fn sub(self, a: Two, b: Two) -> Two {
        both!(_mm256_sub_epi32, a, b)
    }

    #[inline(always)]
    fn min(self, a: Two, b: Two) -> Two {
        both!(_mm256_min_epi32, a, b)
    }

    #[inline(always)]
    fn max(self, a: Two, b: Two) -> Two {
        both!(_mm256_max_epi32, a, b)
    }

    #[inline(always)]
    fn abs(self, a: Two) -> Two {
        both!(_mm256_abs_epi32, a)
    }

    #[inline(always)]
    fn shl(self, a: Two, count: Two) -> Two {
        both!(_mm256_sllv_epi32, a, count)
    }

    #[inline(always)]
    fn shr(self, a: Two, count: Two) -> Two {
        both!(_mm256_srav_epi32, a, count)
    }

    #[inline(always)]
    fn shl_by<const N: u32>(self, a: Two) -> Two {
        both!(_mm256_sllv_epi32, a, self.splat(N as i32))
    }

    #[inline(always)]
    fn shr_by<const N: u32>(self, a: Two) -> Two {
        both!(_mm256_srav_epi32, a, self.splat(N as i32))
    }

    #[inline(always)]
    fn shr_zeros_by<const N: u32>(self, a: Two) -> Two {
        both!(_mm256_srlv_epi32, a, self.splat(N as i32))
    }

    #[inline(always)]
    fn float_bits(self, a: Two) -> Two {
        let floats = both!(_mm256_cvtepi32_ps, a);
        both!(_mm256_castps_si256, floats)
    }

    #[inline(always)]
    fn pair(self, a: Two, b: Two) -> Two {
        both!(_mm256_shuffle_epi8, both!(_mm256_packs_epi32, a, b), self.repeat(BRING_TOGETHER))
    }

    #[inline(always)]
    fn min_i16(self, a: Two, b: Two) -> Two {
        both!(_mm256_min_epi16, a, b)
    }

    #[inline(always)]
    fn max_i16(self, a: Two, b: Two) -> Two {
        both!(_mm256_max_epi16, a, b)
    }

    #[inline(always)]
    fn abs_i16(self, a: Two) -> Two {
        both!(_mm256_abs_epi16, a)
    }

    #[inline(always)]
    fn mul_i16(self, a: Two, b: Two) -> Two {
        both!(_mm256_mullo_epi16, a, b)
    }

    #[inline(always)]
    fn mul_round_i16(self, a: Two, b: Two) -> Two {
        both!(_mm256_mulhrs_epi16, a, b)
    }

    #[inline(always)]
    fn dot_i16(self, sum: Two, a: Two, b: Two) -> Two {
        if VNNI {
            both!(_mm256_dpwssd_avx_epi32, sum, a, b)
        } else {
            self.add(sum, both!(_mm256_madd_epi16, a, b))
        }
    }

    #[inline(always)]
    fn codes(self, a: Two, b: Two) -> Two {
        let codes = both!(_mm256_shuffle_epi8, both!(_mm256_packs_epi16, a, b), self.repeat(BRING_TOGETHER));
        both!(_mm256_xor_si256, codes, self.splat(0x8080_8080_u32 as i32))
    }

    /// With weights of 7 bits the sum of two products fits an i16.
    #[inline(always)]
    fn dot_codes(self, sum: Two, codes: Two, weights: Two) -> Two {
        if VNNI {
            both!(_mm256_dpbusd_avx_epi32, sum, codes, weights)
        } else {
            let products = both!(_mm256_maddubs_epi16, codes, weights);
            self.add(sum, both!(_mm256_madd_epi16, products, self.splat(0x1_0001)))
        }
    }

    #[inline(always)]
    fn quantise(self, sums: [Two; 4], rounding: &Rounding) -> Two {
        let a = self.round(both!(_mm256_packus_epi32, sums[0], sums[1]), rounding.factor[0], rounding.lost[0]);
        let b = self.round(both!(_mm256_packus_epi32, sums[2], sums[3]), rounding.factor[1], rounding.lost[1]);
        both!(_mm256_shuffle_epi8, both!(_mm256_packus_epi16, a, b), self.repeat(TRANSPOSE))
    }
}
