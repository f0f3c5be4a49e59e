//! Fields that hold few different values: packed twice, rounded to few bits, categories. Their ranks in the sorted list of
//! values are coded instead of the values; neighbours in the list are neighbours in value, so predictors work on ranks.

use crate::mask::Survey;
use crate::value::Value;
use std::collections::HashSet;

/// Values looked at before all are.
const SAMPLE: usize = 4096;
/// More values than this are not few.
pub const MAX_COLOURS: usize = 1 << 14;

/// The bit patterns of a chunk's ordinary values in ascending order of value, where there are at most `few` of them, and too
/// few for the list to matter.
pub fn find<V: Value>(values: &[V], survey: &Survey, few: f64) -> Option<Vec<u64>> {
    let few = few.min(MAX_COLOURS as f64).min(survey.ordinary as f64 / 64.0) as usize;
    let distinct = |points: &mut dyn Iterator<Item = V>, most: usize| {
        let mut seen = HashSet::new();
        let mut last = None;
        for v in points.filter(|&v| survey.is_ordinary(v)) {
            // Neighbours are often equal.
            if last.replace(v.bits()) != Some(v.bits()) && seen.insert(ordinal(v.bits(), V::SIZE)) && seen.len() > most {
                return None;
            }
        }
        Some(seen)
    };
    let stride = (values.len() / SAMPLE).max(1);
    distinct(&mut values.iter().step_by(stride).copied(), few.min(SAMPLE * 3 / 4))?;
    let mut seen: Vec<u64> = distinct(&mut values.iter().copied(), few)?.into_iter().collect();
    seen.sort_unstable();
    (!seen.is_empty()).then(|| seen.into_iter().map(|o| ordinal_inverse(o, V::SIZE)).collect())
}

/// Ranks of values in a palette, the middle one being 0.
pub fn ranks<V: Value>(values: &[V], palette: &[u64]) -> Vec<i32> {
    let order: Vec<u64> = palette.iter().map(|&bits| ordinal(bits, V::SIZE)).collect();
    let middle = palette.len() / 2;
    let rank = |v: &V| order.partition_point(|&o| o < ordinal(v.bits(), V::SIZE)).min(order.len() - 1);
    // Neighbours are often equal.
    let mut last = (values.first().map_or(0, |v| v.bits()), values.first().map_or(0, rank));
    let next = |v: &V| {
        if v.bits() != last.0 {
            last = (v.bits(), rank(v));
        }
        last.1 as i32 - middle as i32
    };
    values.iter().map(next).collect()
}

/// The values of ranks; a rank outside of the palette is that of its nearer end.
pub fn values<V: Value>(ranks: &[i32], palette: &[u64]) -> Vec<V> {
    let middle = (palette.len() / 2) as i32;
    let last = palette.len() as i32 - 1;
    let value = |r: i32| V::from_bits(palette[r.saturating_add(middle).clamp(0, last) as usize]);
    ranks.iter().map(|&r| value(r)).collect()
}

/// Bit patterns in the order of their values: those of negative numbers reversed, below the others.
fn ordinal(bits: u64, size: usize) -> u64 {
    let sign = 1 << (8 * size - 1);
    let all = sign | (sign - 1);
    if bits & sign == 0 { bits | sign } else { !bits & all }
}

fn ordinal_inverse(ordinal: u64, size: usize) -> u64 {
    let sign = 1 << (8 * size - 1);
    let all = sign | (sign - 1);
    if ordinal & sign != 0 { ordinal & !sign } else { !ordinal & all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_come_back(seeds in prop::collection::vec(any::<i8>(), 1..9)) {
            let values: Vec<f32> = (0..6400).map(|i| f32::from(seeds[i / 3 % seeds.len()]) * 0.3).collect();
            let survey = Survey { ordinary: values.len(), ..Survey::default() };
            let palette = find(&values, &survey, 1e3).unwrap();
            prop_assert!(palette.windows(2).all(|p| f32::from_bits(p[0] as u32) < f32::from_bits(p[1] as u32)));
            let back: Vec<f32> = super::values(&ranks(&values, &palette), &palette);
            prop_assert_eq!(back, values);
        }
    }

    #[test]
    fn a_continuum_has_no_palette() {
        let values: Vec<f32> = (0..100_000).map(|i| (i as f32 * 0.001).sin()).collect();
        assert_eq!(find(&values, &Survey::of(&values, 1000, false, &[]), 1e9), None);
    }
}
