//! What the best codes of blocks would cost, without looking for them: plain rounding, under the entropy of its codes by what is around
//! each. Coefficients stay in the order of their places, in which rows are worked at in one go.

use super::coder::{FINE, Near};
use super::dct::forward_block;
use super::trellis::{code_of, may_be_coded, size_of, within};
use super::{Layout, Scan};
use caesar_kernels::Loops;
use std::ops::Range;

/// Octaves of scanning positions that have rates of their own.
const POSITIONS: u32 = 17;

/// Kinds of surroundings.
const KINDS: usize = FINE * POSITIONS as usize;

/// The kind of what is around a coefficient: `both` as the coder has it, and the octave of its position.
#[inline(always)]
pub(super) fn kind_of(both: u32, octave: u32) -> u32 {
    // Of a number in floating point these are the exponent and the first digit after it: two classes to an octave, one of them below 2.
    let class = ((both as i32 as f32).to_bits() >> 22).saturating_sub(253);
    class.min(FINE as u32 - 1) * POSITIONS + octave
}

/// The octave of a scanning position.
#[inline(always)]
pub(super) fn octave_of(position: u32) -> u32 {
    (position + 1).ilog2()
}

/// Where bins of the magnitudes 0 and 1 end, half way to the next multiple of their quantiser: odd, even, odd, even.
const ENDS: [f32; 4] = [0.5, 1.0, 2.0, 3.0];
/// What lies between these ends, and octaves beyond.
const BINS: usize = 16;
/// In the place of kind and bin where there is no code.
const NO_CODE: u32 = (KINDS * BINS) as u32;

/// The bin of a coefficient in steps.
#[inline(always)]
fn bin_of(coefficient: f32) -> u32 {
    let size = coefficient.abs();
    let beyond = ENDS.iter().map(|&end| u32::from(size > end)).sum::<u32>();
    // Codes beyond two: none, one and two, three to six, …
    let octave = ((size - ENDS[3]).max(0.0) / 2.0 + 1.0).to_bits() >> 23;
    (beyond + octave - 127).min(BINS as u32 - 1)
}

/// How far codes in a bin are beyond two.
fn excess_of(bin: usize) -> f32 {
    if bin < ENDS.len() { 0.0 } else { 1.5 * ((bin - ENDS.len()) as f32).exp2() - 1.0 }
}

/// What blocks of one size would cost.
pub struct Estimate {
    pub layout: Layout,
    /// Of each block, in squared steps.
    costs: Vec<f32>,
    /// Kinds and bins of those coefficients of blocks that may have codes, and where those of a block are.
    bins: Vec<u16>,
    places: Vec<Range<usize>>,
}

impl Estimate {
    /// Of an image whose coefficients times `scale` are in steps, in a layout of one size; `weight` and `skip` as in
    /// [`super::quantise`].
    pub fn of(image: &[f32], layout: Layout, scale: f32, skip: &[bool], weight: f32) -> Estimate {
        let (blocks, layout_len) = (layout.blocks(), layout.len());
        let mut estimate = Estimate { layout, costs: vec![0.0; blocks], bins: Vec::with_capacity(layout_len), places: vec![0..0; blocks] };
        caesar_kernels::run(Rounding { image, scale, skip, estimate: &mut estimate });
        let rates = Rates::of((0..blocks).map(|block| (&estimate, block)));
        let bits: Vec<f32> = rates.0.iter().flat_map(Rate::of_bins).chain([0.0]).collect();
        for (cost, place) in estimate.costs.iter_mut().zip(&estimate.places).filter(|(_, place)| !place.is_empty()) {
            let sum: f32 = estimate.bins[place.clone()].iter().map(|&bin| bits[usize::from(bin)]).sum();
            *cost += weight * (BLOCK_BITS + sum);
        }
        estimate
    }

    /// What a block costs, in squared steps.
    pub fn cost_of(&self, block: usize) -> f32 {
        self.costs[block]
    }

    /// The kinds of those coefficients of a block that may have codes.
    #[cfg(test)]
    pub(super) fn kinds(&self, block: usize) -> impl Iterator<Item = usize> {
        let bins = self.bins[self.places[block].clone()].iter().map(|&bin| usize::from(bin));
        bins.filter(|&bin| bin < NO_CODE as usize).map(|bin| bin / BINS)
    }

    /// What they all cost.
    pub fn cost(&self) -> f32 {
        self.costs.iter().sum()
    }
}

/// What it costs to say how far the codes of a block reach, about.
const BLOCK_BITS: f32 = 1.0;

/// Fills in what blocks miss, and their bins.
struct Rounding<'a> {
    image: &'a [f32],
    scale: f32,
    skip: &'a [bool],
    estimate: &'a mut Estimate,
}

impl Loops for Rounding<'_> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        match self.estimate.layout.side {
            8 => self.blocks::<8, 4>(),
            16 => self.blocks::<16, 8>(),
            32 => self.blocks::<32, 16>(),
            _ => self.blocks::<64, 32>(),
        }
    }
}

impl Rounding<'_> {
    #[inline(always)]
    fn blocks<const N: usize, const H: usize>(self) {
        let Rounding { image, scale, skip, estimate: Estimate { layout, costs, bins, places } } = self;
        let scan = layout.scan(0);
        let octaves: Vec<u32> = scan.positions.iter().map(|&position| octave_of(position.into())).collect();
        let boxes: Vec<[usize; 3]> = (0..=scan.len().next_power_of_two().ilog2()).map(|bits| box_of(scan, 1 << bits)).collect();
        let mut lowest = vec![0; layout.blocks()];
        let mut sizes = vec![0; layout.len()];
        let (mut block, mut own) = (vec![0.0; scan.len()], vec![0; scan.len()]);
        for index in (0..layout.blocks()).filter(|&index| !skip[index]) {
            forward_block::<N, H>(image, layout, index, &mut block);
            let near = Near::of(index, layout, Some(skip));
            lowest[index] = code_of(block[0] * scale);
            let expected = near.expected_mean(|b| lowest[b], layout);
            block.iter_mut().for_each(|c| *c = within(*c * scale));
            block[0] -= 2.0 * expected as f32;
            let start = layout.range(index).start;
            sizes[start..].iter_mut().zip(&block).for_each(|(size, &c)| *size = size_of(c));
            costs[index] = missed(&block);
            let beyond = |(&c, &position): (&f32, &u16)| if may_be_coded(c) { u32::from(position) + 1 } else { 0 };
            let used = block.iter().zip(&scan.positions).map(beyond).fold(0, u32::max);
            if used == 0 {
                continue;
            }
            let used = used.next_power_of_two();
            let [frames, rows, columns] = boxes[used.ilog2() as usize];
            let weighed = near.weighed().map(|(block, weight)| (block.map(|block| layout.range(block).start), weight));
            let first = bins.len();
            for (t, y) in (0..frames).flat_map(|t| (0..rows).map(move |y| (t, y))) {
                let place = (t * N + y) * N;
                let sizes_at = |place: usize| std::array::from_fn(|x| sizes[start + place..][..N][x].into());
                let (row, [before, above, left]): ([u32; N], _) = (sizes_at(place), next_lower(sizes_at, place));
                let own_row: [u32; N] = std::array::from_fn(|x| 2 * row[x] + before[x].max(above[x]).max(left[x]));
                own[place..place + N].copy_from_slice(&own_row);
                let [before, above, left] = next_lower::<N>(|place| *own[place..].first_chunk().expect("a row"), place);
                let mut beside = [0; N];
                for (start, weight) in weighed.iter().filter_map(|&(start, weight)| Some((start?, weight))) {
                    let sizes = &sizes[start + place..][..N];
                    (0..N).for_each(|x| beside[x] += weight * u32::from(sizes[x]));
                }
                let (c, positions, octaves) = (&block[place..][..N], &scan.positions[place..][..N], &octaves[place..][..N]);
                let row: [u16; N] = std::array::from_fn(|x| {
                    let kind = kind_of(2 * beside[x] + before[x] + above[x] + left[x], octaves[x]);
                    (if u32::from(positions[x]) < used { kind * BINS as u32 + bin_of(c[x]) } else { NO_CODE }) as u16
                });
                bins.extend_from_slice(&row[..columns]);
            }
            places[index] = first..bins.len();
        }
    }
}

/// Rows of the next lower frequencies in time, rows and columns of the row at a place, zero where there are none.
#[inline(always)]
fn next_lower<const N: usize>(row: impl Fn(usize) -> [u32; N], place: usize) -> [[u32; N]; 3] {
    let before = if place >= N * N { row(place - N * N) } else { [0; N] };
    let above = if place % (N * N) >= N { row(place - N) } else { [0; N] };
    let mut left = [0; N];
    left[1..].copy_from_slice(&row(place)[..N - 1]);
    [before, above, left]
}

/// Squares of what plain rounding to even multiples leaves.
#[inline(always)]
fn missed(coefficients: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for some in coefficients.as_chunks::<16>().0 {
        for (sum, c) in sums.iter_mut().zip(some) {
            let missed = c.abs() - 2.0 * ((c.abs() + 0.6) * 0.5) as i32 as f32;
            *sum += missed * missed;
        }
    }
    sums.iter().sum()
}

/// The extents of the frequencies at the first `used` positions.
fn box_of(scan: &Scan, used: usize) -> [usize; 3] {
    (0..used.min(scan.len())).map(|position| scan.frequencies(position)).fold([0; 3], |extents, frequency| std::array::from_fn(|axis| extents[axis].max(frequency[axis] + 1)))
}

/// Bits that codes cost, by surroundings.
pub struct Rates(Vec<Rate>);

impl Rates {
    /// As some blocks, each as it was estimated, let them seem.
    pub fn of<'a>(blocks: impl Iterator<Item = (&'a Estimate, usize)>) -> Rates {
        let mut seen = vec![0; KINDS * BINS + 1];
        for (estimate, block) in blocks {
            estimate.bins[estimate.places[block].clone()].iter().for_each(|&bin| seen[usize::from(bin)] += 1);
        }
        Rates(seen.chunks_exact(BINS).map(Rate::new).collect())
    }

    #[inline(always)]
    pub(super) fn of_kind(&self, kind: usize) -> Rate {
        self.0[kind]
    }
}

/// Bits that codes cost in one kind of surroundings.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    /// By quantiser: magnitudes 0, 1, 2.
    bits: [[f32; 3]; 2],
    /// Of each further one.
    more: f32,
}

impl Rate {
    /// `bins`: how many coefficients there are in each.
    fn new(bins: &[u32]) -> Rate {
        let beyond = |bin: usize| bins[bin..].iter().sum::<u32>() as f32;
        // A few imagined ones steady what is rare.
        let bits = |some: f32, more: f32| {
            let (some, more) = ((some + 0.4) / (beyond(0) + 1.0), (more + 0.4) / (some + 1.0));
            [bits_of(1.0 - some), bits_of(some) + bits_of(1.0 - more) + 1.0, bits_of(some) + bits_of(more) + 1.0]
        };
        let excess: f32 = bins.iter().enumerate().map(|(bin, &count)| count as f32 * excess_of(bin)).sum();
        let further = (excess + 0.5) / (beyond(4) + 1.0);
        let stop = bits_of(1.0 / (1.0 + further));
        let mut rate = Rate { bits: [bits(beyond(2), beyond(4)), bits(beyond(1), beyond(3))], more: bits_of(further / (1.0 + further)) };
        rate.bits.iter_mut().for_each(|bits| bits[2] += stop);
        rate
    }

    /// What plain rounding to even multiples takes for coefficients in each bin.
    fn of_bins(&self) -> [f32; BINS] {
        let [zero, one, two] = self.bits[0];
        std::array::from_fn(|bin| match bin {
            0 | 1 => zero,
            2 | 3 => one,
            bin => two + excess_of(bin) * self.more,
        })
    }

    #[inline(always)]
    pub(super) fn of(&self, quantiser: usize, magnitude: i32) -> f32 {
        let known = self.bits[quantiser][magnitude.min(2) as usize];
        known + (magnitude - 2).max(0) as f32 * self.more
    }
}

fn bits_of(share: f32) -> f32 {
    -share.log2()
}
