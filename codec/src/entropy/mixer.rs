//! Logistic mixing: several probabilities of one decision become one that is better than each.

use super::logistic::{LIMIT, squash, stretch};
use super::{Bit, BitCoder};

/// Weights of `N` adaptive probabilities of one decision.
///
/// The mixed logit is the weighted sum of the logits, and the weights follow the gradient of the code length.
#[derive(Clone, Copy)]
pub struct Mixer<const N: usize> {
    /// In 1/65536.
    weights: [i32; N],
}

impl<const N: usize> Mixer<N> {
    pub const fn new() -> Self {
        // A little more than the mean: independent evidence adds up.
        Mixer { weights: [65536 * 6 / (5 * N as i32); N] }
    }

    /// Codes a decision under the mix of its probabilities; all learn it.
    #[inline(always)]
    pub fn code<C: BitCoder>(&mut self, coder: &mut C, bit: bool, mut bits: [&mut Bit; N]) -> bool {
        if N == 1 {
            return bits[0].code(coder, bit);
        }
        let logits: [i32; N] = std::array::from_fn(|i| stretch(bits[i].p1()));
        let products = self.weights.iter().zip(logits).map(|(&weight, logit)| i64::from(weight) * i64::from(logit));
        let logit = (products.sum::<i64>() >> 16).clamp(-i64::from(LIMIT), i64::from(LIMIT)) as i32;
        let p = squash(logit);
        let bit = coder.code(bit, p);
        let error = (i32::from(bit) << 16) - p as i32;
        for (weight, logit) in self.weights.iter_mut().zip(logits) {
            *weight = weight.wrapping_add(logit * error + (1 << 13) >> 14);
        }
        bits.iter_mut().for_each(|probability| probability.learn(bit));
        bit
    }
}
