//! Residual codes: signed integers around zero, bit by bit under mixed contexts.
//!
//! A code k is a magnitude and a sign. The magnitude's upper part `|k| >> shift` is unary, its first `N` decisions
//! mixed from `N` contexts; beyond [`UNARY`] it goes on in Exp-Golomb. The `shift` low bits follow, then the sign. A
//! good shift keeps the unary part to a few decisions however large the codes are.

use super::{Bit, BitCoder, Mixer};

/// Unary decisions of a magnitude.
const UNARY: usize = 16;

/// Adaptive models of codes under `N` contexts each.
#[derive(Clone)]
pub struct CodeModel<const N: usize> {
    /// By context: is the upper part larger than 0, than 1, … The first decisions, under each context;
    larger: [Vec<[Bit; N]>; N],
    /// those after them, under the first one.
    far: Vec<[Bit; UNARY]>,
    /// By set.
    mixers: Vec<[Mixer<N>; N]>,
    /// By shift and upper part (0, 1, more): the two highest low bits.
    low: Vec<[Bit; 4]>,
    sign: Vec<Bit>,
    escape: [Bit; 32],
}

/// Where a code stands: what its neighbours say about it.
#[derive(Clone, Copy)]
pub struct Context<const N: usize> {
    /// One index into each of the `N` context tables.
    pub tables: [usize; N],
    /// Which mixing weights.
    pub set: usize,
    /// Low bits that are coded apart; 0..=31.
    pub shift: u32,
    /// Which sign probability.
    pub sign: usize,
}

impl<const N: usize> CodeModel<N> {
    /// `tables`: number of values of each context; `sets` and `signs` those of [`Context::set`] and [`Context::sign`].
    pub fn new(tables: [usize; N], sets: usize, signs: usize) -> Self {
        CodeModel {
            larger: tables.map(|values| vec![[Bit::new(); N]; values]),
            far: vec![[Bit::new(); UNARY]; tables[0]],
            mixers: vec![[Mixer::new(); N]; sets],
            low: vec![[Bit::new(); 4]; 32 * 3],
            sign: vec![Bit::new(); signs],
            escape: [Bit::new(); 32],
        }
    }

    /// Codes `k` (any i32; the decoder ignores it) and returns it.
    #[inline(always)]
    pub fn code<C: BitCoder>(&mut self, coder: &mut C, k: i32, context: &Context<N>) -> i32 {
        match self.code_magnitude(coder, k.unsigned_abs(), context) {
            0 => 0,
            magnitude => self.code_sign(coder, k < 0, magnitude, context.sign),
        }
    }

    /// The sign of a magnitude above 0: returns the two together.
    #[inline(always)]
    pub fn code_sign<C: BitCoder>(&mut self, coder: &mut C, negative: bool, magnitude: u32, context: usize) -> i32 {
        let negative = self.sign[context].code(coder, negative);
        if negative { (magnitude as i32).wrapping_neg() } else { magnitude as i32 }
    }

    /// The magnitude alone; [`Context::sign`] is not looked at.
    #[inline(always)]
    pub fn code_magnitude<C: BitCoder>(&mut self, coder: &mut C, magnitude: u32, context: &Context<N>) -> u32 {
        let upper = magnitude >> context.shift;
        let mut contexts = context.tables.into_iter();
        let mut rows = self.larger.each_mut().map(|table| &mut table[contexts.next().expect("one for each table")]);
        let mixers = &mut self.mixers[context.set];
        let mut known = 0;
        while known < N && mixers[known].code(coder, upper > known as u32, rows.each_mut().map(|row| &mut row[known])) {
            known += 1;
        }
        // Far out the contexts agree, and mixing them costs time.
        if known == N {
            let far = &mut self.far[context.tables[0]];
            while known < UNARY && far[known].code(coder, upper > known as u32) {
                known += 1;
            }
        }
        let mut read = known as u32;
        if known == UNARY {
            read = read.wrapping_add(self.code_escape(coder, upper.wrapping_sub(UNARY as u32)));
        }
        if context.shift > 0 {
            read = self.code_low(coder, magnitude, read, context.shift);
        }
        read
    }

    /// Exp-Golomb with an adaptive exponent.
    #[cold]
    fn code_escape<C: BitCoder>(&mut self, coder: &mut C, value: u32) -> u32 {
        let exponent = value.wrapping_add(1).checked_ilog2().unwrap_or(0);
        let mut known = 0;
        while known < 31 && self.escape[known as usize].code(coder, exponent > known) {
            known += 1;
        }
        let rest = coder.code_raw(value.wrapping_add(1), known);
        (1u32 << known | rest).wrapping_sub(1)
    }

    /// The low bits below `upper`: the two highest adaptive, as densities fall within an interval, the rest raw.
    fn code_low<C: BitCoder>(&mut self, coder: &mut C, magnitude: u32, upper: u32, shift: u32) -> u32 {
        let bits = &mut self.low[(shift as usize & 31) * 3 + upper.min(2) as usize];
        let mut read = upper;
        let mut node = 1;
        let adaptive = shift.min(2);
        for i in 1..=adaptive {
            let bit = bits[node].code(coder, magnitude >> (shift - i) & 1 == 1);
            read = read << 1 | u32::from(bit);
            node = node << 1 | usize::from(bit);
        }
        let raw = shift - adaptive;
        read.wrapping_shl(raw) | coder.code_raw(magnitude, raw)
    }
}

/// A class for a size: 0 for 0, then two to an octave.
#[inline(always)]
pub const fn log_class(size: u32) -> usize {
    // Without a branch, which would often be mispredicted.
    let octave = (size | 1).ilog2();
    (2 * octave + (size << 1 >> octave & 1) + (size == 1) as u32) as usize
}
