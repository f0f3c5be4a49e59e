//! Dependent quantisation: two quantisers of twice the step, one of its even and one of its odd multiples, of which the parities of
//! the codes before choose one. Together they are as fine as the step, at nearly the rate of twice the step: about a decibel at
//! high rates (trellis coded quantisation, Marcellin and Fischer 1990; the machine of four states is that of VVC, H.266 section 8.7.3).
//!
//! The decoder only follows the states; the encoder finds the codes of a block by the Viterbi algorithm, weighing squared error
//! against estimated bits.

use super::Layout;
use super::coder::{Below, Beside, FINE, Near, expected_mean};
use crate::entropy::codes::log_class;
use crate::threads::side_by_side;
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

/// Finds the codes of all blocks: `coefficients` in steps, block after block; `skip` as in [`super::code_blocks`].
///
/// `weight`: how many squared steps of error a bit is worth. `threads`: that may share the work.
pub fn quantise(coefficients: &[f32], layout: &Layout, skip: &[bool], weight: f32, threads: usize) -> Vec<i32> {
    let len = layout.block_len();
    let first = First::of(coefficients, layout, skip);
    let rates = first.rates(layout, skip);
    // More parts than threads, as some are done sooner.
    let blocks = layout.blocks().div_ceil(4 * threads).max(1);
    let part = |i: usize| {
        let blocks = i * blocks..layout.blocks().min((i + 1) * blocks);
        let start = blocks.start * len;
        let mut codes = vec![0; blocks.len() * len];
        let mut path = Path::default();
        first.each(blocks, layout, skip, |block, mut surroundings| {
            let place = block * len..(block + 1) * len;
            path.find(&first.coefficients[place], first.expected[block], weight, |s| rates[surroundings.kind(s)]);
            let codes = &mut codes[block * len - start..][..len];
            path.write(codes);
            codes[0] += first.expected[block];
        });
        codes
    };
    let mut codes = vec![0; coefficients.len()];
    side_by_side(threads, layout.blocks().div_ceil(blocks), part, |i, part| codes[i * blocks * len..][..part.len()].copy_from_slice(&part));
    codes
}

/// About what the best codes cost, in squared steps, a bit being worth `weight` of them: what plain rounding would.
pub fn estimate(coefficients: &[f32], layout: &Layout, skip: &[bool], weight: f32) -> f64 {
    let len = layout.block_len();
    let first = First::of(coefficients, layout, skip);
    let rates = first.rates(layout, skip);
    let mut total = 0.0;
    first.each(0..layout.blocks(), layout, skip, |block, mut surroundings| {
        let coefficients = &first.coefficients[block * len..(block + 1) * len];
        let used = coded(coefficients);
        let mut sum: f32 = coefficients[used..].iter().map(|c| c * c).sum();
        for (s, c) in coefficients[..used].iter().enumerate() {
            let magnitude = ((c.abs() + 0.6) / 2.0) as i32;
            let missed = c.abs() - 2.0 * magnitude as f32;
            sum += missed * missed + weight * rates[surroundings.kind(s)].of(0, magnitude);
        }
        total += f64::from(sum);
    });
    total
}

/// What plain rounding says, which is near enough to know what codes will cost.
struct First {
    /// The lowest one of each block less its expectation.
    coefficients: Vec<f32>,
    /// Codes that the lowest coefficients are expected to have.
    expected: Vec<i32>,
    sizes: Vec<u16>,
}

impl First {
    fn of(coefficients: &[f32], layout: &Layout, skip: &[bool]) -> First {
        let len = layout.block_len();
        let mut coefficients = coefficients.to_vec();
        let lowest: Vec<i32> = coefficients.iter().step_by(len).map(|c| (c / 2.0).round() as i32).collect();
        let expected: Vec<i32> =
            (0..lowest.len()).map(|b| expected_mean(|b| lowest[b], &Near::of(b, layout.count, Some(skip)))).collect();
        for (c, &expected) in coefficients.iter_mut().step_by(len).zip(&expected) {
            *c -= 2.0 * expected as f32;
        }
        let sizes = coefficients.iter().map(|c| if c.abs() < 1.3 { 0 } else { c.abs().round() as u16 }).collect();
        First { coefficients, expected, sizes }
    }

    fn rates(&self, layout: &Layout, skip: &[bool]) -> Vec<Rate> {
        let len = layout.block_len();
        let mut seen = vec![Seen::default(); FINE * POSITIONS];
        self.each(0..layout.blocks(), layout, skip, |block, mut surroundings| {
            let coefficients = &self.coefficients[block * len..(block + 1) * len];
            for (s, c) in coefficients[..coded(coefficients)].iter().enumerate() {
                seen[surroundings.kind(s)].count(c.abs());
            }
        });
        seen.iter().map(Seen::rate).collect()
    }

    /// Calls `f` with each of some blocks and its surroundings.
    fn each(&self, blocks: Range<usize>, layout: &Layout, skip: &[bool], mut f: impl FnMut(usize, Surroundings)) {
        let len = layout.block_len();
        let nothing = vec![0; len];
        let mut below = Below::new(len);
        for block in blocks.filter(|&b| !skip[b]) {
            let beside = Beside::of(&Near::of(block, layout.count, Some(skip)), &self.sizes, &nothing);
            f(block, Surroundings { beside, below: &mut below, own: &self.sizes[block * len..(block + 1) * len], layout });
        }
    }
}

/// What is around the coefficients of a block, which are asked for from the lowest on.
struct Surroundings<'a> {
    beside: Beside<'a>,
    below: &'a mut Below,
    own: &'a [u16],
    layout: &'a Layout,
}

impl Surroundings<'_> {
    #[inline(always)]
    fn kind(&mut self, position: usize) -> usize {
        let lower = self.layout.lower[position];
        let both = 2 * self.beside.at(position) + self.below.at(lower);
        self.below.note(position, lower, self.own[position].into());
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
        // What is left beyond the codes in use; nothing to begin with.
        let mut left: f64 = coefficients.iter().map(|&c| f64::from(c * c)).sum();
        let mut best = (left, (0, 0));
        let mut costs = [0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY];
        for (s, c) in coefficients[..coded(coefficients)].iter().enumerate() {
            let rate = rate(s);
            let size = c.abs();
            let flip = usize::from(s == 0) * (expected & 1) as usize;
            // The best even and the best odd code of each quantiser, and its cost.
            let codes: [[(f32, i32); 2]; 2] = std::array::from_fn(|quantiser| {
                let cost = |magnitude: i32| {
                    let missed = size - (2 * magnitude - if magnitude > 0 { quantiser as i32 } else { 0 }) as f32;
                    (missed * missed + weight * rate.of(quantiser, magnitude), magnitude)
                };
                let lower = ((size + quantiser as f32) / 2.0) as i32;
                let (mut even, mut odd) = (cost(lower + (lower & 1)), cost(lower + 1 - (lower & 1)));
                // Zero is cheap enough to be worth a large error.
                if even.1 == 2 {
                    let zero = cost(0);
                    even = if zero.0 < even.0 { zero } else { even };
                }
                if flip == 1 {
                    std::mem::swap(&mut even, &mut odd);
                }
                [even, odd]
            });
            let mut after = [f32::INFINITY; 4];
            let mut step = [(0, 0); 4];
            for (state, &cost) in costs.iter().enumerate() {
                for (next, &(more, magnitude)) in NEXT[state].iter().zip(&codes[usize::from(State(state as u8).quantiser())]) {
                    let next = usize::from(*next);
                    if cost + more < after[next] {
                        after[next] = cost + more;
                        step[next] = (state as u8, if *c < 0.0 { -magnitude } else { magnitude });
                    }
                }
            }
            costs = after;
            self.steps.push(step);
            left -= f64::from(c * c);
            if (s + 1).is_power_of_two() || s + 1 == coefficients.len() {
                let state = (0..4).min_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
                let cost = f64::from(costs[state]) + left;
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

    proptest! {
        #[test]
        fn codes_lie_near_what_they_stand_for(seed in 1u64.., size in 0i32..14, side in prop::sample::select(&[8usize, 16][..])) {
            let layout = Layout::new([8, 2 * side, side], 8, side);
            let random = |i: usize| ((i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / 16_777_216.0 - 0.5;
            let coefficients: Vec<f32> = (0..layout.blocks() * layout.block_len()).map(|i| random(i) * (1 << size) as f32).collect();
            // Bits for nothing: only the error counts.
            let codes = quantise(&coefficients, &layout, &vec![false; layout.blocks()], 1e-6, 1);
            prop_assert!(quantise(&coefficients, &layout, &vec![false; layout.blocks()], 1e-6, 3) == codes);
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
