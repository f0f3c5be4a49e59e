//! NEON, with or without its dot product: sixteen lanes are four registers.

use super::Kernel;
use super::lanes::{LANES, Lanes};
use super::packed::Rounding;
use std::arch::aarch64::*;
use std::arch::asm;
use std::mem::transmute;

#[derive(Clone, Copy)]
pub struct Neon<const DOT: bool>(());

type Four = [int32x4_t; 4];

#[target_feature(enable = "neon")]
pub fn run<K: Kernel>(kernel: K) {
    kernel.vector(Neon::<false>(()));
}

#[target_feature(enable = "neon,dotprod")]
pub fn run_dot<K: Kernel>(kernel: K) {
    kernel.vector(Neon::<true>(()));
}

macro_rules! safe {
    ($e:expr) => {
        // SAFETY: only `run` and `run_dot` make a `Neon`, and they have the instructions. Arrays and registers are of one size
        // and take any bits.
        unsafe { $e }
    };
}

/// Something on all registers.
macro_rules! each {
    ($x:ident = $a:expr => $e:expr) => {{
        let a = $a;
        safe!([{ let $x = a[0]; $e }, { let $x = a[1]; $e }, { let $x = a[2]; $e }, { let $x = a[3]; $e }])
    }};
    ($x:ident = $a:expr, $y:ident = $b:expr => $e:expr) => {{
        let (a, b) = ($a, $b);
        safe!([
            { let ($x, $y) = (a[0], b[0]); $e },
            { let ($x, $y) = (a[1], b[1]); $e },
            { let ($x, $y) = (a[2], b[2]); $e },
            { let ($x, $y) = (a[3], b[3]); $e },
        ])
    }};
    ($x:ident = $a:expr, $y:ident = $b:expr, $z:ident = $c:expr => $e:expr) => {{
        let (a, b, c) = ($a, $b, $c);
        safe!([
            { let ($x, $y, $z) = (a[0], b[0], c[0]); $e },
            { let ($x, $y, $z) = (a[1], b[1], c[1]); $e },
            { let ($x, $y, $z) = (a[2], b[2], c[2]); $e },
            { let ($x, $y, $z) = (a[3], b[3], c[3]); $e },
        ])
    }};
}

/// A register as one of i16, and back.
macro_rules! i16s {
    ($x:expr) => {
        vreinterpretq_s16_s32($x)
    };
}
macro_rules! i32s {
    ($x:expr) => {
        vreinterpretq_s32_s16($x)
    };
}

impl<const DOT: bool> Neon<DOT> {
    /// Sums of two outputs, four targets each, to codes.
    #[inline(always)]
    fn round(self, a: int32x4_t, b: int32x4_t, factor: [u16; 8], lost: [u16; 8]) -> uint16x8_t {
        safe!({
            let (factor, lost) = (vld1q_u16(factor.as_ptr()), vld1q_u16(lost.as_ptr()));
            let sums = vqmovun_high_s32(vqmovun_s32(a), b);
            let low = vmull_u16(vget_low_u16(sums), vget_low_u16(factor));
            let rounded = vshrn_high_n_u32::<16>(vshrn_n_u32::<16>(low), vmull_high_u16(sums, factor));
            // All bits but the lowest, and that one where the sum was no tie.
            vandq_u16(rounded, vorrq_u16(vtstq_u16(sums, lost), vdupq_n_u16(!1)))
        })
    }
}

impl<const DOT: bool> Lanes for Neon<DOT> {
    type V = Four;

    const WIDE: bool = false;
    const SIGNED: bool = true;

    #[inline(always)]
    fn splat(self, x: i32) -> Four {
        safe!([vdupq_n_s32(x); 4])
    }

    #[inline(always)]
    fn load(self, from: &[i32; LANES]) -> Four {
        safe!(transmute(*from))
    }

    #[inline(always)]
    fn load_i16(self, from: &[i16; LANES]) -> Four {
        safe!({
            let [low, high]: [int16x8_t; 2] = transmute(*from);
            let [a, b] = [vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low)];
            [a, b, vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)]
        })
    }

    #[inline(always)]
    fn to_array(self, v: Four) -> [i32; LANES] {
        safe!(transmute(v))
    }

    #[inline(always)]
    fn to_u8(self, v: Four) -> [u8; LANES] {
        self.to_array(v).map(|lane| lane as u8)
    }

    #[inline(always)]
    fn and(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => vandq_s32(x, y))
    }

    #[inline(always)]
    fn or(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => vorrq_s32(x, y))
    }

    #[inline(always)]
    fn add(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => vaddq_s32(x, y))
    }

    #[inline(always)]
    fn sub(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => vsubq_s32(x, y))
    }

    #[inline(always)]
    fn min(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => vminq_s32(x, y))
    }

    #[inline(always)]
    fn max(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => vmaxq_s32(x, y))
    }

    #[inline(always)]
    fn abs(self, a: Four) -> Four {
        each!(x = a => vabsq_s32(x))
    }

    #[inline(always)]
    fn shl(self, a: Four, count: Four) -> Four {
        each!(x = a, n = count => vshlq_s32(x, n))
    }

    #[inline(always)]
    fn shr(self, a: Four, count: Four) -> Four {
        each!(x = a, n = count => vshlq_s32(x, vnegq_s32(n)))
    }

    #[inline(always)]
    fn shl_by<const N: u32>(self, a: Four) -> Four {
        self.shl(a, self.splat(N as i32))
    }

    #[inline(always)]
    fn shr_by<const N: u32>(self, a: Four) -> Four {
        each!(x = a, n = self.splat(-(N as i32)) => vshlq_s32(x, n))
    }

    #[inline(always)]
    fn shr_zeros_by<const N: u32>(self, a: Four) -> Four {
        each!(x = a, n = self.splat(-(N as i32)) => vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(x), n)))
    }

    #[inline(always)]
    fn float_bits(self, a: Four) -> Four {
        each!(x = a => vreinterpretq_s32_f32(vcvtq_f32_s32(x)))
    }

    #[inline(always)]
    fn pair(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => {
            let (x, y) = (vqmovn_s32(x), vqmovn_s32(y));
            i32s!(vcombine_s16(vzip1_s16(x, y), vzip2_s16(x, y)))
        })
    }

    #[inline(always)]
    fn min_i16(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => i32s!(vminq_s16(i16s!(x), i16s!(y))))
    }

    #[inline(always)]
    fn max_i16(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => i32s!(vmaxq_s16(i16s!(x), i16s!(y))))
    }

    #[inline(always)]
    fn abs_i16(self, a: Four) -> Four {
        each!(x = a => i32s!(vabsq_s16(i16s!(x))))
    }

    #[inline(always)]
    fn mul_i16(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => i32s!(vmulq_s16(i16s!(x), i16s!(y))))
    }

    #[inline(always)]
    fn mul_round_i16(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => i32s!(vqrdmulhq_s16(i16s!(x), i16s!(y))))
    }

    #[inline(always)]
    fn dot_i16(self, sum: Four, a: Four, b: Four) -> Four {
        each!(s = sum, x = a, y = b => {
            let (x, y) = (i16s!(x), i16s!(y));
            let low = vmull_s16(vget_low_s16(x), vget_low_s16(y));
            vaddq_s32(s, vpaddq_s32(low, vmull_high_s16(x, y)))
        })
    }

    /// Codes less 128.
    #[inline(always)]
    fn codes(self, a: Four, b: Four) -> Four {
        each!(x = a, y = b => {
            let (x, y) = (vqmovn_s16(i16s!(x)), vqmovn_s16(i16s!(y)));
            let (x, y) = (vreinterpret_s16_s8(x), vreinterpret_s16_s8(y));
            i32s!(vcombine_s16(vzip1_s16(x, y), vzip2_s16(x, y)))
        })
    }

    /// Two products of an i8 and a weight of 7 bits, and their sum, fit an i16.
    #[inline(always)]
    fn dot_codes(self, sum: Four, codes: Four, weights: Four) -> Four {
        each!(s = sum, x = codes, y = weights => {
            if DOT {
                let mut sum = s;
                // The intrinsic is not in stable Rust yet.
                asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) x, in(vreg) y,
                    options(pure, nomem, nostack, preserves_flags));
                sum
            } else {
                let (x, y) = (vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(y));
                let low = vmull_s8(vget_low_s8(x), vget_low_s8(y));
                vpadalq_s16(s, vpaddq_s16(low, vmull_high_s8(x, y)))
            }
        })
    }

    #[inline(always)]
    fn quantise(self, sums: [Four; 4], rounding: &Rounding) -> Four {
        let Rounding { factor, lost } = rounding;
        let [p, q, r, s] = sums;
        each!(i = [0, 1, 2, 3] => {
            let a = self.round(p[i], q[i], factor[0], lost[0]);
            let b = self.round(r[i], s[i], factor[1], lost[1]);
            let codes = vqmovn_high_u16(vqmovn_u16(a), b);
            // From the bytes of four lanes to whole lanes, less 128.
            let order: uint8x16_t = transmute([0u8, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);
            vreinterpretq_s32_u8(veorq_u8(vqtbl1q_u8(codes, order), vdupq_n_u8(0x80)))
        })
    }
}
