//! Data that were packed as integers once (GRIB, netCDF `scale_factor`) lie on a grid: `origin + step · n`. Where the grid is coarser
//! than the bound, coding the integers themselves is exact and far cheaper than coding finer bins.

use crate::mask::Survey;
use crate::value::Value;

/// A grid that ordinary values lie on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    /// The smallest value.
    pub low: f64,
    pub step: f64,
    /// Steps from the smallest to the largest value.
    pub steps: f64,
}

/// Values looked at for a first guess.
const SAMPLE: usize = 4096;
/// Roundings of the stored type that a value may be away from its grid point.
const ROUNDINGS: f64 = 4.0;

impl Grid {
    /// The grid of a chunk's ordinary values, if there is one with steps of at least `coarsest_useful`.
    pub fn find<V: Value>(values: &[V], survey: &Survey, coarsest_useful: f64) -> Option<Grid> {
        let tolerance = survey.largest * V::ROUNDING * ROUNDINGS;
        let least = coarsest_useful.max(8.0 * tolerance);
        let range = survey.high - survey.low;
        let ordinary = |v: &V| survey.is_ordinary(*v).then(|| v.to_f64());
        // Two stretches rather than single points: neighbours differ by few steps.
        let stride = (values.len() / SAMPLE).max(1);
        let mut sample: Vec<f64> = values.iter().take(SAMPLE).chain(values.iter().step_by(stride)).filter_map(ordinary).collect();
        sample.sort_by(f64::total_cmp);
        sample.dedup_by(|b, a| *b - *a <= tolerance);
        let mut differences: Vec<f64> = sample.windows(2).map(|pair| pair[1] - pair[0]).collect();
        differences.sort_by(f64::total_cmp);
        // Euclid's algorithm, with rounding errors taken for nothing; each longer difference tells the step better.
        let mut step = *differences.first()?;
        for &difference in &differences {
            let mut rest = (difference - (difference / step).round() * step).abs();
            if rest <= 2.0 * tolerance {
                step = difference / (difference / step).round();
            }
            while rest > 2.0 * tolerance {
                (step, rest) = (rest, (step - (step / rest).round() * rest).abs());
                if step < least {
                    return None;
                }
            }
        }
        // And the whole stretch tells it best.
        for &x in &sample[1..] {
            let n = ((x - sample[0]) / step).round();
            if n > 0.0 {
                step = (x - sample[0]) / n;
            }
        }
        if step < least {
            return None;
        }
        let steps = (range / step).round();
        let grid = Grid { low: survey.low, step: range / steps, steps };
        let misses = values.iter().filter_map(ordinary).filter(|&x| grid.distance(x) > 2.0 * tolerance).count();
        (steps >= 1.0 && misses * 4096 <= values.len()).then_some(grid)
    }

    fn distance(&self, x: f64) -> f64 {
        let n = ((x - self.low) / self.step).round();
        (self.low + n * self.step - x).abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(values: &[f32], coarsest_useful: f64) -> Option<Grid> {
        Grid::find(values, &Survey::of(values, values.len(), false, &[]), coarsest_useful)
    }

    #[test]
    fn packed_values_lie_on_their_grid() {
        for (offset, scale) in [(273.15, 0.01), (0.0, 0.1), (-1e5, 0.25), (101325.0, 1.7), (1e-8, 3e-12)] {
            let packed = |i: usize| (i as f64 * 0.013).sin() * 900.0 + (i as f64 * 0.4).cos() * 300.0;
            let values: Vec<f32> = (0..20_000).map(|i| (offset + scale * packed(i).round()) as f32).collect();
            let grid = find(&values, scale / 2.0).unwrap();
            assert!((grid.step / scale - 1.0).abs() < 1e-4, "{scale}: {grid:?}");
            assert_eq!(find(&values, scale * 2.0), None, "finer than the bound is of no use");
        }
    }

    #[test]
    fn other_values_do_not() {
        let smooth: Vec<f32> = (0..20_000).map(|i| (i as f32 * 0.013).sin()).collect();
        assert_eq!(find(&smooth, 1e-4), None);
        assert_eq!(find(&[3.0; 100], 1e-4), None);
        let mut nearly: Vec<f32> = (0..20_000).map(|i| (i * 7 % 1000) as f32).collect();
        nearly.iter_mut().skip(9000).step_by(3).for_each(|v| *v += 0.3);
        assert_eq!(find(&nearly, 0.9), None);
    }
}
