//! Logistic mixing: several probabilities of one decision become one that is better than each.

use super::logistic::{LIMIT, squash, stretch};
use super::{Bit, BitCoder};

/// Bounds of the probabilities it codes with: no decision costs more than 14 bits, nor less than 1/11000.
const FLOOR: u32 = 4;

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
        Mixer { weights: vec![[65536 * 5 / (4 * N as i32); N]; sets] }
    }

    /// Codes a decision under the mix of `bits` by weight set `set`; bits and weights learn it.
    #[inline(always)]
    pub fn code<C: BitCoder>(&mut self, coder: &mut C, bit: bool, set: usize, bits: [&mut Bit; N]) -> bool {
        let weights = &mut self.weights[set];
        let logits: [i32; N] = std::array::from_fn(|i| stretch(bits[i].p1()));
        let sum: i64 = weights.iter().zip(&logits).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum();
        let logit = (sum >> 16).clamp(-i64::from(LIMIT), i64::from(LIMIT)) as i32;
        let p = squash(logit).clamp(FLOOR, super::ONE - FLOOR);
        let bit = coder.code(bit, p);
        let error = (i32::from(bit) << 16) - p as i32;
        for (w, x) in weights.iter_mut().zip(logits) {
            *w = w.wrapping_add(x * error + (1 << 15) >> 16);
        }
        bits.into_iter().for_each(|b| b.learn(bit));
        bit
    }
}
