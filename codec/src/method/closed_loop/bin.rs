//! The closed loop's quantiser: bins of a fixed width around every prediction.

use caesar_kernels::loops;

/// The width of a bin in lattice units, `multiple << bits`; one of the two is trivial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin {
    bits: u32,
    multiple: i32,
}

impl Bin {
    pub fn power_of_two(bits: u32) -> Self {
        Bin { bits, multiple: 1 }
    }

    /// An odd width, for values that are integers in earnest.
    pub fn odd(width: i32) -> Self {
        Bin { bits: 0, multiple: width.max(1) | 1 }
    }

    pub fn width(self) -> i32 {
        self.multiple << self.bits
    }

    /// The logarithm of the width, rounded down.
    pub fn log(self) -> u32 {
        self.bits + self.multiple.ilog2()
    }

    /// The codes of values: how many bins each is from its prediction.
    pub fn quantise(self, values: &[i32], predictions: &[i32], codes: &mut [i32]) {
        let half = self.width() >> 1;
        let from = |(&v, &p): (&i32, &i32)| v.wrapping_sub(p).wrapping_add(half);
        let pairs = codes.iter_mut().zip(values.iter().zip(predictions));
        if self.multiple == 1 {
            pairs.for_each(|(code, pair)| *code = from(pair) >> self.bits);
        } else {
            pairs.for_each(|(code, pair)| *code = from(pair).div_euclid(self.multiple));
        }
    }

    /// Turns predictions into the values that the codes mean.
    pub fn restore(self, codes: &[i32], values: &mut [i32]) {
        restore(codes, self.width(), values);
    }
}

loops! {
    fn restore(codes: &[i32], width: i32, values: &mut [i32]) {
        values.iter_mut().zip(codes).for_each(|(v, &code)| *v = v.wrapping_add(code.wrapping_mul(width)));
    }
}
