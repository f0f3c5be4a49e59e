//! Entropy coding of quantised blocks under adaptive contexts.
//!
//! Blocks go in the layout's order. Each tells first how far its non-zero coefficients reach, then every coefficient up
//! to there, lowest frequency first. What is known of a coefficient: the same one in neighbouring blocks, the next
//! lower frequencies of its own block, its frequency, and (where a hyperprior speaks) its expected scale.

use super::edges::{Coded, Signs, Unsigned, UnsignedBlock, set_sign};
use super::layout::FREQUENCIES;
use super::trellis::State;
use super::{Layout, used};
use crate::entropy::{Bit, BitCoder};
use crate::entropy::codes::{CodeModel, Context, log_class};
use caesar_kernels::Loops;
use std::ops::Range;

/// Levels of a magnitude context.
const LEVELS: usize = 16;
/// Levels of the combined magnitude context, which is finer.
pub(super) const FINE: usize = 32;
/// Sizes of the next lower coefficients that are told apart: 0, 1, 2, more.
const SIZES: usize = 4;
/// Expected scales are u8, eight to an octave; four of them share a context.
const SCALES: usize = 64;
/// Coefficients, one after the other in scanning order, that take one decision where all around them and they themselves are zero.
const GROUP: usize = 16;
/// Reaches: 0, 1, 2, 4, … 65536 coefficients.
const REACHES: usize = 18;

/// The class of a sum of sizes, below [`LEVELS`].
#[inline(always)]
fn level(sum: u32) -> usize {
    /// All that differ: asked twice for each coefficient, a table is faster than the computation.
    static LEVEL: [u8; 256] = {
        let mut levels = [LEVELS as u8 - 1; 256];
        let mut sum = 0;
        while log_class(sum) < LEVELS {
            levels[sum as usize] = log_class(sum) as u8;
            sum += 1;
        }
        levels
    };
    LEVEL[sum.min(255) as usize].into()
}

/// Reach of a block: the smallest r such that all coefficients from `2^(r-1)` on are zero (0: all are).
fn reach(block: &[i32]) -> usize {
    match used(block) {
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
    block: usize,
    west: Option<usize>,
    north: Option<usize>,
    north_west: Option<usize>,
    north_east: Option<usize>,
    before: Option<usize>,
}

impl Near {
    pub(super) fn of(block: usize, layout: &Layout, skip: Option<&[bool]>) -> Near {
        let [Range { start: y, .. }, Range { start: x, end }] = layout.place(block);
        let known = |&block: &usize| skip.is_none_or(|skip| !skip[block]);
        let layer = layout.layer_of(block);
        let at = |exists: bool, y: usize, x: usize| exists.then(|| layout.holds(layer, [y, x])).filter(known);
        Near {
            block,
            west: at(x > 0, y, x.wrapping_sub(1)),
            north: at(y > 0, y.wrapping_sub(1), x),
            north_west: at(x > 0 && y > 0, y.wrapping_sub(1), x.wrapping_sub(1)),
            north_east: at(y > 0 && end < layout.count[2] * layout.side, y.wrapping_sub(1), end),
            before: layout.before(block).filter(known),
        }
    }

    /// What sizes in these blocks count.
    pub(super) fn weighed(&self) -> [(Option<usize>, u32); 5] {
        [(self.west, 2), (self.north, 2), (self.before, 2), (self.north_west, 1), (self.north_east, 1)]
    }

    /// Adds up the sizes of the first coefficients in these blocks, but for those before `start`: the multiples of the step that codes stand
    /// for. `used`: up to where those of a block are other than zero.
    pub(super) fn beside(&self, sizes: &[u16], used: impl Fn(usize) -> usize, start: usize, sums: &mut [u32], layout: &Layout) {
        let sums = &mut sums[start..];
        sums.fill(0);
        let (scan, size) = (layout.scan(self.block), layout.size(self.block));
        for (block, weight) in self.weighed().into_iter().filter_map(|(block, weight)| Some((block?, weight))) {
            let (sizes, used) = (&sizes[layout.range(block)], used(block));
            match layout.size(block) {
                _ if used == 0 => {}
                same if same == size => add(sums, &sizes[start.min(used)..used], weight),
                smaller if smaller < size => {
                    for (sum, &s) in sums.iter_mut().zip(&scan.smaller[smaller][start..]) {
                        *sum += weight * u32::from(sizes[usize::from(s)]);
                    }
                }
                larger => {
                    let times = 2 * (larger - size);
                    let mut all = vec![0; scan.len()];
                    for (&s, &size) in layout.scan(block).smaller[size].iter().zip(&sizes[..used]) {
                        all[usize::from(s)] += weight * u32::from(size);
                    }
                    sums.iter_mut().zip(&all[start..]).for_each(|(sum, all)| *sum += all + (1 << times >> 1) >> times);
                }
            }
        }
    }

    /// What the lowest coefficient will be near: the gradient of its neighbours, kept between them. `lowest`: that of a block.
    pub(super) fn expected_mean(&self, lowest: impl Fn(usize) -> i32, layout: &Layout) -> i32 {
        let size = layout.size(self.block);
        // In proportion to the side.
        let lowest = |block: usize| match layout.size(block) {
            smaller if smaller <= size => lowest(block).wrapping_shl((size - smaller) as u32),
            larger => lowest(block) >> (larger - size),
        };
        match (self.west, self.north, self.north_west) {
            (Some(w), Some(n), Some(nw)) => {
                let (w, n, nw) = (lowest(w), lowest(n), lowest(nw));
                w.wrapping_add(n).wrapping_sub(nw).clamp(w.min(n), w.max(n))
            }
            (Some(one), _, _) | (_, Some(one), _) => lowest(one),
            _ => self.before.map_or(0, lowest),
        }
    }
}

caesar_kernels::loops! {
    fn add(sums: &mut [u32], sizes: &[u16], weight: u32) {
        for (sum, &size) in sums.iter_mut().zip(sizes) {
            *sum += weight * u32::from(size);
        }
    }
}

/// Sizes of the lower frequencies of a coefficient's own block.
pub(super) struct Below {
    /// By scanning position: twice the size plus the largest of the next lower ones, and the size; at the end for none.
    own: Vec<[u32; 2]>,
}

impl Below {
    pub(super) fn new(block_len: usize) -> Self {
        Below { own: vec![[0; 2]; block_len + 1] }
    }

    /// Before the first position of a block of `len` coefficients.
    pub(super) fn start(&mut self, len: usize) {
        self.own[len] = [0; 2];
    }

    /// What is below a position of the next `lower` ones, and their sizes.
    #[inline(always)]
    pub(super) fn at(&self, lower: [u32; 3]) -> (u32, [u32; 3]) {
        let [[t, t_size], [y, y_size], [x, x_size]] = lower.map(|s| self.own[s as usize]);
        (t + y + x, [t_size, y_size, x_size])
    }

    /// Notes a group of zeros, of which nothing but zeros is below.
    fn note_zeros(&mut self, start: usize) {
        self.own[start..start + GROUP].fill([0; 2]);
    }

    /// `sizes`: as [`Below::at`] said of this position.
    #[inline(always)]
    pub(super) fn note(&mut self, position: usize, size: u32, sizes: [u32; 3]) {
        let [t, y, x] = sizes;
        self.own[position] = [2 * size + t.max(y).max(x), size];
    }
}

/// Codes all blocks of an image: writes `q`, or fills it.
pub fn code_blocks<C: BitCoder>(coder: &mut C, q: &mut [i32], mut blocks: BlockCoder) {
    let strip = blocks.magnitudes.layout.strip_len();
    q.chunks_exact_mut(strip.max(1)).enumerate().for_each(|(i, q)| blocks.code_strip(coder, i, q));
}

/// Says of a coefficient, by its block and scanning position, what scale a hyperprior expects.
pub type Scale<'a> = dyn Fn(usize, usize) -> u8 + Sync + 'a;

/// Into so many parts the coefficients of a block are cut, in scanning order.
pub const PARTS: usize = 32;

/// Up to where the first `parts` of so many coefficients go: whole groups.
fn end_of(parts: usize, len: usize) -> usize {
    (len * parts / PARTS).next_multiple_of(GROUP).min(len)
}

/// Codes the blocks of an image, one strip of them after the other.
pub struct BlockCoder<'a> {
    start: State,
    reaches: CodeModel<2>,
    /// Parts of each block whose magnitudes are coded here.
    parts: usize,
    magnitudes: Magnitudes<'a>,
    lowest: Vec<i32>,
    /// Unless they have a code of their own.
    signs: Option<Signs<'a>>,
    /// Of the block at hand, or of all blocks since others took it.
    unsigned: Unsigned,
}

/// Magnitudes of coefficients, and what is known of those around them.
struct Magnitudes<'a> {
    layout: &'a Layout,
    scale: Option<&'a Scale<'a>>,
    skip: Option<&'a [bool]>,
    codes: CodeModel<4>,
    groups: [Bit; 17 * 4],
    /// Of each block.
    reach_of: Vec<u8>,
    /// Of each coefficient as coded: the lowest counts less its expectation.
    sizes: Vec<u16>,
    beside: Vec<u32>,
    below: Below,
}

/// What a [`BlockCoder`] leaves to a code of their own: upper magnitudes, if it does, and all signs but those of lowest coefficients.
pub struct Rest<'a> {
    /// Parts of each block that are known.
    parts: usize,
    magnitudes: Magnitudes<'a>,
    signs: Signs<'a>,
}

impl<'a> BlockCoder<'a> {
    /// `scale`: when a hyperprior gives one.
    /// `skip`: blocks of which nothing is wanted; they are zero and cost nothing.
    /// `start`: the state in which each block starts.
    pub fn new(layout: &'a Layout, scale: Option<&'a Scale<'a>>, skip: Option<&'a [bool]>, start: State) -> Self {
        BlockCoder {
            start,
            reaches: CodeModel::new([(REACHES + 1) * (REACHES + 1), (REACHES + 1) * 2], 1, 1),
            parts: PARTS,
            magnitudes: Magnitudes::new(layout, scale, skip),
            lowest: vec![0; layout.blocks()],
            signs: Some(Signs::new(layout, skip)),
            unsigned: Unsigned::default(),
        }
    }

    /// Leaves all but the first `parts` of [`PARTS`], and signs, to the [`Rest`].
    pub fn cut(self, parts: usize) -> (Self, Rest<'a>) {
        let Magnitudes { layout, scale, skip, .. } = self.magnitudes;
        (BlockCoder { signs: None, parts, ..self }, Rest { parts, magnitudes: Magnitudes::new(layout, scale, skip), signs: Signs::apart(layout, skip) })
    }

    /// Codes a strip; every one in its turn.
    pub fn code_strip<C: BitCoder>(&mut self, coder: &mut C, strip: usize, q: &mut [i32]) {
        caesar_kernels::run(Strip { blocks: self, coder, strip, q });
    }

    /// What was left to others since this was asked last.
    pub fn take_unsigned(&mut self) -> Unsigned {
        std::mem::take(&mut self.unsigned)
    }

    #[inline(always)]
    fn code_block<C: BitCoder>(&mut self, coder: &mut C, block: usize, q: &mut [i32]) {
        let len = q.len();
        let Magnitudes { layout, skip, ref reach_of, .. } = self.magnitudes;
        let size = layout.size(block);
        let near = Near::of(block, layout, skip);
        let expected = near.expected_mean(|b| self.lowest[b], layout);
        q[0] = q[0].wrapping_sub(expected);

        // In blocks of another size as many frequencies as reach as high.
        let reached = |b: usize| match reach_of[b] {
            0 => 0,
            reach => (usize::from(reach) + 2 * size).saturating_sub(2 * layout.size(b)).clamp(1, REACHES - 1),
        };
        let reached = |b: Option<usize>| b.map_or(REACHES, reached);
        let (west, north, before) = (reached(near.west), reached(near.north), reached(near.before));
        let context = Context {
            tables: [west * (REACHES + 1) + north, before * 2 + usize::from(near.before.is_some())],
            set: 0,
            shift: 0,
            sign: 0,
        };
        let reach = if C::WRITES { reach(q) } else { 0 };
        let reach = self.reaches.code_magnitude(coder, reach as u32, &context);
        let reach = (reach as usize).min(REACHES - 1);
        self.magnitudes.reach_of[block] = reach as u8;
        if reach == 0 {
            q[0] = 0;
        }
        self.magnitudes.below.start(len);
        let here = Here { near: &near, reach, expected, part: 0..end_of(self.parts, len) };
        let state = self.magnitudes.code(coder, here, self.start, q, &mut self.unsigned.coded);
        self.lowest[block] = match &mut self.signs {
            Some(signs) => {
                signs.code_block(coder, block, expected, &self.unsigned.coded, q);
                self.unsigned.coded.clear();
                q[0]
            }
            None => {
                if q[0] != 0 {
                    let negative = coder.code_raw((q[0] < 0).into(), 1) == 1;
                    set_sign(&mut q[0], negative);
                }
                self.unsigned.blocks.push(UnsignedBlock { block, expected, reach: reach as u8, state, end: self.unsigned.coded.len() });
                q[0].wrapping_add(expected)
            }
        };
    }
}

impl Rest<'_> {
    /// Whether signs are as likely one way as the other, as soon as enough of them are coded to say so.
    pub fn are_signs_plain(&self) -> Option<bool> {
        self.signs.are_plain()
    }

    /// Codes the rest of a strip; every one in its turn.
    pub fn code_strip<C: BitCoder>(&mut self, coder: &mut C, unsigned: Unsigned, strip: usize, q: &mut [i32]) {
        let unsigned = if self.parts < PARTS { caesar_kernels::run(Upper { rest: self, coder, strip, unsigned, q }) } else { unsigned };
        self.signs.code_strip(coder, &unsigned, strip, q);
    }

    /// Codes upper magnitudes of a block, of which `lower` are the others.
    #[inline(always)]
    fn code_block<C: BitCoder>(&mut self, coder: &mut C, told: &UnsignedBlock, lower: &[Coded], q: &mut [i32], coded: &mut Vec<Coded>) {
        let &UnsignedBlock { block, expected, reach, state, .. } = told;
        let magnitudes = &mut self.magnitudes;
        magnitudes.reach_of[block] = reach;
        let start = end_of(self.parts, q.len());
        let sizes = &mut magnitudes.sizes[magnitudes.layout.range(block)];
        lower.iter().for_each(|&(position, size)| sizes[usize::from(position)] = size.min(u16::MAX.into()) as u16);
        coded.extend_from_slice(lower);
        if start < reach_len(reach.into(), q.len()) {
            magnitudes.below.start(q.len());
            for (s, (&size, &lower)) in sizes[..start].iter().zip(&magnitudes.layout.scan(block).lower).enumerate() {
                let (_, sizes) = magnitudes.below.at(lower);
                magnitudes.below.note(s, size.into(), sizes);
            }
            let near = Near::of(block, magnitudes.layout, magnitudes.skip);
            let here = Here { near: &near, reach: reach.into(), expected, part: start..q.len() };
            magnitudes.code(coder, here, state, q, coded);
        }
    }
}

/// Part of a block, and what is known of all of it.
struct Here<'n> {
    near: &'n Near,
    reach: usize,
    expected: i32,
    part: Range<usize>,
}

impl<'a> Magnitudes<'a> {
    fn new(layout: &'a Layout, scale: Option<&'a Scale<'a>>, skip: Option<&'a [bool]>) -> Self {
        let longest = layout.frames * layout.side * layout.side;
        Magnitudes {
            layout,
            scale,
            skip,
            codes: CodeModel::new([SIZES * SIZES * SIZES * 2, FREQUENCIES * LEVELS, (FINE + 1) * 8 * 2, FREQUENCIES.max(SCALES) * LEVELS], (FINE / 4 + 1) * 2, 1),
            groups: [Bit::new(); 17 * 4],
            reach_of: vec![0; layout.blocks()],
            sizes: vec![0; layout.len()],
            beside: vec![0; longest],
            below: Below::new(longest),
        }
    }

    /// Codes part of a block, what is below it being noted, from a state on; returns the last one.
    #[inline(always)]
    fn code<C: BitCoder>(&mut self, coder: &mut C, here: Here, mut state: State, q: &mut [i32], coded: &mut Vec<Coded>) -> State {
        let Here { near, reach, expected, part } = here;
        let (block, len) = (near.block, q.len());
        let scan = self.layout.scan(block);
        let reached = reach_len(reach, len).min(part.end);
        let used = |block: usize| reach_len(self.reach_of[block].into(), self.layout.range(block).len());
        near.beside(&self.sizes, used, part.start, &mut self.beside[..reached], self.layout);
        let (frequency, lower, beside) = (&scan.classes[..reached], &scan.lower[..reached], &self.beside[..reached]);
        let (sizes, wanted) = (&mut self.sizes[self.layout.range(block)][..reached], &mut q[..reached]);
        let (mut s, mut zeros) = (part.start, false);
        // No coefficient of a calm group that is not all zero has been other than zero yet.
        let mut surprise = false;
        while s < reached {
            let octave = (s + 1).ilog2() as usize;
            let quantiser = usize::from(state.quantiser());
            if s % GROUP == 0 {
                surprise = s > 0 && s + GROUP <= reached && is_calm(beside, lower, &self.below, s);
                if surprise {
                    let context = (octave * 2 + usize::from(2 * s >= reached)) * 2 + usize::from(zeros);
                    zeros = self.groups[context].code(coder, C::WRITES && wanted[s..s + GROUP].iter().all(|&q| q == 0));
                    if zeros {
                        // An even number of them leaves the state as it is.
                        self.below.note_zeros(s);
                        s += GROUP;
                        continue;
                    }
                }
            }
            let (below, lower_sizes) = self.below.at(lower[s]);
            let both = 2 * beside[s] + below;
            let frequency = usize::from(frequency[s]);
            let scale = self.scale.map_or(frequency, |scale| usize::from(scale(block, s) / 4).min(SCALES - 1));
            let digits = lower_sizes.into_iter().fold(0, |digits, size| digits * SIZES + (size as usize).min(SIZES - 1));
            let fine = if surprise { FINE } else { log_class(both).min(FINE - 1) };
            let tables = [
                digits * 2 + quantiser,
                frequency * LEVELS + level(beside[s]),
                (fine * 8 + reach * 8 / REACHES) * 2 + quantiser,
                scale * LEVELS + level(below),
            ];
            let shift = (both | 1).ilog2().saturating_sub(5).min(20);
            let context = Context { tables, set: fine / 4 * 2 + quantiser, shift, sign: 0 };
            let magnitude = self.codes.code_magnitude(coder, wanted[s].unsigned_abs(), &context);
            let size = state.multiple(magnitude);
            if magnitude != 0 {
                coded.push((s as u16, size));
            }
            let size = size.min(u16::MAX.into());
            self.below.note(s, size, lower_sizes);
            sizes[s] = size as u16;
            // For the parity the sign does not matter.
            state = state.after(if s == 0 { (magnitude as i32).wrapping_add(expected) } else { magnitude as i32 });
            wanted[s] = if wanted[s] < 0 { (magnitude as i32).wrapping_neg() } else { magnitude as i32 };
            surprise &= magnitude == 0;
            s += 1;
        }
        state
    }
}

/// A strip to be coded.
struct Strip<'s, 'a, C> {
    blocks: &'s mut BlockCoder<'a>,
    coder: &'s mut C,
    strip: usize,
    q: &'s mut [i32],
}

impl<C: BitCoder> Loops for Strip<'_, '_, C> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let Strip { blocks, coder, strip, mut q } = self;
        let Magnitudes { layout, skip, .. } = blocks.magnitudes;
        for block in layout.strip(strip) {
            let (own, others) = q.split_at_mut(layout.range(block).len());
            q = others;
            if skip.is_none_or(|skip| !skip[block]) {
                blocks.code_block(coder, block, own);
            }
        }
    }
}

/// Upper magnitudes of a strip to be coded.
struct Upper<'s, 'a, C> {
    rest: &'s mut Rest<'a>,
    coder: &'s mut C,
    strip: usize,
    unsigned: Unsigned,
    q: &'s mut [i32],
}

impl<C: BitCoder> Loops for Upper<'_, '_, C> {
    type Result = Unsigned;

    #[inline(always)]
    fn run(self) -> Unsigned {
        let Upper { rest, coder, strip, unsigned, q } = self;
        let (mut all, first) = (Unsigned::default(), strip * rest.magnitudes.layout.strip_len());
        for (told, lower) in unsigned.each() {
            let Range { start, end } = rest.magnitudes.layout.range(told.block);
            rest.code_block(coder, told, lower, &mut q[start - first..end - first], &mut all.coded);
            all.blocks.push(UnsignedBlock { end: all.coded.len(), ..*told });
        }
        all
    }
}

/// Whether all that is known around a group of the block at hand is zero.
fn is_calm(beside: &[u32], lower: &[[u32; 3]], below: &Below, start: usize) -> bool {
    let group = start..start + GROUP;
    let below = |&l: &u32| l as usize >= start || below.own[l as usize][0] == 0;
    beside[group.clone()].iter().all(|&beside| beside == 0) && lower[group].iter().flatten().all(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Decoder, Encoder};
    use crate::transform::partition::tests::any_partition;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_latents_come_back(
            partition in any_partition(),
            layers in 1usize..4,
            stack: bool,
            scaled: bool,
            dependent: bool,
            seed in 1u64..,
            density in 0u32..6,
            size in 0u32..31,
            parts in prop::option::of(1..=PARTS),
        ) {
            let frames = if stack { 8 } else { 1 };
            let start = if dependent { State::DEPENDENT } else { State::PLAIN };
            let [rows, columns] = partition.plane;
            let layout = Layout::of([layers * frames, rows, columns], frames, &partition);
            let random = |i: usize| (i as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
            let skip: Vec<bool> = (0..layout.blocks()).map(|b| random(b + 7).is_multiple_of(5)).collect();
            let latent = |block: usize, i: usize| {
                let zero = skip[block] || random(i) % (1 << density) != 0;
                if zero { 0 } else { (random(i) >> 8) as i32 >> (31 - size) }
            };
            let latents: Vec<i32> = (0..layout.blocks()).flat_map(|block| layout.range(block).map(move |i| (block, i))).map(|(block, i)| latent(block, i)).collect();
            let scale = |block: usize, position: usize| random(block * 31 + position) as u8;
            let scales = scaled.then_some(&scale as &Scale);
            let blocks = || BlockCoder::new(&layout, scales, Some(&skip), start);
            let mut coders = [Encoder::new(), Encoder::new()];
            code_all(&mut coders, &mut latents.clone(), blocks(), parts);
            let bytes = coders.map(Encoder::finish);
            let mut read = vec![0; latents.len()];
            let mut coders = bytes.each_ref().map(|bytes| Decoder::new(bytes));
            code_all(&mut coders, &mut read, blocks(), parts);
            prop_assert!(coders.into_iter().all(|coder| coder.finish().is_ok()));
            prop_assert!(read == latents);
        }
    }

    fn code_all<C: BitCoder>([first, second]: &mut [C; 2], q: &mut [i32], blocks: BlockCoder, parts: Option<usize>) {
        let Some(parts) = parts else { return code_blocks(first, q, blocks) };
        let strip = blocks.magnitudes.layout.strip_len();
        let (mut blocks, mut rest) = blocks.cut(parts);
        for (i, q) in q.chunks_exact_mut(strip).enumerate() {
            blocks.code_strip(first, i, q);
            rest.code_strip(second, blocks.take_unsigned(), i, q);
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
