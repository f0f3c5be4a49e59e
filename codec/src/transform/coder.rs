//! Entropy coding of quantised blocks under adaptive contexts.
//!
//! Blocks go in row-major order. Each tells first how far its non-zero coefficients reach, then every coefficient up
//! to there, lowest frequency first. What is known of a coefficient: the same one in neighbouring blocks, the next
//! lower frequencies of its own block, its frequency, and (where a hyperprior speaks) its expected scale.

use super::trellis::State;
use super::{Layout, PLANE_OCTAVES, TIME_OCTAVES};
use crate::entropy::BitCoder;
use crate::entropy::codes::{CodeModel, Context, log_class};

/// Levels of a magnitude context.
const LEVELS: usize = 16;
/// Levels of the combined magnitude context, which is finer.
pub(super) const FINE: usize = 32;
/// Frequencies that have a context of their own; higher ones share one by octaves.
const OWN: usize = 48;
const FREQUENCIES: usize = OWN + TIME_OCTAVES * PLANE_OCTAVES * PLANE_OCTAVES;
/// Expected scales are u8, eight to an octave; four of them share a context.
const SCALES: usize = 64;
/// Reaches: 0, 1, 2, 4, … 65536 coefficients.
const REACHES: usize = 18;

/// Reach of a block: the smallest r such that all coefficients from `2^(r-1)` on are zero (0: all are).
fn reach(block: &[i32]) -> usize {
    let used = block.iter().rposition(|&q| q != 0).map_or(0, |last| last + 1);
    match used {
        0 => 0,
        n => n.next_power_of_two().ilog2() as usize + 1,
    }
}

fn reach_len(reach: usize, block_len: usize) -> usize {
    if reach == 0 { 0 } else { (1 << (reach - 1)).min(block_len) }
}

/// The neighbours of a block that come before it; `None` outside the image and where a block is skipped.
#[derive(Clone, Copy)]
pub(super) struct Near {
    west: Option<usize>,
    north: Option<usize>,
    north_west: Option<usize>,
    north_east: Option<usize>,
    before: Option<usize>,
}

impl Near {
    pub(super) fn of(block: usize, count: [usize; 3], skip: Option<&[bool]>) -> Near {
        let [_, rows, columns] = count;
        let (x, y, t) = (block % columns, block / columns % rows, block / (columns * rows));
        let at = |exists: bool, distance: usize| {
            let neighbour = exists.then(|| block - distance);
            neighbour.filter(|&b| skip.is_none_or(|skip| !skip[b]))
        };
        Near {
            west: at(x > 0, 1),
            north: at(y > 0, columns),
            north_west: at(x > 0 && y > 0, columns + 1),
            north_east: at(y > 0 && x + 1 < columns, columns - 1),
            before: at(t > 0, columns * rows),
        }
    }
}

/// What the lowest coefficient of a block will be near: the gradient of its neighbours, kept between them.
pub(super) fn expected_mean(lowest: impl Fn(usize) -> i32, near: &Near) -> i32 {
    match (near.west, near.north, near.north_west) {
        (Some(w), Some(n), Some(nw)) => {
            let (w, n, nw) = (lowest(w), lowest(n), lowest(nw));
            w.wrapping_add(n).wrapping_sub(nw).clamp(w.min(n), w.max(n))
        }
        (Some(one), _, _) | (_, Some(one), _) => lowest(one),
        _ => near.before.map_or(0, lowest),
    }
}

/// Sizes of a coefficient in the blocks around its own: the multiples of the step that codes stand for.
pub(super) struct Beside<'a> {
    adjacent: [&'a [u16]; 3],
    diagonal: [&'a [u16]; 2],
}

impl<'a> Beside<'a> {
    /// `sizes`: of the blocks before, `nothing` stands for those that are not there.
    pub(super) fn of(near: &Near, sizes: &'a [u16], nothing: &'a [u16]) -> Self {
        let len = nothing.len();
        let of = |block: Option<usize>| block.map_or(nothing, |b| &sizes[b * len..(b + 1) * len]);
        Beside { adjacent: [near.west, near.north, near.before].map(of), diagonal: [near.north_west, near.north_east].map(of) }
    }

    #[inline(always)]
    pub(super) fn at(&self, position: usize) -> u32 {
        let sum = |blocks: &[&[u16]]| blocks.iter().map(|sizes| u32::from(sizes[position])).sum::<u32>();
        2 * sum(&self.adjacent) + sum(&self.diagonal)
    }
}

/// Sizes of the lower frequencies of a coefficient's own block.
pub(super) struct Below {
    /// By scanning position: sizes, and the largest of the next lower ones; at the end for none.
    own: Vec<u32>,
    lower: Vec<u32>,
}

impl Below {
    pub(super) fn new(block_len: usize) -> Self {
        Below { own: vec![0; block_len + 1], lower: vec![0; block_len + 1] }
    }

    #[inline(always)]
    pub(super) fn at(&self, [t, y, x]: [usize; 3]) -> u32 {
        2 * (self.own[t] + self.own[y] + self.own[x]) + self.lower[t] + self.lower[y] + self.lower[x]
    }

    #[inline(always)]
    pub(super) fn note(&mut self, position: usize, [t, y, x]: [usize; 3], size: u32) {
        self.lower[position] = self.own[t].max(self.own[y]).max(self.own[x]);
        self.own[position] = size;
    }
}

/// Codes all blocks of `layout`: writes `q`, or fills it.
///
/// `scales`: expected scale of each coefficient of each block by [`Scales`], when a hyperprior gives one.
/// `skip`: blocks of which nothing is wanted; they are zero and cost nothing.
/// `start`: the state in which each block starts.
pub fn code_blocks<C: BitCoder>(
    coder: &mut C,
    q: &mut [i32],
    layout: &Layout,
    scales: Option<&dyn Fn(usize, usize) -> u8>,
    skip: Option<&[bool]>,
    start: State,
) {
    let len = layout.block_len();
    let frequency: Vec<usize> = (0..len)
        .map(|s| {
            let [t, y, x] = layout.octaves(s);
            if s < OWN { s } else { OWN + (t * PLANE_OCTAVES + y) * PLANE_OCTAVES + x }
        })
        .collect();
    let mut reaches = CodeModel::<2>::new([(REACHES + 1) * (REACHES + 1), (REACHES + 1) * 2], 1, 1);
    let mut reach_of = vec![0u8; layout.blocks()];
    let mut codes = CodeModel::<4>::new([LEVELS * LEVELS * 2, FREQUENCIES * LEVELS, FINE * 8 * 2, SCALES * LEVELS], 18, 1);
    // As coded: the lowest coefficient counts less its expectation.
    let mut sizes = vec![0u16; q.len()];
    let nothing = vec![0u16; len];
    let mut below = Below::new(len);

    for block in 0..layout.blocks() {
        if skip.is_some_and(|s| s[block]) {
            continue;
        }
        let near = Near::of(block, layout.count, skip);
        let place = block * len;
        let expected = expected_mean(|b| q[b * len], &near);
        let q = &mut q[place..place + len];
        q[0] = q[0].wrapping_sub(expected);

        let reached = |b: Option<usize>| b.map_or(REACHES, |b| usize::from(reach_of[b]));
        let (west, north, before) = (reached(near.west), reached(near.north), reached(near.before));
        let context = Context {
            tables: [west * (REACHES + 1) + north, before * 2 + usize::from(near.before.is_some())],
            set: 0,
            shift: 0,
            sign: 0,
        };
        let reach = reaches.code(coder, reach(q) as i32, &context);
        let reach = (reach.unsigned_abs() as usize).min(REACHES - 1);
        reach_of[block] = reach as u8;
        if reach == 0 {
            q[0] = 0;
        }

        let (done, current) = sizes.split_at_mut(place);
        let beside = Beside::of(&near, done, &nothing);
        let mut state = start;
        for s in 0..reach_len(reach, len) {
            let (beside, below_) = (beside.at(s), below.at(layout.lower[s]));
            let both = 2 * beside + below_;
            let (beside_level, below_level) = (log_class(beside).min(LEVELS - 1), log_class(below_).min(LEVELS - 1));
            let scale = match scales {
                Some(scale) => usize::from(scale(block, s) / 4),
                None => (s + 1).ilog2() as usize * 4 + reach / 4,
            };
            let quantiser = usize::from(state.quantiser());
            let tables = [
                (beside_level * LEVELS + below_level) * 2 + quantiser,
                frequency[s] * LEVELS + beside_level,
                (log_class(both).min(FINE - 1) * 8 + reach * 8 / REACHES) * 2 + quantiser,
                scale.min(SCALES - 1) * LEVELS + below_level,
            ];
            let context = Context {
                tables,
                set: 2 * (s + 1).ilog2().min(8) as usize + quantiser,
                shift: (both / 32).checked_ilog2().unwrap_or(0).min(20),
                sign: 0,
            };
            q[s] = codes.code(coder, q[s], &context);
            let size = state.multiple(q[s].unsigned_abs()).min(u16::MAX.into());
            below.note(s, layout.lower[s], size);
            current[s] = size as u16;
            state = state.after(if s == 0 { q[0].wrapping_add(expected) } else { q[s] });
        }
        q[0] = q[0].wrapping_add(expected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Decoder, Encoder};
    use crate::transform::SIDES;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_latents_come_back(
            count in prop::array::uniform3(1usize..4),
            stack: bool,
            side in prop::sample::select(&SIDES[..]),
            scaled: bool,
            dependent: bool,
            seed in 1u64..,
            density in 0u32..6,
            size in 0u32..31,
        ) {
            let frames = if stack { 8 } else { 1 };
            let start = if dependent { State::DEPENDENT } else { State::PLAIN };
            let layout = Layout::new([count[0] * frames, count[1] * side, count[2] * side], frames, side);
            let random = |i: usize| (i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
            let skip: Vec<bool> = (0..layout.blocks()).map(|b| random(b + 7).is_multiple_of(5)).collect();
            let latent = |i: usize| {
                let zero = skip[i / layout.block_len()] || random(i) % (1 << density) != 0;
                if zero { 0 } else { (random(i) >> 8) as i32 >> (31 - size) }
            };
            let latents: Vec<i32> = (0..layout.blocks() * layout.block_len()).map(latent).collect();
            let scale = |block: usize, position: usize| random(block * 31 + position) as u8;
            let scales = scaled.then_some(&scale as &dyn Fn(usize, usize) -> u8);
            let mut coder = Encoder::new();
            code_blocks(&mut coder, &mut latents.clone(), &layout, scales, Some(&skip), start);
            let bytes = coder.finish();
            let mut read = vec![0; latents.len()];
            let mut coder = Decoder::new(&bytes);
            code_blocks(&mut coder, &mut read, &layout, scales, Some(&skip), start);
            prop_assert!(coder.finish().is_ok());
            prop_assert!(read == latents);
        }
    }

    #[test]
    fn reaches_cover_what_is_not_zero() {
        let mut block = [0; 512];
        assert_eq!(reach(&block), 0);
        for (last, expected) in [(0, 1), (1, 2), (2, 3), (3, 3), (4, 4), (511, 10)] {
            block[last] = 1;
            assert_eq!(reach(&block), expected);
            assert!(reach_len(expected, block.len()) > last);
        }
    }
}
