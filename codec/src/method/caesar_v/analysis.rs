//! A tile's coefficients, in blocks of the sizes that suit it.

use super::padding::Padding;
use super::{Networks, Settings, latents};
use crate::lattice::Tile;
use crate::residual::Target;
use crate::threads::in_order;
use caesar_kernels::Team;
use crate::transform::{self, Estimate, Layout, Partition, Rates, SIDES};

/// A tile as transforms take it: padded, less its mean.
struct Image {
    values: Vec<f32>,
    mean: i32,
}

impl Image {
    fn of(tile: &Tile, padding: &Padding) -> Image {
        let sum: i64 = tile.values.iter().map(|&v| i64::from(v)).sum();
        let mean = (sum / tile.values.len().max(1) as i64) as i32;
        Image { values: padding.pad(tile.values, |v| (v - mean) as f32), mean }
    }
}

/// A tile in blocks, in lattice units.
pub struct Analysis {
    /// But for the step.
    pub settings: Settings,
    pub partition: Partition,
    pub layout: Layout,
    /// Blocks that are not coded.
    pub skipped: Vec<bool>,
    pub coefficients: Vec<f32>,
}

impl Analysis {
    fn of(image: &Image, mask: Option<&[bool]>, settings: Settings, partition: Partition, padding: &Padding, model: &Networks) -> Analysis {
        let (layout, skipped) = cut(settings, &partition, mask, padding, model);
        let coefficients = transform::forward(&image.values, &layout, Some(&skipped), model.team);
        Analysis { settings: Settings { mean: image.mean, ..settings }, partition, layout, skipped, coefficients }
    }

    pub fn latents(&self, step: u16, rates: &Rates, team: Team) -> Vec<i32> {
        latents::quantise(&self.coefficients, transform::step(step), &self.layout, &self.skipped, rates, team)
    }

    /// Sum of squares that latents miss of the coefficients.
    pub fn missed(&self, latents: &[i32], step: u16) -> f64 {
        let unit = transform::step(step) as f32 / (1 << transform::FRACTION_BITS) as f32;
        let mut points = vec![0; self.layout.frames * self.layout.side * self.layout.side];
        let missed = |block: usize| {
            let place = self.layout.range(block);
            let points = &mut points[..place.len()];
            let used = latents::dequantise(&latents[place.clone()], points);
            points[used..].fill(0);
            f64::from(difference(&self.coefficients[place], points, unit))
        };
        (0..self.layout.blocks()).filter(|&block| !self.skipped[block]).map(missed).sum()
    }

    /// Where to start the search for the step.
    pub fn start(&self, target: Target, bin_bits: u32) -> Start {
        let sample = sample(&self.layout, &self.skipped);
        Start::of(sample.into_iter().map(|block| &self.coefficients[self.layout.range(block)]).collect(), target, bin_bits)
    }
}

/// The blocks of a tile, and which of them are not coded.
fn cut(settings: Settings, partition: &Partition, mask: Option<&[bool]>, padding: &Padding, model: &Networks) -> (Layout, Vec<bool>) {
    let layout = Layout::of(padding.padded, settings.frames(padding, model.frames), partition);
    let skipped = padding.skipped(mask, &layout);
    (layout, skipped)
}

/// Blocks enough to see how errors grow with the step, from all over the image.
fn sample(layout: &Layout, skipped: &[bool]) -> Vec<usize> {
    const ENOUGH: usize = 512;
    let blocks: Vec<usize> = (0..layout.blocks()).filter(|&block| !skipped[block]).collect();
    let some = blocks.len().div_ceil(ENOUGH).max(1);
    // In no pattern that columns could follow.
    let is_chosen = |i: usize| i * 0x9E37 / 16 % some == 0;
    (0..blocks.len()).filter(|&i| is_chosen(i)).map(|i| blocks[i]).collect()
}

/// What a tile costs in blocks of one size.
struct Trial {
    settings: Settings,
    estimate: Estimate,
}

impl Trial {
    /// What the block at a place costs, in all layers.
    fn at(&self, [y, x]: [usize; 2]) -> f32 {
        let layout = &self.estimate.layout;
        let [layers, down, across] = layout.count;
        let inside = y < down * layout.side && x < across * layout.side;
        (0..if inside { layers } else { 0 }).map(|layer| self.estimate.cost_of(layout.holds(layer, [y, x]))).sum()
    }
}

/// The size of blocks, in [`SIDES`], at which lengths are compared: as good as any, and as all of them together.
const COMPARED: u8 = 1;

/// What a split must save, in bits: it has to be told, and blocks of other sizes know less of each other.
const SPLIT_BITS: f32 = 16.0;

/// What splits must save together: the contexts of several sizes take longer to learn.
const MIXED_BITS: f32 = 300.0;

/// The tile in those blocks in which latents cost least, in as many ways as are to be tried, the cheapest first; and what bits cost.
pub fn cheapest(tile: &Tile, target: Target, tries: usize, padding: &Padding, model: &Networks) -> Vec<(Analysis, Rates)> {
    let image = Image::of(tile, padding);
    let analysis = |settings: Settings, partition: Partition| Analysis::of(&image, tile.mask, settings, partition, padding, model);
    let smallest = Settings::default();
    let step = {
        let (layout, skipped) = cut(smallest, &smallest.partition(padding), tile.mask, padding, model);
        let sample = sample(&layout, &skipped);
        let mut others = vec![true; layout.blocks()];
        sample.iter().for_each(|&block| others[block] = false);
        let coefficients = transform::forward(&image.values, &layout, Some(&others), model.team);
        Start::of(sample.into_iter().map(|block| &coefficients[layout.range(block)]).collect(), target, tile.bin_bits).step
    };
    let try_all = |wanted: Vec<Settings>| {
        let trial = |i: usize| {
            let (layout, skipped) = cut(wanted[i], &wanted[i].partition(padding), tile.mask, padding, model);
            Trial { settings: wanted[i], estimate: latents::estimate(&image.values, transform::step(step), layout, &skipped) }
        };
        in_order(model.team, wanted.len(), trial)
    };
    // Blocks as long as the stack, where these are others, or as the model's frames.
    let is_joint = |settings: &Settings| settings.frames(padding, model.frames) != model.frames;
    let lengths = [false, true].map(|joint| Settings { joint, size: COMPARED, ..smallest });
    let mut lengths = try_all(lengths.into_iter().filter(|settings| settings.joint == is_joint(settings)).collect());
    let better = if lengths.len() > 1 && lengths[1].estimate.cost() < lengths[0].estimate.cost() { 1 } else { 0 };
    let compared = lengths.swap_remove(better);
    let others = (0..SIDES.len() as u8).rev().filter(|&size| size != COMPARED).map(|size| Settings { size, ..compared.settings });
    // Large ones take longest.
    let mut trials = try_all(others.filter(|settings| settings.joint == is_joint(settings)).collect());
    trials.push(compared);
    trials.sort_by_key(|trial| trial.settings.size);

    let [_, rows, columns] = padding.padded;
    let mut ways: Vec<(f32, &Trial, Partition)> = Vec::new();
    for trial in &trials {
        ways.push((trial.estimate.cost(), trial, trial.settings.partition(padding)));
        let cost = |size: u8, place: [usize; 2]| trials[usize::from(size)].at(place);
        let (cost, partition) = Partition::cheapest([rows, columns], trial.settings.size, cost, latents::cost_of(SPLIT_BITS));
        if !partition.is_whole() {
            ways.push((cost + latents::cost_of(MIXED_BITS), trial, partition));
        }
    }
    // At equal cost the first.
    ways.sort_by(|a, b| a.0.total_cmp(&b.0));
    let way = |(_, trial, partition): (f32, &Trial, Partition)| {
        let split = !partition.is_whole();
        let analysis = analysis(Settings { split, ..trial.settings }, partition);
        let layout = &analysis.layout;
        let chosen = |block: usize| {
            let (estimate, place) = (&trials[layout.size(block)].estimate, layout.place(block).map(|place| place.start));
            (estimate, estimate.layout.holds(layout.layer_of(block), place))
        };
        let counted = (0..layout.blocks()).filter(|&block| !analysis.skipped[block]);
        let rates = Rates::of(counted.map(chosen));
        (analysis, rates)
    };
    ways.into_iter().take(tries).map(way).collect()
}

/// The step to start from, and how fast the error grows with it, both in octaves.
pub struct Start {
    pub step: u16,
    pub slope: f64,
}

impl Start {
    /// For an image that these blocks stand for.
    fn of(blocks: Vec<&[f32]>, target: Target, bin_bits: u32) -> Start {
        let limit = match target {
            // A little wider than the bins: finer steps would spend bits on what the residual codes do anyway.
            Target::Pointwise => return Start { step: transform::step_index(13 << bin_bits >> 3), slope: 1.0 },
            Target::MeanSquare(limit) | Target::PatchMeanSquare(limit) => limit,
        };
        let points: usize = blocks.iter().map(|block| block.len()).sum();
        // Plain rounding errs more than dependent quantisation and the network leave.
        let aim = (1.2 * limit).max(1e-9).log2();
        let error = |octave: i32| {
            let width = (octave as f32).exp2();
            let sum: f64 = blocks.iter().map(|block| f64::from(squares_missed(block, 1.0 / width))).sum();
            (sum * f64::from(width * width) / points.max(1) as f64).max(1e-9).log2()
        };
        let octave = (1..21).collect::<Vec<_>>().partition_point(|&octave| error(octave) <= aim) as i32;
        let (low, high) = (error(octave), error(octave + 1));
        let slope = (high - low).max(0.1);
        let units = (f64::from(octave) + ((aim - low) / slope).clamp(-1.0, 1.0)).exp2();
        Start { step: transform::step_index(units as i64), slope }
    }
}

caesar_kernels::loops! {
    /// The sum of squared differences of coefficients and points, which count in `unit`.
    fn difference(coefficients: &[f32], points: &[i32], unit: f32) -> f32 {
        let mut sums = [0.0; 16];
        for (some, points) in coefficients.as_chunks::<16>().0.iter().zip(points.as_chunks::<16>().0) {
            for i in 0..16 {
                let missed = some[i] - points[i] as f32 * unit;
                sums[i] += missed * missed;
            }
        }
        sums.into_iter().sum()
    }
}

caesar_kernels::loops! {
    /// The sum of squares that plain rounding of `c · scale` leaves.
    fn squares_missed(coefficients: &[f32], scale: f32) -> f32 {
        let mut sums = [0.0; 16];
        for some in coefficients.as_chunks::<16>().0 {
            for (sum, c) in sums.iter_mut().zip(some) {
                let c = c.abs() * scale;
                let missed = if c < 0.7 { c } else { c - (c + 0.3).min(1e9) as i32 as f32 };
                *sum += missed * missed;
            }
        }
        sums.into_iter().sum()
    }
}

