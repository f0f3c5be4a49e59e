//! Tiles in which few different values occur, as in packed data: they are coded as positions in a table of these.
//!
//! Positions between packed values never occur, and no bits are spent on telling them apart. Neighbouring entries
//! share a bin where the bound allows.

use super::bin::Bin;
use crate::entropy::codes::{CodeModel, Context, log_class};
use crate::entropy::BitCoder;

/// Values looked at before all of them are.
const SAMPLES: usize = 1 << 12;

/// The values of a tile in ascending order, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Palette {
    values: Vec<i32>,
    /// Table entries to a bin; odd.
    multiple: u16,
}

impl Palette {
    /// The palette of a tile if it is likely to pay, and how many bits it saves.
    pub fn find(values: &[i32], mask: Option<&[bool]>, bin_bits: u32) -> Option<(Self, f64)> {
        let kept = |step: usize| {
            let all = values.iter().enumerate().step_by(step);
            let mut kept: Vec<i32> = all.filter(|(i, _)| mask.is_none_or(|m| !m[*i])).map(|(_, &v)| v).collect();
            kept.sort_unstable();
            kept
        };
        let sample = kept(values.len().div_ceil(SAMPLES).max(1));
        let different = 1 + sample.windows(2).filter(|w| w[0] != w[1]).count();
        let range = i64::from(*sample.last()?) - i64::from(sample[0]);
        if different * 10 > sample.len() * 9 || range * 4 < (different as i64) << bin_bits {
            return None;
        }
        let sorted = kept(1);
        let mut table = sorted.clone();
        table.dedup();
        // Reaching `steps` entries to either side must not leave the bin.
        let half = 1i64 << bin_bits >> 1;
        let within = |steps: usize| {
            let far = |w: &[i32]| i64::from(w[w.len() - 1]) - i64::from(w[0]) > half;
            !table.windows(steps + 1).any(far)
        };
        let steps = (1..255).take_while(|&steps| within(steps)).last().unwrap_or(0);
        let multiple = 2 * steps + 1;
        // Each occurrence of a value saves the logarithm of how much wider than a bin its place is now.
        let mut saved = 0.0;
        let mut at = 0;
        for (i, &value) in table.iter().enumerate() {
            let count = sorted[at..].iter().take_while(|&&v| v == value).count();
            at += count;
            let (below, above) = (table[i.saturating_sub(1)], table[(i + 1).min(table.len() - 1)]);
            let width = (f64::from(above) - f64::from(below)).max(1.0) / 2.0 * multiple as f64;
            saved += count as f64 * (width / (1u64 << bin_bits) as f64).log2().clamp(-8.0, 8.0);
        }
        let saved = saved - 10.0 * table.len() as f64;
        (saved > 0.05 * sorted.len() as f64).then_some((Palette { values: table, multiple: multiple as u16 }, saved))
    }

    pub fn bin(&self) -> Bin {
        Bin::odd(i32::from(self.multiple))
    }

    /// Where the entry nearest to a value stands.
    pub fn position(&self, value: i32) -> i32 {
        let above = self.values.partition_point(|&v| v < value).min(self.values.len() - 1);
        let below = above.saturating_sub(1);
        let nearer_below = value.abs_diff(self.values[below]) < value.abs_diff(self.values[above]);
        (if nearer_below { below } else { above }) as i32
    }

    /// The value at a position; beyond either end the last one there.
    pub fn value(&self, position: i32) -> i32 {
        self.values.get(position.max(0) as usize).or(self.values.last()).copied().unwrap_or(0)
    }

    /// Tells a palette of no more than `points` values.
    pub fn code<C: BitCoder>(coder: &mut C, known: Option<&Self>, points: usize) -> Self {
        let multiple = coder.code_raw(known.map_or(0, |p| u32::from(p.multiple)), 16) as u16;
        let length = coder.code_raw(known.map_or(0, |p| p.values.len() as u32), 32) as usize;
        let mut values = Vec::with_capacity(length.min(points));
        let mut gaps = CodeModel::<1>::new([64], 1, 1);
        let (mut last, mut gap, mut change) = (0i32, 0i32, 0i32);
        for i in 0..length.min(points) {
            let wanted = known.map_or(0, |p| p.values[i].wrapping_sub(last).wrapping_sub(gap));
            let size = change.unsigned_abs();
            let shift = (size / 4).checked_ilog2().unwrap_or(0);
            change = gaps.code(coder, wanted, &Context { tables: [log_class(size).min(63)], set: 0, shift, sign: 0 });
            gap = gap.wrapping_add(change);
            last = last.wrapping_add(gap);
            values.push(last);
        }
        Palette { values, multiple }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Decoder, Encoder};

    #[test]
    fn packed_values_have_one_and_it_comes_back() {
        let values: Vec<i32> = (0..20_000).map(|i| (i * i % 997) * 4000 + i * i % 997 % 2).collect();
        let (palette, _) = Palette::find(&values, None, 8).expect("997 values at most");
        assert!(values.iter().all(|&v| palette.value(palette.position(v)) == v));
        let mut encoder = Encoder::new();
        let told = Palette::code(&mut encoder, Some(&palette), values.len());
        let bytes = encoder.finish();
        assert!(bytes.len() < 1000);
        let read = Palette::code(&mut Decoder::new(&bytes), None, values.len());
        assert_eq!(read, told);
    }

    #[test]
    fn others_have_none() {
        let values: Vec<i32> = (0..50_000i64).map(|i| (i * i % 100_003 * 37) as i32).collect();
        assert_eq!(Palette::find(&values, None, 8), None);
        assert_eq!(Palette::find(&[], None, 8), None);
        assert_eq!(Palette::find(&values, Some(&[true; 50_000]), 8), None);
    }

    #[test]
    fn hostile_lengths_allocate_nothing() {
        let mut encoder = Encoder::new();
        encoder.code_raw(u32::MAX, 16);
        encoder.code_raw(u32::MAX, 32);
        let bytes = encoder.finish();
        let palette = Palette::code(&mut Decoder::new(&bytes), None, 10);
        assert_eq!(palette.values.len(), 10);
        palette.value(i32::MIN);
        assert_eq!(Palette { values: vec![], multiple: 1 }.value(5), 0);
    }
}
