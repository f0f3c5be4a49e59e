//! What the closed-loop methods share: the order of frames and levels, linear predictors, quantiser, packing and masks.
//!
//! Every value is predicted from decoded ones around it, in space and between frames, and what is left is coded as a
//! multiple of a bin, so that no error is carried on. Frames come in the order of [`order`], a frame level by level
//! ([`frame`], [`plane`]), a level in three [`step`]s, each predicted by fitted taps on [`details`]. A method is how the
//! targets of a step are coded: [`Steps`].

pub mod bin;
mod coast;
pub mod details;
pub mod fit;
mod frame;
mod grid;
mod order;
mod packing;
mod palette;
pub mod plane;
pub mod step;
#[cfg(test)]
pub mod testing;
pub mod told;

use crate::entropy::BitCoder;
use crate::lattice::Tile;
use bin::Bin;
use fit::Search;
use frame::{FrameCoder, Frames, Original, Reference, spare_or_new};
use grid::Grid;
use order::Visit;
use packing::Packing;
use plane::Pyramid;
use std::borrow::Cow;
use std::collections::BTreeMap;
use step::Step;

/// A closed-loop method, and everything it learns while the steps of a tile are coded.
pub trait Steps {
    fn bin(&self) -> Bin;

    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, targets: Targets);
}

/// Where the values of a step and the magnitudes of its codes go, row by row.
pub type Targets<'a> = Vec<(&'a mut [i32], &'a mut [i16])>;

/// What both sides know of a tile before they code it.
#[derive(Clone, Copy)]
pub struct Outline<'a> {
    pub shape: [usize; 3],
    pub mask: Option<&'a [bool]>,
    pub bin_bits: u32,
}

impl<'a> Outline<'a> {
    pub fn of(tile: &Tile<'a>) -> Self {
        Outline { shape: tile.shape, mask: tile.mask, bin_bits: tile.bin_bits }
    }
}

/// What the encoder knows of a tile.
pub struct Prepared<'a> {
    /// Lattice integers, or the positions of packed ones.
    values: Cow<'a, [i32]>,
    packing: Option<Packing>,
}

/// How many times as rough as another a frame may be that is coded beside it.
const ALIKE: u64 = 3;

impl<'a> Prepared<'a> {
    pub fn new(tile: &Tile<'a>) -> Self {
        let [_, rows, columns] = upright(tile.shape);
        let packing = Packing::find(tile.values, tile.mask, rows * columns, tile.bin_bits);
        let values = match &packing {
            Some(packing) => packing.pack(tile.values, rows * columns).into(),
            None => tile.values.into(),
        };
        Prepared { values, packing }
    }

    /// Whether few different values occur.
    pub fn has_palette(&self) -> bool {
        matches!(self.packing, Some(Packing::Palette(_)))
    }

    /// Whether frames of so many points are about equally rough, so that what is told of one may as well be told of others.
    fn are_alike(&self, points: usize) -> bool {
        let roughness = |frame: &[i32]| frame.windows(2).map(|pair| u64::from(pair[0].abs_diff(pair[1]))).sum::<u64>();
        let each = self.values.chunks_exact(points).map(roughness);
        let [least, most] = each.fold([u64::MAX, 0], |[least, most], roughness| [least.min(roughness), most.max(roughness)]);
        most <= ALIKE.saturating_mul(least)
    }
}

/// What the encoder chooses for a tile.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    pub prepared: &'a Prepared<'a>,
    /// Frames from one key frame to the next.
    pub distance: u32,
    pub search: Search,
}

/// Codes a tile by the steps that `steps` makes for its bins; the encoder gives its choice. Returns the decoded values.
pub fn code_tile<C: BitCoder, S: Steps>(
    coder: &mut C,
    outline: Outline,
    choice: Option<Choice>,
    steps: impl FnOnce(Bin) -> S,
) -> Vec<i32> {
    let distance = coder.code_raw(choice.map_or(0, |c| c.distance), 6) as usize;
    let [frames, rows, columns] = upright(outline.shape);
    let gaps = order::gaps_together(frames, distance, rows, columns);
    let gaps = gaps.filter(|_| coder.code_raw(choice.map_or(0, |c| c.prepared.are_alike(rows * columns).into()), 1) == 1);
    let order = order::generations(frames, distance, gaps);
    let packing = Packing::code(coder, choice.and_then(|c| c.prepared.packing.as_ref()), frames, rows * columns);
    let bin = packing.as_ref().map_or(Bin::power_of_two(outline.bin_bits), Packing::bin);
    let grid = packing.as_ref().and_then(Packing::grid);
    let mut decoded = code_frames(coder, steps(bin), &order, grid, outline, choice);
    if let Some(packing) = packing {
        packing.unpack(&mut decoded, rows * columns);
    }
    decoded
}

/// The shape with its extents of one in front: what has a row or a plane only is predicted within it.
fn upright(shape: [usize; 3]) -> [usize; 3] {
    let mut sorted = shape;
    sorted.sort_by_key(|&extent| extent != 1);
    sorted
}

fn code_frames<C: BitCoder, S: Steps>(
    coder: &mut C,
    steps: S,
    generations: &[Vec<Visit>],
    grid: Option<&Grid>,
    outline: Outline,
    choice: Option<Choice>,
) -> Vec<i32> {
    let [planes, rows, columns] = upright(outline.shape);
    let area = rows * columns;
    let mut decoded = vec![0; planes * area];
    // Where each frame is: in which generation, and which one of it; and which generation is the last to refer to each.
    let mut places = vec![(0, 0); planes];
    let mut last_use: Vec<usize> = (0..generations.len()).collect();
    for (i, generation) in generations.iter().enumerate() {
        for (at, visit) in generation.iter().enumerate() {
            places[visit.frame] = (i, at);
            visit.references.iter().flatten().for_each(|&r| last_use[places[r].0] = i);
        }
    }
    // Generations that others are still to refer to.
    let mut coded: BTreeMap<usize, Frames> = BTreeMap::new();
    let mut frames = FrameCoder::new(steps, rows, columns);
    let (mut spare_masks, mut spare_originals) = (Vec::new(), Vec::new());
    for (i, generation) in generations.iter().enumerate() {
        let count = generation.len();
        let part = |visit: &Visit| visit.frame * area..(visit.frame + 1) * area;
        let reference = |frame: usize, by: usize| {
            let (generation, at) = places[frame];
            coded.get(&generation).map(|frames| Reference { frames, at, frame, by })
        };
        let referred: Vec<_> = generation.iter().map(|visit| visit.references.map(|frame| reference(frame?, visit.frame))).collect();
        let references = frames.references(&referred, grid);
        let mask = outline.mask.map(|mask| split(&mut spare_masks, generation, |visit| &mask[part(visit)], rows, columns));
        let original = choice.map(|choice| Original {
            values: split(&mut spare_originals, generation, |visit| &choice.prepared.values[part(visit)], rows, columns),
            search: choice.search,
        });
        let of_generation = frames.code(coder, count, references.as_ref(), mask.as_ref(), original.as_ref());
        references.into_iter().for_each(|references| frames.discard_references(references));
        spare_masks.extend(mask);
        spare_originals.extend(original.map(|original| original.values));
        for (at, visit) in generation.iter().enumerate() {
            for (row, out) in decoded[part(visit)].chunks_exact_mut(columns).enumerate() {
                of_generation.values.levels[0].merge_row(at, row, out);
            }
        }
        coded.insert(i, of_generation);
        let referred = generation.iter().flat_map(|visit| visit.references).flatten().map(|r| places[r].0);
        for done in referred.chain([i]).filter(|&generation| last_use[generation] <= i) {
            coded.remove(&done).into_iter().for_each(|done| frames.discard(done));
        }
    }
    decoded
}

/// The frames of a generation taken apart.
fn split<'a, T: Copy + Default + 'a>(
    spare: &mut Vec<Pyramid<T>>,
    generation: &[Visit],
    values: impl Fn(&Visit) -> &'a [T],
    rows: usize,
    columns: usize,
) -> Pyramid<T> {
    let mut pyramid = spare_or_new(spare, generation.len(), rows, columns);
    generation.iter().enumerate().for_each(|(at, visit)| pyramid.split(at, values(visit), columns));
    pyramid
}
