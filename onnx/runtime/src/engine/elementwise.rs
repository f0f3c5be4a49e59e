//! Operators on one place at a time: sums, limits, quantisation.

use super::block::Block;
use super::requantize::Quantizer;
use super::{Cut, Held};
use caesar_codec::{Error, Result};
use caesar_kernels::{Isa, Loops};

/// Reals as integers: what is stored less the zero point, shifted left.
#[derive(Clone, Copy)]
struct Source<'a, T> {
    data: &'a [T],
    zero: i32,
    lift: u32,
}

impl<T: Copy + Into<i32>> Source<'_, T> {
    #[inline(always)]
    fn reals(&self) -> impl Iterator<Item = i32> {
        let (zero, lift) = (self.zero, self.lift);
        self.data.iter().map(#[inline(always)] move |&stored| (stored.into() - zero) << lift)
    }
}

struct SumToCodes<'a, A, B>(Source<'a, A>, Source<'a, B>, Quantizer);
struct SumToWide<'a, A, B>(Source<'a, A>, Source<'a, B>);
struct ToCodes<'a>(&'a [i32], Quantizer);

/// Plain loops: what collects an iterator is not always inlined, and then lacks the instructions.
impl<A: Copy + Into<i32>, B: Copy + Into<i32>> Loops for SumToCodes<'_, A, B> {
    type Result = Vec<u8>;
    #[inline(always)]
    fn run(self) -> Vec<u8> {
        let mut codes = vec![0; self.0.data.len()];
        for ((code, a), b) in codes.iter_mut().zip(self.0.reals()).zip(self.1.reals()) {
            *code = self.2.code(a + b);
        }
        codes
    }
}

impl<A: Copy + Into<i32>, B: Copy + Into<i32>> Loops for SumToWide<'_, A, B> {
    type Result = Vec<i32>;
    #[inline(always)]
    fn run(self) -> Vec<i32> {
        let mut sums = vec![0; self.0.data.len()];
        for ((sum, a), b) in sums.iter_mut().zip(self.0.reals()).zip(self.1.reals()) {
            *sum = a + b;
        }
        sums
    }
}

impl Loops for ToCodes<'_> {
    type Result = Vec<u8>;
    #[inline(always)]
    fn run(self) -> Vec<u8> {
        let mut codes = vec![0; self.0.len()];
        for (code, &m) in codes.iter_mut().zip(self.0) {
            *code = self.1.code(m);
        }
        codes
    }
}

/// An operand of a sum with its zero point and shift.
pub struct Addend<'a> {
    pub held: &'a Held,
    pub zero: i32,
    pub lift: u32,
}

/// Adds two tensors of one shape, but for rows that only one of them has beyond a cut; codes with a quantizer, reals without.
pub fn add(a: Addend, b: Addend, cut: Cut, quantizer: Option<Quantizer>, isa: Isa) -> Result<Held> {
    match (a.held, b.held) {
        (Held::Codes(x), Held::Codes(y)) => sum(x, y, &a, &b, cut, quantizer, isa),
        (Held::Codes(x), Held::Wide(y)) => sum(x, y, &a, &b, cut, quantizer, isa),
        (Held::Wide(x), Held::Codes(y)) => sum(x, y, &a, &b, cut, quantizer, isa),
        (Held::Wide(x), Held::Wide(y)) => sum(x, y, &a, &b, cut, quantizer, isa),
    }
}

fn sum<A: Copy + Default + Into<i32>, B: Copy + Default + Into<i32>>(
    x: &Block<A>,
    y: &Block<B>,
    a: &Addend,
    b: &Addend,
    cut: Cut,
    quantizer: Option<Quantizer>,
    isa: Isa,
) -> Result<Held> {
    let y = y.in_order(x.order)?;
    let (order, (shape, of_x), (other, of_y)) = (x.order, x.shared(&y.shape, cut), y.shared(&x.shape, cut));
    if shape != other {
        return Err(Error::InvalidArgument(format!("{:?} and {:?} do not add", x.shape, y.shape)));
    }
    let (a, b) = (Source { data: of_x, zero: a.zero, lift: a.lift }, Source { data: of_y, zero: b.zero, lift: b.lift });
    Ok(match quantizer {
        Some(q) => Block { shape, order, data: isa.run(SumToCodes(a, b, q)) }.into(),
        None => Block { shape, order, data: isa.run(SumToWide(a, b)) }.into(),
    })
}

pub fn quantize(block: &Block<i32>, quantizer: Quantizer, isa: Isa) -> Block<u8> {
    block.with(isa.run(ToCodes(&block.data, quantizer)))
}

pub fn clip(block: &Block<i32>, low: i32, high: i32) -> Block<i32> {
    block.with(block.data.iter().map(|&m| m.clamp(low, high)).collect())
}

/// Codes as the reals that they stand for.
pub fn widen(block: &Block<u8>, zero: i32, lift: u32) -> Block<i32> {
    block.with(Source { data: &block.data, zero, lift }.reals().collect())
}

/// Any reals, shifted left.
pub fn reals(held: &Held, zero: i32, lift: u32) -> Block<i32> {
    match held {
        Held::Codes(block) => widen(block, zero, lift),
        Held::Wide(block) => block.with(Source { data: &block.data, zero, lift }.reals().collect()),
    }
}
