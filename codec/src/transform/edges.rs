//! Signs of coefficients: a field goes on across the edges of its blocks.
//!
//! A block and one already known show about the same at the edge between them. The coefficients of a block that differ only in the
//! frequency across an edge make a *line*; in the frequencies along the edge, what the known block shows there is what each line should
//! add up to. So all magnitudes of a block are told first, and then each sign is expected to be the one that brings its lines nearer to
//! that.

use super::dct::along_edge;
use super::layout::octave;
use super::partition::CELL;
use super::{Layout, PLANE_OCTAVES, SIDES, Scan, State};
use crate::entropy::{Bit, BitCoder, squash};
use std::ops::Range;

/// What a coefficient of 1 shows at an edge, in 1/64: cosines are 1 there, and all but the lowest are √2 times as large.
const AT_EDGE: [i32; 2] = [64, 91];
/// √(8 / side) in 1/256: from what a block's lines add up to, to its points;
const TO_POINTS: [i32; SIDES.len()] = [256, 181, 128, 91];
/// √(side / 8): and back.
const FROM_POINTS: [i32; SIDES.len()] = [256, 362, 512, 724];
/// Multiples beyond this count as this.
const LARGEST: u32 = 1 << 16;
/// What every line may miss, squared.
const LEAST: i64 = 1 << 8;
/// Classes of evidence, four to a natural logarithm of odds.
const CLASSES: usize = 32;
/// After so many signs evidence has to be worth this to each, in 1/32768, which is about a thirtieth of a bit: it takes longer than magnitudes.
const TRIAL: u32 = 4096;
const WORTH: i64 = 1280;
/// Signs that are coded together once nothing is expected of them.
const TOGETHER: usize = 16;
/// The longest line of points.
const LONGEST: usize = SIDES[SIDES.len() - 1];

/// A coefficient that is not zero: its position in scanning order, and the multiple of the step that it stands for.
pub(super) type Coded = (u16, u32);

/// Blocks whose signs are still to come.
#[derive(Default)]
pub struct Unsigned {
    pub(super) blocks: Vec<UnsignedBlock>,
    pub(super) coded: Vec<Coded>,
}

pub(super) struct UnsignedBlock {
    pub block: usize,
    /// Of its lowest coefficient.
    pub expected: i32,
    pub reach: u8,
    /// After its magnitudes.
    pub state: State,
    /// Where its coefficients end.
    pub end: usize,
}

impl Unsigned {
    /// Each block and its coefficients.
    pub(super) fn each(&self) -> impl Iterator<Item = (&UnsignedBlock, &[Coded])> {
        let mut start = 0;
        self.blocks.iter().map(move |block| (block, &self.coded[std::mem::replace(&mut start, block.end)..block.end]))
    }
}

/// A line of the block at hand across one of its edges.
#[derive(Clone, Copy, Default)]
struct Line {
    /// What is shown there, less the coefficients whose signs are known.
    missing: i32,
    /// What those show at the opposite edge.
    opposite: i32,
    /// The sum of the squares of the others.
    open: i64,
}

/// What a coefficient is to one of its lines.
#[derive(Clone, Copy)]
struct Part {
    line: u16,
    /// Which [`Miss`] counts.
    class: u8,
    /// Whether it shows the opposite at the opposite edge.
    turns: bool,
    /// What it shows, but for the sign.
    shown: i32,
}

/// How far lines miss what is shown, in the mean of squares.
#[derive(Clone, Copy)]
struct Miss {
    square: i64,
    count: u32,
}

impl Miss {
    /// As if eight had missed by √8.
    const NEW: Miss = Miss { square: 8 << 12, count: 8 };

    fn learn(&mut self, miss: i32) {
        self.square += i64::from(miss) * i64::from(miss) - self.square >> self.count.ilog2();
        self.count += u32::from(self.count < 512);
    }
}

/// The left edge of the block at hand, the upper one, or the one in time.
struct Edge {
    lines: Vec<Line>,
    misses: [Miss; SIDES.len() * PLANE_OCTAVES * PLANE_OCTAVES],
}

/// What blocks show at their right and lower edges and after their last frame, and what follows from it.
pub struct Signs<'a> {
    layout: &'a Layout,
    skip: Option<&'a [bool]>,
    /// The signs of lowest coefficients are known.
    apart: bool,
    /// Points at right edges, by column of cells, frequency in time, and row of the strip.
    east: Vec<i32>,
    /// Points at lower edges, by frequency in time and column.
    south: Vec<i32>,
    /// What lines show after the last frame, block after block; no points, for all layers are cut alike. Nothing for a single one.
    after: Vec<i32>,
    edges: Vec<Edge>,
    /// Of the coefficients of the block at hand.
    parts: Vec<[Part; 3]>,
    /// By evidence: whether it is right.
    is_right: [Bit; CLASSES],
    /// Signs coded by evidence, and what it was worth to them.
    asked: u32,
    worth: i64,
}

impl<'a> Signs<'a> {
    /// Of which [`BlockCoder`](super::BlockCoder) has coded nothing but those of lowest coefficients.
    pub(super) fn apart(layout: &'a Layout, skip: Option<&'a [bool]>) -> Self {
        Signs { apart: true, ..Signs::new(layout, skip) }
    }

    pub(super) fn new(layout: &'a Layout, skip: Option<&'a [bool]>) -> Self {
        let Layout { frames, side, count: [layers, _, across], .. } = *layout;
        let columns = across * side;
        let edge = |_| Edge { lines: vec![Line::default(); side * side.max(frames)], misses: [Miss::NEW; SIDES.len() * PLANE_OCTAVES * PLANE_OCTAVES] };
        Signs {
            layout,
            skip,
            apart: false,
            east: vec![0; columns / CELL * frames * side],
            south: vec![0; frames * columns],
            after: vec![0; if layers > 1 { layout.layer_len() / frames } else { 0 }],
            edges: (0..if layers > 1 { 3 } else { 2 }).map(edge).collect(),
            parts: Vec::new(),
            is_right: std::array::from_fn(|class| Bit::likely(squash(12 + 25 * class as i32), 4)),
            asked: 0,
            worth: 0,
        }
    }

    /// Whether signs are not worth to be expected, as soon as enough of them are coded to say so.
    pub(super) fn are_plain(&self) -> Option<bool> {
        (self.asked >= TRIAL).then(|| self.worth < i64::from(self.asked) * WORTH)
    }

    /// Codes the signs of a strip; every one in its turn.
    pub(super) fn code_strip<C: BitCoder>(&mut self, coder: &mut C, unsigned: &Unsigned, strip: usize, q: &mut [i32]) {
        let first = strip * self.layout.strip_len();
        for (&UnsignedBlock { block, expected, .. }, coded) in unsigned.each() {
            let Range { start, end } = self.layout.range(block);
            self.code_block(coder, block, expected, coded, &mut q[start - first..end - first]);
        }
    }

    /// Codes the signs of all coefficients of a block that are not zero, lowest frequency first; `q` holds the lowest one of all less
    /// what is `expected` of it, and then itself.
    pub(super) fn code_block<C: BitCoder>(&mut self, coder: &mut C, block: usize, expected: i32, coded: &[Coded], q: &mut [i32]) {
        if self.are_plain() == Some(true) {
            let known = usize::from(self.apart && coded.first().is_some_and(|&(position, _)| position == 0));
            code_plain(coder, &coded[known..], q);
        } else {
            self.code_expected(coder, block, expected, coded, q);
        }
        q[0] = q[0].wrapping_add(expected);
    }

    fn code_expected<C: BitCoder>(&mut self, coder: &mut C, block: usize, expected: i32, coded: &[Coded], q: &mut [i32]) {
        let (scan, size, frames) = (self.layout.scan(block), self.layout.size(block), self.layout.frames);
        for (edge, lines) in self.edges.iter_mut().zip([frames * scan.side, frames * scan.side, scan.side * scan.side]) {
            edge.lines[..lines].fill(Line::default());
        }
        let mut times = 0u32;
        self.parts.clear();
        for &(position, multiple) in coded {
            let (t, parts) = parts(scan, size, position.into(), multiple);
            times |= 1 << t;
            for (edge, part) in self.edges.iter_mut().zip(parts) {
                edge.lines[usize::from(part.line)].open += square(part.shown);
            }
            self.parts.push(parts);
        }
        let known = if coded.is_empty() { [false; 3] } else { self.look(block, times) };
        let mean = expected.wrapping_mul(2 * AT_EDGE[0]);
        for edge in &mut self.edges {
            let Line { missing, opposite, .. } = &mut edge.lines[0];
            (*missing, *opposite) = (missing.wrapping_sub(mean), mean);
        }
        for (parts, &(position, _)) in self.parts.iter().zip(coded) {
            let q = &mut q[usize::from(position)];
            let mut evidence = 0;
            for ((edge, part), known) in self.edges.iter_mut().zip(parts).zip(known) {
                let Line { missing, open, .. } = &mut edge.lines[usize::from(part.line)];
                *open -= square(part.shown);
                if known {
                    evidence += ratio(i64::from(*missing) * i64::from(part.shown), edge.misses[usize::from(part.class)].square + *open + LEAST);
                }
            }
            let class = (evidence.unsigned_abs() as usize).min(CLASSES - 1);
            // By how much it is oftener right than wrong: what it says adds up to the square of that in the mean, as bits saved do.
            let sure = i64::from(self.is_right[class].p1()) - 32768;
            let mut negative = *q < 0;
            if !(self.apart && position == 0) {
                let right = self.is_right[class].code(coder, negative == (evidence < 0));
                negative = right == (evidence < 0);
                set_sign(q, negative);
                (self.asked, self.worth) = (self.asked + 1, self.worth + if right { sure } else { -sure });
            }
            for ((edge, part), known) in self.edges.iter_mut().zip(parts).zip(known) {
                let Line { missing, opposite, open } = &mut edge.lines[usize::from(part.line)];
                let shown = if negative { -part.shown } else { part.shown };
                *missing = missing.wrapping_sub(shown);
                *opposite = opposite.wrapping_add(if part.turns { -shown } else { shown });
                if known && *open == 0 {
                    edge.misses[usize::from(part.class)].learn(*missing);
                }
            }
        }
        self.keep(block);
    }

    /// What is shown at the edges of a block, in the lines with these frequencies in `times`; which edges are known.
    fn look(&mut self, block: usize, times: u32) -> [bool; 3] {
        let Layout { frames, side, .. } = *self.layout;
        let ([rows, columns], layer, size) = (self.layout.place(block), self.layout.layer_of(block), self.layout.size(block));
        // Smaller ones to the left, further down, are still to come.
        let is_known = |other: usize| other < block && self.skip.is_none_or(|skip| !skip[other]);
        let are_known = |y: usize, x: usize, [down, across]: [usize; 2]| {
            (0..SIDES[size]).step_by(CELL).all(|i| is_known(self.layout.holds(layer, [y + i * down, x + i * across])))
        };
        let known = [
            columns.start > 0 && are_known(rows.start, columns.start - 1, [1, 0]),
            rows.start > 0 && are_known(rows.start - 1, columns.start, [0, 1]),
            self.layout.before(block).is_some_and(is_known),
        ];
        let wide = self.south.len() / frames;
        let mut room = [0; LONGEST];
        let room = &mut room[..SIDES[size]];
        let mut look_at = |edge: &mut Edge, t: usize, points: &[i32]| {
            room.iter_mut().zip(points).for_each(|(v, &point)| *v = scaled(point, FROM_POINTS[size]));
            along_edge(room, true);
            edge.lines[t * room.len()..].iter_mut().zip(&*room).for_each(|(line, &v)| line.missing = v);
        };
        for t in (0..frames).filter(|t| times >> t & 1 == 1) {
            if known[0] {
                look_at(&mut self.edges[0], t, &self.east[((columns.start / CELL - 1) * frames + t) * side + rows.start % side..]);
            }
            if known[1] {
                look_at(&mut self.edges[1], t, &self.south[t * wide + columns.start..]);
            }
        }
        if known[2] {
            let after = &self.after[self.after_of(block)];
            self.edges[2].lines.iter_mut().zip(after).for_each(|(line, &v)| line.missing = v);
        }
        known
    }

    /// Keeps what a block shows.
    fn keep(&mut self, block: usize) {
        let Layout { frames, side, .. } = *self.layout;
        let ([rows, columns], size) = (self.layout.place(block), self.layout.size(block));
        let wide = self.south.len() / frames;
        let mut room = [0; LONGEST];
        let room = &mut room[..SIDES[size]];
        let mut keep = |edge: &Edge, t: usize, points: &mut [i32]| {
            room.iter_mut().zip(&edge.lines[t * SIDES[size]..]).for_each(|(v, line)| *v = line.opposite);
            if room.iter().any(|&v| v != 0) {
                along_edge(room, false);
            }
            points.iter_mut().zip(&*room).for_each(|(point, &v)| *point = scaled(v, TO_POINTS[size]));
        };
        for t in 0..frames {
            keep(&self.edges[0], t, &mut self.east[((columns.end / CELL - 1) * frames + t) * side + rows.start % side..]);
            keep(&self.edges[1], t, &mut self.south[t * wide + columns.start..]);
        }
        if let Some(edge) = self.edges.get(2) {
            let place = self.after_of(block);
            self.after[place].iter_mut().zip(&edge.lines).for_each(|(after, line)| *after = line.opposite);
        }
    }

    /// Where lines of a block are in `after`.
    fn after_of(&self, block: usize) -> Range<usize> {
        let Range { start, end } = self.layout.range(block);
        let first = start % self.layout.layer_len();
        first / self.layout.frames..(first + end - start) / self.layout.frames
    }
}

/// Codes signs of which nothing is expected.
fn code_plain<C: BitCoder>(coder: &mut C, coded: &[Coded], q: &mut [i32]) {
    for some in coded.chunks(TOGETHER) {
        let negative = some.iter().rev().fold(0, |signs, &(position, _)| signs << 1 | u32::from(q[usize::from(position)] < 0));
        let negative = coder.code_raw(negative, some.len() as u32);
        some.iter().enumerate().for_each(|(i, &(position, _))| set_sign(&mut q[usize::from(position)], negative >> i & 1 == 1));
    }
}

pub(super) fn set_sign(q: &mut i32, negative: bool) {
    *q = if negative { q.wrapping_abs().wrapping_neg() } else { q.wrapping_abs() };
}

/// What a coefficient is to its line across the left edge of its block, the upper one and the one in time; its frequency in time.
fn parts(scan: &Scan, size: usize, position: usize, multiple: u32) -> (usize, [Part; 3]) {
    let [t, y, x] = scan.frequencies(position);
    let multiple = multiple.min(LARGEST) as i32;
    let part = |across: usize, along: [usize; 2]| Part {
        line: (along[0] * scan.side + along[1]) as u16,
        class: ((size * PLANE_OCTAVES + octave(along[0].max(along[1]))) * PLANE_OCTAVES + octave(across)) as u8,
        turns: across % 2 == 1,
        shown: multiple * AT_EDGE[usize::from(across > 0)],
    };
    (t, [part(x, [t, y]), part(y, [t, x]), part(t, [y, x])])
}

fn square(v: i32) -> i64 {
    i64::from(v) * i64::from(v)
}

/// About `8 · a / b`, which is above 255: four to a natural logarithm of the odds that two normal errors differ by twice as much.
fn ratio(a: i64, b: i64) -> i64 {
    /// 2^15 / (128 + i).
    static RECIPROCAL: [u16; 128] = {
        let mut reciprocal = [0; 128];
        let mut i = 0;
        while i < 128 {
            reciprocal[i] = ((1 << 15) / (128 + i)) as u16;
            i += 1;
        }
        reciprocal
    };
    let octave = b.ilog2() - 7;
    (a >> octave) * i64::from(RECIPROCAL[(b >> octave) as usize & 127]) >> 12
}

fn scaled(v: i32, by: i32) -> i32 {
    (i64::from(v) * i64::from(by) >> 8) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use caesar_kernels::Team;
    use crate::entropy::{Decoder, Encoder};
    use crate::transform::{BlockCoder, Partition, State, code_blocks, forward};

    fn random(i: usize) -> u64 {
        (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20
    }

    /// The codes of a smooth image, two layers of blocks of all sizes, and how they lie.
    fn smooth() -> (Layout, Vec<i32>) {
        let [frames, rows, columns] = [16, 128, 192];
        let wanted = |[y, x]: [usize; 2]| [3, 2, if y < 64 { 1 } else { 0 }][x / 64];
        let cost = |size: u8, place: [usize; 2]| if size == wanted(place) { 0.0 } else { 1.0 };
        let (_, partition) = Partition::cheapest([rows, columns], 3, cost, 0.0);
        assert!((0..4).all(|size| partition.sizes.contains(&size)));
        let layout = Layout::of([frames, rows, columns], 8, &partition);
        let value = |i: usize| {
            let [t, y, x] = [i / (rows * columns), i / columns % rows, i % columns].map(|v| v as f32);
            120.0 * ((x + 0.7 * t) / 17.0).sin() * ((y - 0.3 * t) / 13.0).cos() + 60.0 * ((x * y) / 900.0 + t / 5.0).sin()
        };
        let image: Vec<f32> = (0..frames * rows * columns).map(value).collect();
        let codes = forward(&image, &layout, None, Team::ALONE).into_iter().map(|c| (c / 40.0).round() as i32).collect();
        (layout, codes)
    }

    fn bytes_of(layout: &Layout, codes: &[i32]) -> usize {
        let mut coder = Encoder::new();
        code_blocks(&mut coder, &mut codes.to_vec(), BlockCoder::new(layout, None, None, State::PLAIN));
        let bytes = coder.finish();
        let (mut coder, mut read) = (Decoder::new(&bytes), vec![0; codes.len()]);
        code_blocks(&mut coder, &mut read, BlockCoder::new(layout, None, None, State::PLAIN));
        assert!(coder.finish().is_ok() && read == codes);
        bytes.len()
    }

    #[test]
    fn signs_of_a_smooth_field_are_expected() {
        let (layout, codes) = smooth();
        // As many magnitudes, but no field; the lowest latents are not told by their signs.
        let mut others = codes.clone();
        for block in 0..layout.blocks() {
            others[layout.range(block)].iter_mut().skip(1).enumerate().filter(|(i, _)| random(block * 70_000 + i) & 1 == 1).for_each(|(_, q)| *q = -*q);
        }
        let signs = codes.iter().filter(|&&q| q != 0).count();
        let saved = 8 * (bytes_of(&layout, &others) - bytes_of(&layout, &codes));
        assert!(saved * 3 > signs, "{saved} bits of {signs} signs");
    }

    /// Nothing is expected of signs that come by chance, and after a while nobody asks.
    #[test]
    fn signs_by_chance_cost_a_bit() {
        let layout = Layout::new([8, 64, 64], 8, 8);
        let one = |i: usize| if random(i) & 1 == 1 { 1 } else { -1 };
        let by_chance: Vec<i32> = (0..layout.len()).map(one).collect();
        assert!(8 * bytes_of(&layout, &by_chance) < layout.len() + layout.len() / 100, "{} bytes", bytes_of(&layout, &by_chance));
    }

    #[test]
    fn ratios_are_nearly_exact() {
        for i in 0..10_000 {
            let (a, b) = ((random(i) as i64 - (1 << 43)) >> (random(i + 1) % 40), 256 + (random(i + 2) >> (random(i + 3) % 44)) as i64);
            let (found, exact) = (ratio(a, b) as f64, 8.0 * a as f64 / b as f64);
            assert!((found - exact).abs() <= 2.0 + exact.abs() / 60.0, "{found} for {exact}");
        }
    }
}
