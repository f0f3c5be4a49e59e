//! The values that everybody compresses: a variable, or the middle of a large one.

use crate::compare::{Comparison, Pair, Value};
use crate::dataset::DataSet;
use crate::text;
use anyhow::{Context, Result};
use caesar_codec::{Bound, ByteOrder, Codec, Effort, Element, Layout, MethodChoice, Options};
use indicatif::BinaryBytes;

pub struct Field {
    pub name: String,
    /// Of the part that was taken, little-endian.
    pub layout: Layout,
    pub bytes: Vec<u8>,
    /// Bit patterns of the declared fill values.
    pub fills: Vec<u64>,
    /// Bit patterns of fills and the like, as the codec finds them.
    specials: Vec<u64>,
    /// Number, least and largest of the ordinary values.
    points: usize,
    low: f64,
    high: f64,
    /// The rows of a plane go from the south to the north.
    pub rows_go_up: bool,
    /// Which part of the variable this is; empty: all of it.
    part: String,
}

impl Field {
    /// Reads up to `limit` bytes of a variable of floats; 0: all. `sets` are those of its file.
    pub fn read(set: &DataSet, sets: &[DataSet], limit: usize) -> Result<Field> {
        let whole = &set.layout.shape;
        let element = Element { order: ByteOrder::Little, ..set.layout.element };
        let shape = fitting(whole, if limit == 0 { usize::MAX } else { limit / element.size });
        let start: Vec<usize> = whole.iter().zip(&shape).map(|(whole, part)| (whole - part) / 2).collect();
        let bytes = if shape == *whole { set.read() } else { set.read_box(&start, &shape) };
        let bytes = bytes.with_context(|| format!("cannot read {}", set.name))?;
        let cut = (0..shape.len()).filter(|&axis| shape[axis] < whole[axis]);
        let cut = cut.map(|axis| format!("{} to {} of {}", start[axis], start[axis] + shape[axis] - 1, whole[axis]));
        let part = cut.collect::<Vec<_>>().join(", of these ");
        let layout = Layout::new(element, shape);
        let specials = specials(&layout, &bytes, &set.fills)?;
        let mut field = Field {
            name: set.name.clone(),
            layout,
            bytes,
            fills: set.fills.clone(),
            specials,
            points: 0,
            low: 0.0,
            high: 0.0,
            rows_go_up: rows_go_up(set, sets),
            part,
        };
        let itself = field.compare(&field.bytes, Bound::Lossless);
        (field.points, field.low, field.high) = (itself.points, itself.low, itself.high);
        Ok(field)
    }

    /// A decoded copy beside the field.
    pub fn compare(&self, copy: &[u8], bound: Bound) -> Comparison {
        Comparison::of(&Pair {
            element: self.layout.element,
            original: &self.bytes,
            copy,
            shape: &self.layout.shape,
            specials: &[],
            fills: &self.specials,
            bound: Some(bound),
        })
    }

    /// The pointwise or root mean square error that a bound stands for; of `pw_rel` the fraction.
    pub fn resolve(&self, bound: Bound) -> f64 {
        bound.error((self.high - self.low).max(0.0))
    }

    /// All values of the field or of a copy of it; `None` where the field has no ordinary one.
    pub fn ordinary<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Option<f64>> + 'a {
        let size = self.layout.element.size;
        let own = self.bytes.chunks_exact(size).map(|value| Value::of(value).is_ordinary(&self.specials));
        own.zip(bytes.chunks_exact(size)).map(|(is_ordinary, value)| is_ordinary.then(|| Value::of(value).number))
    }

    /// The field with the mean in place of every special value, for those who do not survive them.
    pub fn without_specials(&self) -> Vec<u8> {
        let size = self.layout.element.size;
        let mean = self.ordinary(&self.bytes).flatten().sum::<f64>() / self.points.max(1) as f64;
        let mean = if size == 4 { (mean as f32).to_le_bytes().to_vec() } else { mean.to_le_bytes().to_vec() };
        let values = self.bytes.chunks_exact(size).zip(self.ordinary(&self.bytes));
        values.flat_map(|(value, ordinary)| if ordinary.is_some() { value } else { &mean }).copied().collect()
    }

    /// As planes, one upon the other: their number, rows and columns. Extents of one are left out.
    pub fn planes(&self) -> [usize; 3] {
        let extents: Vec<usize> = self.layout.shape.iter().copied().filter(|&extent| extent > 1).collect();
        match extents[..] {
            [ref frames @ .., rows, columns] => [frames.iter().product(), rows, columns],
            [columns] => [1, 1, columns],
            [] => [1, 1, 1],
        }
    }

    /// Name, type and extents, for titles.
    pub fn title(&self) -> String {
        format!("{}, {} {}", self.name, text::element(self.layout.element), text::shape(&self.layout.shape))
    }

    /// What is measured, in a line or two.
    pub fn describe(&self) -> String {
        let total = self.bytes.len() / self.layout.element.size;
        let mut words = format!("{}, {}", self.title(), BinaryBytes(self.bytes.len() as u64));
        match self.points {
            0 => words += ", no ordinary values",
            _ => words += &format!(", values from {} to {}", text::short(self.low), text::short(self.high)),
        }
        if self.points < total {
            words += &format!(", {:.1} % fills or NaN", (total - self.points) as f64 * 100.0 / total as f64);
        }
        if !self.part.is_empty() {
            words += &format!("\nthe middle of the variable: {} (--limit 0 takes all of it)", self.part);
        }
        words
    }
}

/// The largest box of up to `points` points with whole trailing dimensions.
fn fitting(whole: &[usize], points: usize) -> Vec<usize> {
    let mut shape = whole.to_vec();
    for axis in 0..shape.len() {
        let rest: usize = shape[axis + 1..].iter().product();
        if shape[axis].saturating_mul(rest) <= points {
            break;
        }
        shape[axis] = (points / rest.max(1)).max(1);
    }
    shape
}

/// Whether the latitude that belongs to the rows of a variable grows.
fn rows_go_up(set: &DataSet, sets: &[DataSet]) -> bool {
    let [.., rows, _] = set.layout.shape[..] else { return false };
    // degrees_north, degree_N, degreesN and so on.
    let is_northward = |units: &String| units.starts_with("degree") && (units.ends_with("north") || units.ends_with('N'));
    let is_latitude = |other: &&DataSet| other.layout.shape == [rows] && other.units.as_ref().is_some_and(is_northward);
    let is_growing = |latitude: &DataSet| {
        let bytes = latitude.read().ok().filter(|_| latitude.layout.element.is_bounded())?;
        let mut values = bytes.chunks_exact(latitude.layout.element.size).map(|value| Value::of(value).number);
        Some(values.next()? < values.next_back()?)
    };
    sets.iter().find(is_latitude).and_then(is_growing).unwrap_or(false)
}

/// Which values the codec takes for fills: those that any stream under a bound names.
fn specials(layout: &Layout, bytes: &[u8], fills: &[u64]) -> Result<Vec<u64>> {
    let quickly = Options { method: MethodChoice::Interpolation, effort: Effort::Fast, ..Options::new(Bound::Relative(0.1)) };
    let stream = Codec::classical().fills(fills.to_vec()).encode(layout, bytes, &quickly)?;
    Ok(caesar_codec::inspect(&stream)?.specials)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_along_the_slowest_dimensions() {
        assert_eq!(fitting(&[10, 4, 5], 1000), [10, 4, 5]);
        assert_eq!(fitting(&[10, 4, 5], 60), [3, 4, 5]);
        assert_eq!(fitting(&[10, 4, 5], 19), [1, 3, 5]);
        assert_eq!(fitting(&[10, 4, 5], 4), [1, 1, 4]);
        assert_eq!(fitting(&[10, 4, 5], 0), [1, 1, 1]);
        assert_eq!(fitting(&[7], 3), [3]);
        assert!(fitting(&[], 3).is_empty());
    }
}
