//! A probability that learns.

use super::BitCoder;

/// Decisions after which a [`Bit`] learns no slower.
const MEMORY: u32 = 255;

/// `65536 / (n + 1.5)`: how far the n-th decision moves the probability; and, lowest, whether it is counted.
static RATE: [u32; MEMORY as usize + 1] = {
    let mut rate = [0; MEMORY as usize + 1];
    let mut n = 0;
    while n <= MEMORY {
        rate[n as usize] = 2 * 65536 / (2 * n + 3) << 1 | (n < MEMORY) as u32;
        n += 1;
    }
    rate
};

/// The adaptive probability of a one: the mean of the decisions so far, of the last few hundred later on.
///
/// The upper 22 bits are the probability, the lower 10 count decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bit(u32);

impl Default for Bit {
    fn default() -> Self {
        Self::new()
    }
}

impl Bit {
    pub const fn new() -> Self {
        Bit(1 << 31)
    }

    /// As after `count` decisions with this probability of a one, in 1/65536.
    pub const fn likely(p1: u32, count: u32) -> Self {
        Bit(p1 << 16 | count)
    }

    /// The probability of a one in 1/65536, within 1..=65535.
    #[inline(always)]
    pub fn p1(self) -> u32 {
        (self.0 >> 16).clamp(1, 65535)
    }

    /// Learns one decision.
    #[inline(always)]
    pub fn learn(&mut self, bit: bool) {
        let rate = RATE[(self.0 & MEMORY) as usize];
        // Without a branch, as everywhere on the way of a decision: in noise one in three would be mispredicted.
        let (p, target) = (i64::from(self.0 >> 10), -i64::from(bit) & ((1 << 22) - 1));
        let change = (target - p) * i64::from(rate >> 1) >> 16;
        self.0 = self.0.wrapping_add(((change as u32) << 10).wrapping_add(rate & 1));
    }

    /// Codes a decision under this probability and learns it.
    #[inline(always)]
    pub fn code<C: BitCoder>(&mut self, coder: &mut C, bit: bool) -> bool {
        let bit = coder.code(bit, self.p1());
        self.learn(bit);
        bit
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, Encoder};
    use super::*;

    #[test]
    fn learns_a_frequency() {
        let mut bit = Bit::new();
        (0..4000).for_each(|i| bit.learn(i % 10 == 0));
        assert!((5000..8500).contains(&bit.p1()), "{}", bit.p1());
    }

    #[test]
    fn certainty_costs_little_and_surprise_is_possible() {
        let run = |decisions: &[bool]| {
            let (mut encoder, mut bit) = (Encoder::new(), Bit::new());
            decisions.iter().for_each(|&d| {
                bit.code(&mut encoder, d);
            });
            encoder.finish()
        };
        let mut decisions = vec![false; 100_000];
        assert!(run(&decisions).len() < 20);
        decisions.push(true);
        let bytes = run(&decisions);
        let (mut decoder, mut bit) = (Decoder::new(&bytes), Bit::new());
        assert!(decisions.iter().all(|&d| bit.code(&mut decoder, false) == d));
    }
}
