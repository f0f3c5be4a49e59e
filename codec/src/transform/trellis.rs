//! Dependent quantisation: two quantisers of twice the step, one of its even and one of its odd multiples, of which the parities of
//! the codes before choose one. Together they are as fine as the step, at nearly the rate of twice the step: about a decibel at
//! high rates (trellis coded quantisation, Marcellin and Fischer 1990; the machine of four states is that of VVC, H.266 section 8.7.3).
//!
//! The decoder only follows the states; the encoder finds the codes of a block by the Viterbi algorithm, weighing squared error
//! against estimated bits.

use super::{FRACTION_BITS, Layout, MAX_INPUT_BITS, used};
use super::coder::{Below, Near};
use super::estimate::{Rate, Rates, kind_of, octave_of};
use crate::threads::pieces_side_by_side;
use caesar_kernels::Team;

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
/// `weight`: how many squared steps of error a bit is worth. `team`: shares the work.
pub fn quantise(coefficients: &[f32], scale: f32, layout: &Layout, skip: &[bool], rates: &Rates, weight: f32, team: Team) -> Vec<i32> {
    let Rounded { expected, sizes, ends } = rounded(coefficients, scale, layout, skip);
    let mut codes = vec![0; coefficients.len()];
    // More pieces than threads, as some are done sooner.
    let mut pieces = layout.pieces(&mut codes, 4 * team.threads());
    pieces_side_by_side(team, &mut pieces, 1, |_, pieces| {
        let (mut path, mut room, mut scaled) = (Path::default(), Room::new(layout), Vec::new());
        for (blocks, codes) in pieces {
            let start = layout.range(blocks.start).start;
            for block in blocks.clone().filter(|&block| !skip[block]) {
                let (place, expected) = (layout.range(block), expected[block]);
                let codes = &mut codes[place.start - start..place.end - start];
                scaled.resize(codes.len(), 0.0);
                in_steps(&coefficients[place], scale, expected, &mut scaled);
                let used = coded(&scaled);
                let mut around = room.around(block, used, &sizes, &ends, layout, skip);
                path.find(&scaled[..used], expected, weight, |s| rates.of_kind(around.kind(s)));
                path.write(codes);
                codes[0] += expected;
            }
        }
    });
    codes
}

/// What plain rounding makes.
struct Rounded {
    /// What it expects the lowest code of each block to be.
    expected: Vec<i32>,
    /// Of all coefficients, and up to where those of each block are other than zero.
    sizes: Vec<u16>,
    ends: Vec<usize>,
}

fn rounded(coefficients: &[f32], scale: f32, layout: &Layout, skip: &[bool]) -> Rounded {
    let lowest = |block: usize| if skip[block] { 0 } else { code_of(coefficients[layout.range(block).start] * scale) };
    let lowest: Vec<i32> = (0..layout.blocks()).map(lowest).collect();
    let mut rounded = Rounded { expected: vec![0; lowest.len()], sizes: vec![0; coefficients.len()], ends: vec![0; lowest.len()] };
    let Rounded { expected, sizes, ends } = &mut rounded;
    let mut scaled = Vec::new();
    for block in (0..lowest.len()).filter(|&block| !skip[block]) {
        expected[block] = Near::of(block, layout, Some(skip)).expected_mean(|b| lowest[b], layout);
        let place = layout.range(block);
        scaled.resize(place.len(), 0.0);
        in_steps(&coefficients[place.clone()], scale, expected[block], &mut scaled);
        sizes_of(&scaled, &mut sizes[place.clone()]);
        ends[block] = used(&sizes[place]);
    }
    rounded
}

/// The largest multiple of a step that a code stands for.
const LARGEST: f32 = (2 << (MAX_INPUT_BITS - FRACTION_BITS)) as f32;

/// What codes can say of a coefficient in steps: of one that is too large for its step as much as they reach.
#[inline(always)]
pub(super) fn within(coefficient: f32) -> f32 {
    coefficient.clamp(-LARGEST, LARGEST)
}

/// The code that plain rounding to even multiples gives to a coefficient in steps.
#[inline(always)]
pub(super) fn code_of(coefficient: f32) -> i32 {
    (within(coefficient) * 0.5 + 0.5).floor() as i32
}

/// The multiple of the step to which plain rounding takes a coefficient.
#[inline(always)]
pub(super) fn size_of(coefficient: f32) -> u16 {
    let c = coefficient.abs();
    if c < 1.3 { 0 } else { (c + 0.5).min(65535.0) as i32 as u16 }
}

/// Whether a coefficient in steps may have a code: what lies beyond the last one, up to a power of two, as the coder tells it, has none.
#[inline(always)]
pub(super) fn may_be_coded(coefficient: f32) -> bool {
    coefficient.abs() > 0.9
}

/// Coefficients below this are zero, in whatever state.
const ZERO: f32 = 0.1;

/// The coefficients of a block in steps, the lowest one less its expectation.
fn in_steps(coefficients: &[f32], scale: f32, expected: i32, scaled: &mut [f32]) {
    scale_by(coefficients, scale, scaled);
    scaled[0] -= 2.0 * expected as f32;
}

caesar_kernels::loops! {
    fn scale_by(coefficients: &[f32], scale: f32, scaled: &mut [f32]) {
        for (scaled, c) in scaled.iter_mut().zip(coefficients) {
            *scaled = within(c * scale);
        }
    }
}

caesar_kernels::loops! {
    fn sizes_of(scaled: &[f32], sizes: &mut [u16]) {
        for (size, &c) in sizes.iter_mut().zip(scaled) {
            *size = size_of(c);
        }
    }
}

/// Room for what is around the coefficients of a block.
struct Room {
    beside: Vec<u32>,
    below: Below,
}

impl Room {
    fn new(layout: &Layout) -> Room {
        let longest = layout.frames * layout.side * layout.side;
        Room { beside: vec![0; longest], below: Below::new(longest) }
    }

    /// What is around the first coefficients of a block, in codes of these sizes that end where blocks say.
    fn around<'a>(&'a mut self, block: usize, used: usize, sizes: &'a [u16], ends: &[usize], layout: &'a Layout, skip: &[bool]) -> Around<'a> {
        let (place, scan) = (layout.range(block), layout.scan(block));
        Near::of(block, layout, Some(skip)).beside(sizes, |block| ends[block], 0, &mut self.beside[..used], layout);
        self.below.start(place.len());
        Around { beside: &self.beside, below: &mut self.below, own: &sizes[place], lower: &scan.lower }
    }
}

/// What is around the coefficients of a block, which are asked for from the lowest on.
struct Around<'a> {
    beside: &'a [u32],
    below: &'a mut Below,
    own: &'a [u16],
    lower: &'a [[u32; 3]],
}

impl Around<'_> {
    #[inline(always)]
    fn kind(&mut self, position: usize) -> usize {
        let (below, lower) = self.below.at(self.lower[position]);
        let both = 2 * self.beside[position] + below;
        self.below.note(position, self.own[position].into(), lower);
        kind_of(both, octave_of(position as u32)) as usize
    }
}

/// How many coefficients of a block may have codes.
fn coded(coefficients: &[f32]) -> usize {
    match coefficients.iter().rposition(|&c| may_be_coded(c)) {
        Some(last) => (last + 1).next_power_of_two().min(coefficients.len()),
        None => 0,
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
        let mut left: f32 = coefficients.iter().map(|c| c * c).sum();
        let mut best = (left, (0, 0));
        let mut costs = [0.0, f32::INFINITY, f32::INFINITY, f32::INFINITY];
        for (s, c) in coefficients.iter().enumerate() {
            let rate = rate(s);
            let size = c.abs();
            left -= size * size;
            let ways = if size < ZERO && s > 0 {
                let zero = [0, 1].map(|quantiser| size * size + weight * rate.of(quantiser, 0));
                // Each state's predecessor on an even code; its quantiser is its upper bit.
                [0, 2, 1, 3].map(|before: u8| (costs[usize::from(before)] + zero[usize::from(before >> 1)], (before, 0)))
            } else {
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
                [better(0, 1, first), better(2, 3, second), better(1, 0, first), better(3, 2, second)]
            };
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
    use crate::transform::{Estimate, SIDES, forward};
    use proptest::prelude::*;

    #[test]
    fn coefficients_too_large_for_their_step_have_the_largest_codes() {
        let layout = Layout::new([1, 16, 16], 1, 8);
        let coefficients: Vec<f32> = (0..layout.len()).map(|i| [1e12, -1e12, 3e9, 0.0][(i + i / 64) % 4]).collect();
        let skip = vec![false; layout.blocks()];
        let rates = Rates::of(std::iter::empty());
        let codes = quantise(&coefficients, 1.6, &layout, &skip, &rates, 0.35, Team::ALONE);
        let largest = LARGEST as i32 / 2;
        for (code, c) in codes.iter().zip(&coefficients) {
            assert!((largest - 1..=largest + 1).contains(&code.abs()) && code.signum() == c.signum() as i32 || *c == 0.0 && code.abs() < 2, "{code} for {c}");
        }
    }

    proptest! {
        /// An estimate asks row by row, the search for codes one by one.
        #[test]
        fn surroundings_are_the_same_in_rows(side in prop::sample::select(&SIDES[..]), count in prop::array::uniform2(1usize..3), frames in prop::sample::select(&[1usize, 3][..]), seed in 1u64.., smooth in 0.0f32..4.0) {
            let layout = Layout::new([2 * frames, count[0] * side - 3, count[1] * side], frames, side);
            let random = |i: usize| ((i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / 16_777_216.0 - 0.5;
            let image: Vec<f32> = (0..layout.image.iter().product()).map(|i| 9.0 * random(i) * random(i / 16).abs().powf(smooth)).collect();
            let skip: Vec<bool> = (0..layout.blocks()).map(|block| random(block) > 0.3).collect();
            let coefficients = forward(&image, &layout, Some(&skip), Team::ALONE);
            let Rounded { expected, sizes, ends } = rounded(&coefficients, 1.0, &layout, &skip);
            let estimate = Estimate::of(&image, layout.clone(), 1.0, &skip, 0.35);
            let (mut room, mut scaled) = (Room::new(&layout), vec![0.0; layout.scan(0).len()]);
            for block in (0..layout.blocks()).filter(|&block| !skip[block]) {
                in_steps(&coefficients[layout.range(block)], 1.0, expected[block], &mut scaled);
                let used = coded(&scaled);
                let mut around = room.around(block, used, &sizes, &ends, &layout, &skip);
                let mut kinds: Vec<usize> = (0..used).map(|s| around.kind(s)).collect();
                let mut others: Vec<usize> = estimate.kinds(block).collect();
                kinds.sort();
                others.sort();
                prop_assert_eq!(kinds, others);
            }
        }

        #[test]
        fn codes_lie_near_what_they_stand_for(seed in 1u64.., size in 0i32..14, side in prop::sample::select(&[8usize, 16][..])) {
            let layout = Layout::new([8, 2 * side, side], 8, side);
            let random = |i: usize| ((i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / 16_777_216.0 - 0.5;
            let coefficients: Vec<f32> = (0..layout.len()).map(|i| random(i) * (1 << size) as f32).collect();
            // Bits for nothing: only the error counts.
            let skip = vec![false; layout.blocks()];
            let rates = Rates::of(std::iter::empty());
            let codes = quantise(&coefficients, 1.0, &layout, &skip, &rates, 1e-6, Team::ALONE);
            prop_assert!(Team::run(3, |team| quantise(&coefficients, 1.0, &layout, &skip, &rates, 1e-6, team)) == codes);
            for (codes, coefficients) in codes.chunks(layout.scan(0).len()).zip(coefficients.chunks(layout.scan(0).len())) {
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
