//! What the kernels ask of an instruction set.

use super::packed::{Packed, Rounding};
use super::scratch::Scratch;

/// Targets side by side.
pub const LANES: usize = 16;

/// Vectors of one 32-bit lane for each of sixteen targets. A lane holds an i32, a pair of i16 or four bytes, the first one
/// lowest. All arithmetic wraps unless it says otherwise.
///
/// Implementations are proofs, too: a value exists only where the processor has their instructions.
pub trait Lanes: Copy {
    type V: Copy;

    /// How many vectors a row of sums may span with four sums for each still in registers.
    const WIDE: bool;
    /// Whether bytes are codes less 128, in an i8, or codes as they are.
    const SIGNED: bool;

    fn splat(self, x: i32) -> Self::V;
    fn load(self, from: &[i32; LANES]) -> Self::V;
    /// Sign-extends.
    fn load_i16(self, from: &[i16; LANES]) -> Self::V;
    fn to_array(self, v: Self::V) -> [i32; LANES];
    /// Lanes in 0..=255.
    fn to_u8(self, v: Self::V) -> [u8; LANES];

    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    fn abs(self, a: Self::V) -> Self::V;
    /// Counts in 0..=31.
    fn shl(self, a: Self::V, count: Self::V) -> Self::V;
    /// Counts in 0..=31; copies the sign.
    fn shr(self, a: Self::V, count: Self::V) -> Self::V;
    fn shl_by<const N: u32>(self, a: Self::V) -> Self::V;
    /// Copies the sign.
    fn shr_by<const N: u32>(self, a: Self::V) -> Self::V;
    fn shr_zeros_by<const N: u32>(self, a: Self::V) -> Self::V;
    /// The bits of a lane as a binary32. Exact for 0 ≤ lane < 2^24, so exponent and mantissa are its logarithm.
    fn float_bits(self, a: Self::V) -> Self::V;

    /// Pairs of two i32, each cut to an i16.
    fn pair(self, a: Self::V, b: Self::V) -> Self::V;
    fn min_i16(self, a: Self::V, b: Self::V) -> Self::V;
    fn max_i16(self, a: Self::V, b: Self::V) -> Self::V;
    fn abs_i16(self, a: Self::V) -> Self::V;
    fn mul_i16(self, a: Self::V, b: Self::V) -> Self::V;
    /// (a b + 2^14) >> 15.
    fn mul_round_i16(self, a: Self::V, b: Self::V) -> Self::V;
    /// The sum and both products of a pair.
    fn dot_i16(self, sum: Self::V, a: Self::V, b: Self::V) -> Self::V;

    /// Codes of two pairs, each cut to an i8, plus 128.
    fn codes(self, a: Self::V, b: Self::V) -> Self::V;
    /// The sum and all products of four codes with four weights in [-64, 63].
    fn dot_codes(self, sum: Self::V, codes: Self::V, weights: Self::V) -> Self::V;
    /// Four sums that hold half a unit already, rounded to codes; for shifts in 1..=8.
    fn quantise(self, sums: [Self::V; 4], rounding: &Rounding) -> Self::V;

    /// The whole network, where the set has instructions for that; says whether.
    ///
    /// # Safety
    /// `groups` groups are gathered.
    #[inline(always)]
    unsafe fn network(self, _packed: &Packed, _groups: usize, _scratch: &mut Scratch) -> bool {
        false
    }
}

/// A number in both halves of a pair.
pub const fn twice(x: i16) -> i32 {
    (x as u16 as i32) << 16 | x as u16 as i32
}

/// Both halves of pairs, cut to ± `limit`.
#[inline(always)]
pub fn clamp_i16<L: Lanes>(l: L, v: L::V, limit: i16) -> L::V {
    l.max_i16(l.min_i16(v, l.splat(twice(limit))), l.splat(twice(-limit)))
}
