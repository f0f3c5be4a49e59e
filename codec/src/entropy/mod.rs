//! Adaptive binary range coding: integer arithmetic throughout, one code path for both directions.
//!
//! A model is a function that is generic over [`BitCoder`] and hands every decision, with its probability, to
//! `code`. The [`Encoder`] writes the decision and returns it; the [`Decoder`] ignores it and returns the one it
//! reads. So encoder and decoder run the same lines, and a model cannot disagree with itself.
//!
//! ```
//! use caesar_codec::entropy::{Bit, BitCoder, Decoder, Encoder};
//!
//! fn model<C: BitCoder>(coder: &mut C, bits: &mut [bool]) {
//!     let mut probability = Bit::new();
//!     for bit in bits {
//!         *bit = probability.code(coder, *bit);
//!     }
//! }
//! let mut encoder = Encoder::new();
//! model(&mut encoder, &mut [true, false, true]);
//! let bytes = encoder.finish();
//!
//! let mut read = [false; 3];
//! let mut decoder = Decoder::new(&bytes);
//! model(&mut decoder, &mut read);
//! decoder.finish().unwrap();
//! assert_eq!(read, [true, false, true]);
//! ```

pub mod ans;
mod bit;
pub mod codes;
mod logistic;
mod mixer;
mod range;
mod raster;
pub mod symbols;

pub use bit::Bit;
pub use logistic::squash;
use mixer::Mixer;
pub use range::{Decoder, Encoder};
pub use raster::code_raster;

/// Number of units that make a probability of one.
pub const ONE: u32 = 1 << 16;

/// One direction of a binary arithmetic coder.
pub trait BitCoder {
    /// Whether it looks at what it is given.
    const WRITES: bool;

    /// Codes `bit` under the probability `p1` of a one, in 1/65536 (1..=65535). The encoder writes `bit` and returns
    /// it; the decoder ignores it and returns what it reads (zeros and ones at will past the end, never a panic).
    fn code(&mut self, bit: bool, p1: u32) -> bool;

    /// Codes the low `count` (≤ 16) bits of `value`, all equally likely.
    fn code_some_raw(&mut self, value: u32, count: u32) -> u32;

    /// Codes the low `count` (≤ 32) bits of `value`, all equally likely.
    fn code_raw(&mut self, value: u32, count: u32) -> u32 {
        let low = count.min(16);
        let upper = self.code_some_raw(value.checked_shr(low).unwrap_or(0), count - low);
        upper << low | self.code_some_raw(value, low)
    }
}
