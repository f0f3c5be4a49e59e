//! Dependent quantisation: two quantisers of twice the step, one of its even and one of its odd multiples, of which the parities of
//! the codes before choose one. Together they are as fine as the step, at nearly the rate of twice the step: about a decibel at
//! high rates (trellis coded quantisation, Marcellin and Fischer 1990; the machine of four states is that of VVC, H.266 section 8.7.3).
//!
//! The decoder only follows the states; the encoder finds the codes of a block by the Viterbi algorithm, weighing squared error
//! against estimated bits.

use super::{FRACTION_BITS, Layout, MAX_INPUT_BITS};
use super::coder::{Below, FINE, Near, expected_mean};
use crate::entropy::codes::log_class;
use crate::threads::pieces_side_by_side;
use std::ops::Range;

/// The state of the machine that chooses the quantiser of the next coefficient of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State(u8);

/// The state that follows each state on an even code, and on an odd one.
const NEXT: [[u8; 2]; 5] = [[0, 2], [2, 0], [1, 3], [3, 1], [4, 4]];

impl State {
    /// At the start of a block whose codes depend on each other.
    pub const DEPENDENT: State = State(0);
    /// Even multiples always.
    pub const PLAIN: State = State(4);

    /// Which quantiser is in force: 0 for even multiples, 1 for odd ones and zero.
    #[inline(always)]
    pub fn quantiser(self) -> u8 {
        self.0 >> 1 & 1
    }

    /// The multiple of the step that a magnitude stands for.
    #[inline(always)]
    pub fn multiple(self, magnitude: u32) -> u32 {
        magnitude.saturating_mul(2).saturating_sub(self.quantiser().into())
    }

    #[inline(always)]
    pub fn after(self, code: i32) -> State {
        State(NEXT[usize::from(self.0)][(code & 1) as usize])
    }
}

/// Finds the codes of all blocks: `coefficients` times `scale` in steps, block after block; `skip` as in [`super::code_blocks`].
///
/// `weight`: how many squared steps of error a bit is worth. `threads`: that may share the work.
pub fn quantise(coefficients: &[f32], scale: f32, layout: &Layout, skip: &[bool], rates: &Rates, weight: f32, threads: usize) -> Vec<i32> {
    let len = layout.block_len();
    let first = First::of(coefficients, scale, layout, skip);
    // More pieces than threads, as some are done sooner.
    let some = layout.blocks().div_ceil(4 * threads).max(1);
    let mut codes = vec![0; coefficients.len()];
    pieces_side_by_side(threads, &mut codes, some * len, |i, codes| {
        let start = i * some;
        let mut path = Path::default();
        first.each(start..start + codes.len() / len, layout, skip, |block, mut surroundings| {
            let place = block * len..(block + 1) * len;
            path.find(&first.coefficients[place], first.expected[block], weight, |s| rates.0[surroundings.kind(s)]);
            let codes = &mut codes[(block - start) * len..][..len];
            path.write(codes);
            codes[0] += first.expected[block];
        });
    });
    codes
}

/// About what the best codes cost, in squared steps: what plain rounding would. And what bits cost, where.
pub fn estimate(coefficients: &[f32], scale: f32, layout: &Layout, skip: &[bool], weight: f32) -> (f64, Rates) {
    let len = layout.block_len();
    let first = First::of(coefficients, scale, layout, skip);
    let mut seen = vec![Seen::default(); FINE * POSITIONS];
    let mut missed = 0.0;
    first.each(0..layout.blocks(), layout, skip, |block, mut surroundings| {
        let coefficients = &first.coefficients[block * len..(block + 1) * len];
        let used = coded(coefficients);
        missed += f64::from(squares_missed(coefficients));
        for (s, c) in coefficients[..used].iter().enumerate() {
            seen[surroundings.kind(s)].count(c.abs());
        }
    });
    let rates: Vec<Rate> = seen.iter().map(Seen::rate).collect();
    let bits: f64 = seen.iter().zip(&rates).map(|(seen, rate)| f64::from(seen.bits(rate))).sum();
    (missed + f64::from(weight) * bits, Rates(rates))
}

caesar_kernels::loops! {
    /// Squares of what plain rounding to even multiples leaves.
    fn squares_missed(coefficients: &[f32]) -> f32 {
        let missed = |c: &f32| {
            let missed = c.abs() - 2.0 * ((c.abs() + 0.6) * 0.5) as i32 as f32;
            missed * missed
        };
        let mut sums = [0.0; 16];
        for some in coefficients.as_chunks::<16>().0 {
            sums.iter_mut().zip(some).for_each(|(sum, c)| *sum += missed(c));
        }
        sums.iter().sum()
    }
}

/// What plain rounding says, which is near enough to know what codes will cost.
struct First {
    /// In steps, the lowest one of each block less its expectation.
    coefficients: Vec<f32>,
    /// Codes that the lowest coefficients are expected to have.
    expected: Vec<i32>,
    sizes: Vec<u16>,
}

impl First {
    fn of(coefficients: &[f32], scale: f32, layout: &Layout, skip: &[bool]) -> First {
        let len = layout.block_len();
        let lowest = |block: usize| if skip[block] { 0 } else { (within(coefficients[block * len] * scale) * 0.5 + 0.5).floor() as i32 };
        let lowest: Vec<i32> = (0..layout.blocks()).map(lowest).collect();
        let mut first = First { coefficients: vec![0.0; coefficients.len()], expected: vec![0; lowest.len()], sizes: vec![0; coefficients.len()] };
        for block in (0..lowest.len()).filter(|&block| !skip[block]) {
            let expected = expected_mean(|b| lowest[b], &Near::of(block, layout.count, Some(skip)));
            let place = block * len..(block + 1) * len;
            let (scaled, sizes) = (&mut first.coefficients[place.clone()], &mut first.sizes[place.clone()]);
            round(&coefficients[place], scale, 2.0 * expected as f32, scaled, sizes);
            first.expected[block] = expected;
        }
        first
    }

    /// Calls `f` with each of some blocks and its surroundings.
    fn each(&self, blocks: Range<usize>, layout: &Layout, skip: &[bool], mut f: impl FnMut(usize, Surroundings)) {
        let len = layout.block_len();
        let mut beside = vec![0; len];
        let mut below = Below::new(len);
        for block in blocks.filter(|&b| !skip[b]) {
            let place = block * len..(block + 1) * len;
            let used = coded(&self.coefficients[place.clone()]);
            Near::of(block, layout.count, Some(skip)).beside(&self.sizes, &mut beside[..used], len);
            f(block, Surroundings { beside: &beside, below: &mut below, own: &self.sizes[place], layout });
        }
    }
}

/// The largest multiple of a step that a code stands for.
const LARGEST: f32 = (2 << (MAX_INPUT_BITS - FRACTION_BITS)) as f32;

/// What codes can say of a coefficient in steps: of one that is too large for its step as much as they reach.
#[inline(always)]
fn within(coefficient: f32) -> f32 {
    coefficient.clamp(-LARGEST, LARGEST)
}

caesar_kernels::loops! {
    /// Coefficients in steps, and their sizes.
    fn round(coefficients: &[f32], scale: f32, expected: f32, scaled: &mut [f32], sizes: &mut [u16]) {
        for (scaled, c) in scaled.iter_mut().zip(coefficients) {
            *scaled = within(c * scale);
        }
        scaled[0] -= expected;
        for (size, c) in sizes.iter_mut().zip(&*scaled) {
            let c = c.abs();
            *size = if c < 1.3 { 0 } else { (c + 0.5).min(65535.0) as i32 as u16 };
        }
    }
}

/// What is around the coefficients of a block, which are asked for from the lowest on.
struct Surroundings<'a> {
    beside: &'a [u32],
    below: &'a mut Below,
    own: &'a [u16],
    layout: &'a Layout,
}

impl Surroundings<'_> {
    #[inline(always)]
    fn kind(&mut self, position: usize) -> usize {
        let (below, lower) = self.below.at(self.layout.lower[position]);
        let both = 2 * self.beside[position] + below;
        self.below.note(position, self.own[position].into(), lower);
        log_class(both).min(FINE - 1) * POSITIONS + (position + 1).ilog2() as usize
    }
}

/// Octaves of scanning positions that have rates of their own.
const POSITIONS: usize = 17;

/// How many coefficients of a block may have codes: a power of two, as the coder tells it.
fn coded(coefficients: &[f32]) -> usize {
    match coefficients.iter().rposition(|c| c.abs() > 0.9) {
        Some(last) => (last + 1).next_power_of_two().min(coefficients.len()),
        None => 0,
    }
}

/// Magnitudes of coefficients in one kind of surroundings, in steps.
#[derive(Clone, Copy, Default)]
struct Seen {
    count: f32,
    /// How many are beyond [`ENDS`].
    beyond: [f32; 4],
    /// How far beyond the last of them, in all.
    excess: f32,
}

/// Where bins of the magnitudes 0 and 1 end, half way to the next multiple of their quantiser: odd, even, odd, even.
const ENDS: [f32; 4] = [0.5, 1.0, 2.0, 3.0];

impl Seen {
    fn count(&mut self, size: f32) {
        self.count += 1.0;
        for (beyond, end) in self.beyond.iter_mut().zip(ENDS) {
            *beyond += f32::from(u8::from(size > end));
        }
        self.excess += (size - ENDS[3]).max(0.0);
    }

    /// What the codes of the first quantiser cost.
    fn bits(&self, rate: &Rate) -> f32 {
        let [_, some, _, more] = self.beyond;
        let [zero, one, two] = rate.bits[0];
        (self.count - some) * zero + (some - more) * one + more * two + self.excess / 2.0 * rate.more
    }

    fn rate(&self) -> Rate {
        // A few imagined ones steady what is rare.
        let [odd, even, odd_more, even_more] = self.beyond;
        let bits = |some: f32, more: f32| {
            let (some, more) = ((some + 0.4) / (self.count + 1.0), (more + 0.4) / (some + 1.0));
            [bits_of(1.0 - some), bits_of(some) + bits_of(1.0 - more) + 1.0, bits_of(some) + bits_of(more) + 1.0]
        };
        let further = (self.excess / 2.0 + 0.5) / (even_more + 1.0);
        let stop = bits_of(1.0 / (1.0 + further));
        let mut rate = Rate { bits: [bits(even, even_more), bits(odd, odd_more)], more: bits_of(further / (1.0 + further)) };
        rate.bits.iter_mut().for_each(|bits| bits[2] += stop);
        rate
    }
}

fn bits_of(share: f32) -> f32 {
    -share.log2()
}

/// Bits that codes cost, by surroundings.
pub struct Rates(Vec<Rate>);

/// Bits that codes cost in one kind of surroundings.
#[derive(Clone, Copy)]
struct Rate {
    /// By quantiser: magnitudes 0, 1, 2.
    bits: [[f32; 3]; 2],
    /// Of each further one.
    more: f32,
}

impl Rate {
    #[inline(always)]
    fn of(&self, quantiser: usize, magnitude: i32) -> f32 {
        let known = self.bits[quantiser][magnitude.min(2) as usize];
        known + (magnitude - 2).max(0) as f32 * self.more
    }
}

/// The best codes of a block that lead to each state, position after position.
#[derive(Default)]
struct Path {
    /// By position and state after it: the state before it and the code.
    steps: Vec<[(u8, i32); 4]>,
    /// Codes in use, and the state after them.
    end: (usize, usize),
}

impl Path {
    /// `expected`: what is added to the lowest code before its parity counts.
    fn find(&mut self, coefficients: &[f32], expected: i32, weight: f32, mut rate: impl FnMut(usize) -> Rate) {
        self.steps.clear();
        let coefficients = &coefficients[..coded(coefficients)];
        // What is left beyond the codes in use; nothing to begin with.
        let mut left: f32 = coefficients.iter().map(|c| c * c).sum();
        let mut best = (left, (0, 0));
        let mut costs = [0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY];
        for (s, c) in coefficients.iter().enumerate() {
            let rate = rate(s);
            let size = c.abs();
            left -= size * size;
            // The best even and the best odd code of each quantiser, and its cost.
            let [first, second] = [0, 1].map(|quantiser: usize| {
                let cost = |magnitude: i32| {
                    let missed = size - (2 * magnitude - if magnitude > 0 { quantiser as i32 } else { 0 }) as f32;
                    (missed * missed + weight * rate.of(quantiser, magnitude), magnitude)
                };
                let lower = ((size + quantiser as f32) / 2.0) as i32;
                let (mut even, odd) = (cost(lower + (lower & 1)), cost(lower + 1 - (lower & 1)));
                // Zero is cheap enough to be worth a large error.
                if even.1 == 2 {
                    let zero = cost(0);
                    even = if zero.0 < even.0 { zero } else { even };
                }
                if s == 0 && expected & 1 == 1 { [odd, even] } else { [even, odd] }
            });
            let sign = if *c < 0.0 { -1 } else { 1 };
            // The better of two ways to a state: from one on an even code, from the other on an odd one.
            let better = |even: u8, odd: u8, codes: [(f32, i32); 2]| {
                let (by_even, by_odd) = (costs[usize::from(even)] + codes[0].0, costs[usize::from(odd)] + codes[1].0);
                if by_odd < by_even { (by_odd, (odd, sign * codes[1].1)) } else { (by_even, (even, sign * codes[0].1)) }
            };
            let ways = [better(0, 1, first), better(2, 3, second), better(1, 0, first), better(3, 2, second)];
            costs = ways.map(|way| way.0);
            self.steps.push(ways.map(|way| way.1));
            if (s + 1).is_power_of_two() || s + 1 == coefficients.len() {
                let state = (0..4).min_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
                let cost = costs[state] + left;
                if cost < best.0 {
                    best = (cost, (s + 1, state));
                }
            }
        }
        self.end = best.1;
    }

    fn write(&self, codes: &mut [i32]) {
        let (used, mut state) = self.end;
        for (code, step) in codes[..used].iter_mut().zip(&self.steps).rev() {
            let (before, found) = step[state];
            *code = found;
            state = before.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn coefficients_too_large_for_their_step_have_the_largest_codes() {
        let layout = Layout::new([1, 16, 16], 1, 8);
        let coefficients: Vec<f32> = (0..layout.len()).map(|i| [1e12, -1e12, 3e9, 0.0][(i + i / 64) % 4]).collect();
        let skip = vec![false; layout.blocks()];
        let (_, rates) = estimate(&coefficients, 1.6, &layout, &skip, 0.35);
        let codes = quantise(&coefficients, 1.6, &layout, &skip, &rates, 0.35, 1);
        let largest = LARGEST as i32 / 2;
        for (code, c) in codes.iter().zip(&coefficients) {
            assert!((largest - 1..=largest + 1).contains(&code.abs()) && code.signum() == c.signum() as i32 || *c == 0.0 && code.abs() < 2, "{code} for {c}");
        }
    }

    proptest! {
        #[test]
        fn codes_lie_near_what_they_stand_for(seed in 1u64.., size in 0i32..14, side in prop::sample::select(&[8usize, 16][..])) {
            let layout = Layout::new([8, 2 * side, side], 8, side);
            let random = |i: usize| ((i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / 16_777_216.0 - 0.5;
            let coefficients: Vec<f32> = (0..layout.blocks() * layout.block_len()).map(|i| random(i) * (1 << size) as f32).collect();
            // Bits for nothing: only the error counts.
            let skip = vec![false; layout.blocks()];
            let (_, rates) = estimate(&coefficients, 1.0, &layout, &skip, 1e-6);
            let codes = quantise(&coefficients, 1.0, &layout, &skip, &rates, 1e-6, 1);
            prop_assert!(quantise(&coefficients, 1.0, &layout, &skip, &rates, 1e-6, 3) == codes);
            for (codes, coefficients) in codes.chunks(layout.block_len()).zip(coefficients.chunks(layout.block_len())) {
                let mut state = State::DEPENDENT;
                for (&code, &c) in codes.iter().zip(coefficients) {
                    let point = state.multiple(code.unsigned_abs()) as f32 * code.signum() as f32;
                    prop_assert!((point - c).abs() <= 2.1, "{point} for {c}");
                    state = state.after(code);
                }
            }
        }
    }
}
