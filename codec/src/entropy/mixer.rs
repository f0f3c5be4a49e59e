//! Logistic mixing: several probabilities of one decision become one that is better than each.

use super::logistic::{LIMIT, squash, stretch};
use super::{Bit, BitCoder};

/// Weights for `N` adaptive probabilities; one set per small context, say the decision's number.
///
/// The mixed logit is the weighted sum of the logits, and the weights follow the gradient of the code length.
#[derive(Clone)]
pub struct Mixer<const N: usize> {
    /// In 1/65536.
    weights: Vec<[i32; N]>,
}

impl<const N: usize> Mixer<N> {
    pub fn new(sets: usize) -> Self {
        // A little more than the mean: independent evidence adds up.
        Mixer { weights: vec![[65536 * 6 / (5 * N as i32); N]; sets] }
    }

    /// Codes a decision under the mix by weight set `set` of the probabilities at `places` of `bits`; all learn it.
    #[inline(always)]
    pub fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        bit: bool,
        set: usize,
        bits: &mut [Bit],
        places: [usize; N],
    ) -> bool {
        if N == 1 {
            return bits[places[0]].code(coder, bit);
        }
        let weights = &mut self.weights[set];
        let mut logits = [0; N];
        let mut sum = 0;
        for i in 0..N {
            logits[i] = stretch(bits[places[i]].p1());
            sum += i64::from(weights[i]) * i64::from(logits[i]);
        }
        let logit = (sum >> 16).clamp(-i64::from(LIMIT), i64::from(LIMIT)) as i32;
        let p = squash(logit);
        let bit = coder.code(bit, p);
        let error = (i32::from(bit) << 16) - p as i32;
        for i in 0..N {
            weights[i] = weights[i].wrapping_add(logits[i] * error + (1 << 13) >> 14);
            bits[places[i]].learn(bit);
        }
        bit
    }
}
