//! What the closed-loop methods share: the order of frames and levels, linear predictors, quantiser, palettes and masks.
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
mod order;
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
use frame::{Frame, FrameCoder, Original};
use palette::Palette;
use plane::{Plane, Pyramid};
use std::borrow::Cow;
use step::Step;

/// A closed-loop method, and everything it learns while the steps of a tile are coded.
pub trait Steps {
    fn bin(&self) -> Bin;

    /// Codes a step: its values and the magnitudes of its codes go to `values` and `sizes`, margins included.
    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, values: &mut Plane<i32>, sizes: &mut Plane<i16>);
}

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
    /// Lattice integers, or positions in the palette.
    values: Cow<'a, [i32]>,
    palette: Option<Palette>,
}

impl<'a> Prepared<'a> {
    pub fn new(tile: &Tile<'a>) -> Self {
        let palette = Palette::find(tile.values, tile.mask, tile.bin_bits);
        let values = match &palette {
            Some(palette) => tile.values.iter().map(|&v| palette.position(v)).collect(),
            None => Cow::Borrowed(tile.values),
        };
        Prepared { values, palette }
    }

    /// Whether few different values occur.
    pub fn has_palette(&self) -> bool {
        self.palette.is_some()
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
    let palette = choice.and_then(|c| c.prepared.palette.clone());
    let palette = Palette::code(coder, palette, outline.shape.iter().product());
    let bin = palette.as_ref().map_or(Bin::power_of_two(outline.bin_bits), Palette::bin);
    let mut decoded = code_frames(coder, steps(bin), distance, outline, choice);
    if let Some(palette) = palette {
        decoded.iter_mut().for_each(|v| *v = palette.value(*v));
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
    distance: usize,
    outline: Outline,
    choice: Option<Choice>,
) -> Vec<i32> {
    let [planes, rows, columns] = upright(outline.shape);
    let area = rows * columns;
    let mut decoded = vec![0; planes * area];
    let visits = order::visits(planes, distance);
    let mut last_use = vec![0; planes];
    for (i, visit) in visits.iter().enumerate() {
        visit.references.iter().flatten().for_each(|&r| last_use[r] = i);
    }
    let mut coded: Vec<Option<Frame>> = (0..planes).map(|_| None).collect();
    let mut frames = FrameCoder::new(steps, rows, columns);
    let mut mask = outline.mask.map(|mask| (mask, Pyramid::new(rows, columns)));
    let mut original = choice.map(|choice| Original { values: Pyramid::new(rows, columns), search: choice.search });
    for (i, visit) in visits.iter().enumerate() {
        let part = visit.frame * area..(visit.frame + 1) * area;
        let references = frames.references(visit.references.map(|r| coded[r?].as_ref()));
        if let Some((mask, split)) = &mut mask {
            split.split(&mask[part.clone()], columns);
        }
        if let (Some(original), Some(choice)) = (&mut original, choice) {
            original.values.split(&choice.prepared.values[part.clone()], columns);
        }
        let mask = mask.as_ref().map(|(_, split)| split);
        let frame = frames.code(coder, references.as_ref(), mask, original.as_ref());
        references.into_iter().for_each(|references| frames.discard_references(references));
        for (row, out) in decoded[part].chunks_exact_mut(columns).enumerate() {
            frame.values.levels[0].merge_row(row, out);
        }
        coded[visit.frame] = Some(frame);
        for reference in visit.references.into_iter().flatten().chain([visit.frame]) {
            if last_use[reference] <= i {
                coded[reference].take().into_iter().for_each(|frame| frames.discard(frame));
            }
        }
    }
    decoded
}
