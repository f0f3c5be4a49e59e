//! The kernel in NEON instructions: codes less 128 and weights are signed bytes, of which two products and their sum fit an i16.
//!
//! * NEON: products of eight bytes each, added in pairs.
//! * With its dot product: `sdot` adds four products in an i32.

use super::vector::{Job, walk};
use super::{Finish, LANES, Packed, Quad, Row};
use caesar_kernels::Set;
use std::arch::aarch64::*;
use std::arch::asm;

/// # Safety
/// The quads are those of the packed weights. The row fits, and has as many rows as the packed windows, in no larger a span.
pub unsafe fn row<F: Finish>(packed: &Packed, quads: &[Quad], row: &Row, finish: &F, output: &mut [F::Lane], pitch: usize) {
    let job = Job { packed, quads, row, finish, pitch };
    // SAFETY: an `Isa` exists only for instructions that this processor has; the rest is the caller's.
    unsafe {
        match packed.isa.set() {
            Set::NeonDot => job.neon_dot(output),
            _ => job.neon(output),
        }
    }
}

/// # Safety
/// Sixteen bytes lie there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn load(weights: *const i8) -> int32x4_t {
    // SAFETY: by contract.
    vreinterpretq_s32_s8(unsafe { vld1q_s8(weights) })
}

/// Less 128.
///
/// # Safety
/// Four bytes lie there.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn spread(codes: *const i32) -> int32x4_t {
    // SAFETY: by contract; the load takes any address.
    let codes = unsafe { vld1q_dup_s32(codes) };
    vreinterpretq_s32_u8(veorq_u8(vreinterpretq_u8_s32(codes), vdupq_n_u8(0x80)))
}

#[inline]
#[target_feature(enable = "neon")]
fn dot(sum: int32x4_t, codes: int32x4_t, weights: int32x4_t) -> int32x4_t {
    let (x, y) = (vreinterpretq_s8_s32(codes), vreinterpretq_s8_s32(weights));
    let low = vmull_s8(vget_low_s8(x), vget_low_s8(y));
    vpadalq_s16(sum, vpaddq_s16(low, vmull_high_s8(x, y)))
}

#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(mut sum: int32x4_t, codes: int32x4_t, weights: int32x4_t) -> int32x4_t {
    // SAFETY: the instruction is there, and touches these registers alone. Its intrinsic is not in stable Rust yet.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) codes, in(vreg) weights, options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

impl<F: Finish> Job<'_, F> {
    /// # Safety
    /// As [`row`].
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn neon_dot(&self, output: &mut [F::Lane]) {
        for block in 0..self.packed.blocks {
            // 24 sums, four registers of weights and a code in 32 registers.
            // SAFETY: by contract.
            unsafe { self.walk_sdot::<1, 6>(block, output) };
        }
    }

    /// # Safety
    /// As [`row`].
    #[target_feature(enable = "neon")]
    unsafe fn neon(&self, output: &mut [F::Lane]) {
        for block in 0..self.packed.blocks {
            // 16 sums, four registers of weights, a code and the products in 32 registers.
            // SAFETY: by contract.
            unsafe { self.walk_neon::<1, 4>(block, output) };
        }
    }

    walk!("neon,dotprod", walk_sdot, tile_sdot, int32x4_t, 4, vdupq_n_s32(0), load, spread, sdot);
    walk!("neon", walk_neon, tile_neon, int32x4_t, 4, vdupq_n_s32(0), load, spread, dot);
}
