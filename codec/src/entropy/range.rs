//! The range coder: an interval of 64 bits with carry, renormalised by 32 bits at a time.

use super::BitCoder;
use crate::error::{Error, Result};
use std::hint::select_unpredictable;

/// The range never falls below this between two decisions, so a probability of 1/65536 keeps 16 bits of precision.
const BOTTOM: u64 = 1 << 32;

/// Writes decisions. The code is a number in `[low, low + range)`, of which all but the last 64 bits are in `bytes`.
pub struct Encoder {
    low: u64,
    range: u64,
    bytes: Vec<u8>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    pub fn new() -> Self {
        Encoder { low: 0, range: u64::MAX, bytes: Vec::new() }
    }

    #[inline(always)]
    fn raise(&mut self, by: u64) {
        let (low, carried) = self.low.overflowing_add(by);
        self.low = low;
        if carried {
            self.carry();
        }
    }

    #[inline(always)]
    fn refill(&mut self) {
        if self.range < BOTTOM {
            self.bytes.extend_from_slice(&((self.low >> 32) as u32).to_be_bytes());
            self.low <<= 32;
            self.range <<= 32;
        }
    }

    /// `low` grew beyond its 64 bits: one more in the bytes already written.
    #[cold]
    fn carry(&mut self) {
        for byte in self.bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
    }

    /// The bytes: of all numbers in the last interval the one that ends in most zeros, without those zero bytes.
    pub fn finish(mut self) -> Vec<u8> {
        let free = (0..64).rev().find_map(|zeros| {
            let mask = (1u64 << zeros) - 1;
            let above = self.low & mask; // distance down to a multiple; up it is mask + 1 - above
            let up = if above == 0 { 0 } else { mask + 1 - above };
            (up < self.range).then_some(up)
        });
        let (last, carried) = self.low.overflowing_add(free.unwrap_or(0));
        if carried {
            self.carry();
        }
        let kept = 8 - last.trailing_zeros().min(64) as usize / 8;
        self.bytes.extend_from_slice(&last.to_be_bytes()[..kept]);
        self.bytes
    }
}

impl BitCoder for Encoder {
    const WRITES: bool = true;

    #[inline(always)]
    fn code(&mut self, bit: bool, p1: u32) -> bool {
        let split = (self.range >> 16) * u64::from(p1);
        self.range = select_unpredictable(bit, split, self.range - split);
        self.raise(select_unpredictable(bit, 0, split));
        self.refill();
        bit
    }

    #[inline(always)]
    fn code_some_raw(&mut self, value: u32, count: u32) -> u32 {
        let value = value & ((1 << count) - 1);
        self.range >>= count;
        self.raise(self.range * u64::from(value));
        self.refill();
        value
    }
}

/// Reads decisions from bytes that may end early (then zeros follow) or hold anything at all.
pub struct Decoder<'a> {
    /// The code less the lower end of the interval.
    offset: u64,
    range: u64,
    bytes: &'a [u8],
    /// Bytes taken so far, those past the end included.
    taken: usize,
}

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Decoder { offset: 0, range: u64::MAX, bytes, taken: 0 };
        decoder.offset = u64::from(decoder.word()) << 32;
        decoder.offset |= u64::from(decoder.word());
        decoder
    }

    #[inline(always)]
    fn refill(&mut self) {
        if self.range < BOTTOM {
            self.range <<= 32;
            self.offset = self.offset << 32 | u64::from(self.word());
        }
    }

    #[inline(always)]
    fn word(&mut self) -> u32 {
        let rest = self.bytes.get(self.taken..).unwrap_or_default();
        self.taken += 4;
        match rest.first_chunk() {
            Some(&four) => u32::from_be_bytes(four),
            None => Self::last_word(rest),
        }
    }

    #[cold]
    fn last_word(rest: &[u8]) -> u32 {
        (0..4).fold(0, |word, i| word << 8 | u32::from(rest.get(i).copied().unwrap_or(0)))
    }

    /// What follows these bytes, of which they are the beginning, is not its own.
    pub fn end_with(&mut self, bytes: &'a [u8]) {
        self.bytes = bytes;
    }

    /// Errors when more was read than there was.
    pub fn finish(self) -> Result<()> {
        // The encoder leaves out at most the eight bytes of the last interval.
        if self.taken > self.bytes.len() + 8 {
            return Err(Error::InsufficientData(format!("{} bytes of arithmetic code end too early", self.bytes.len())));
        }
        Ok(())
    }
}

impl BitCoder for Decoder<'_> {
    const WRITES: bool = false;

    #[inline(always)]
    fn code(&mut self, _: bool, p1: u32) -> bool {
        let split = (self.range >> 16) * u64::from(p1);
        let bit = self.offset < split;
        self.range = select_unpredictable(bit, split, self.range - split);
        self.offset = select_unpredictable(bit, self.offset, self.offset.wrapping_sub(split));
        self.refill();
        bit
    }

    #[inline(always)]
    fn code_some_raw(&mut self, _: u32, count: u32) -> u32 {
        if count == 0 {
            return 0;
        }
        self.range >>= count;
        // Bytes of no encoder may lie beyond the last value.
        let value = (self.offset / self.range).min((1 << count) - 1);
        self.offset = self.offset.wrapping_sub(self.range * value);
        self.refill();
        value as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decisions_come_back(decisions in prop::collection::vec((any::<bool>(), 1u32..=65535), 0..3000)) {
            let mut encoder = Encoder::new();
            for &(bit, p1) in &decisions {
                encoder.code(bit, p1);
            }
            let bytes = encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            for &(bit, p1) in &decisions {
                prop_assert_eq!(decoder.code(!bit, p1), bit);
            }
            prop_assert!(decoder.finish().is_ok());
        }

        #[test]
        fn raw_bits_come_back_among_decisions(parts in prop::collection::vec((any::<u32>(), 0u32..=32, 1u32..=65535), 0..1000)) {
            let code = |coder: &mut dyn FnMut(u32, u32, u32) -> (u32, bool)| -> Vec<(u32, bool)> {
                parts.iter().map(|&(value, count, p1)| coder(value, count, p1)).collect()
            };
            let mut encoder = Encoder::new();
            let written = code(&mut |value, count, p1| (encoder.code_raw(value, count), encoder.code(value & 1 == 1, p1)));
            let bytes = encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            let read = code(&mut |_, count, p1| (decoder.code_raw(0, count), decoder.code(false, p1)));
            prop_assert!(decoder.finish().is_ok());
            for ((written, read), (value, count, _)) in written.iter().zip(&read).zip(&parts) {
                prop_assert_eq!(written, read);
                prop_assert_eq!(u64::from(read.0), u64::from(*value) & ((1 << count) - 1));
            }
        }

        #[test]
        fn raw_bits_of_any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..100), counts in prop::collection::vec(0u32..=32, 0..200)) {
            let mut decoder = Decoder::new(&bytes);
            for count in counts {
                prop_assert!(u64::from(decoder.code_raw(0, count)) < 1 << count);
            }
        }

        #[test]
        fn reading_on_is_noticed(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut decoder = Decoder::new(&bytes);
            for _ in 0..(bytes.len() + 16) * 8 {
                decoder.code(false, 1 << 15);
            }
            prop_assert!(decoder.finish().is_err());
        }
    }

    /// Runs of likely decisions push `low` to the top of its range, where carries travel through bytes of 255.
    #[test]
    fn carries_travel() {
        let mut encoder = Encoder::new();
        let decision = |i: usize| i % 5000 == 4999;
        (0..100_000).for_each(|i| {
            encoder.code(decision(i), 1);
        });
        let bytes = encoder.finish();
        let mut decoder = Decoder::new(&bytes);
        assert!((0..100_000).all(|i| decoder.code(false, 1) == decision(i)));
        decoder.finish().unwrap();
    }

    #[test]
    fn nothing_costs_nothing() {
        assert!(Encoder::new().finish().is_empty());
        let mut encoder = Encoder::new();
        (0..1000).for_each(|_| {
            encoder.code(true, 65535);
        });
        assert!(encoder.finish().len() <= 1);
    }
}
