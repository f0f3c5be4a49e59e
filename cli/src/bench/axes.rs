//! The axes of a diagram.

use super::svg::{Anchor, Svg};
use crate::text::short;

/// From values to places along a side, logarithmic or linear, between round numbers.
pub struct Axis {
    pub title: String,
    ends: [f64; 2],
    is_log: bool,
    ticks: Vec<f64>,
}

impl Axis {
    /// For values above 0.
    pub fn log(title: &str, values: impl Iterator<Item = f64>) -> Axis {
        let [low, high] = ends(values);
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let round = |digits: &[f64]| decades.clone().flat_map(|d| digits.iter().map(move |digit| digit * 10f64.powi(d))).collect::<Vec<_>>();
        let ends = around([low, high], &round(&[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0]));
        let sets = [&[1.0][..], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0], &[1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0]];
        let mut ticks = sets.map(|digits| within(ends, round(digits))).into_iter();
        // As few round numbers as will do.
        let ticks = ticks.find(|ticks| ticks.len() > 4).unwrap_or_else(|| ends.to_vec());
        Axis { title: title.into(), ends, is_log: true, ticks }
    }

    pub fn linear(title: &str, values: impl Iterator<Item = f64>) -> Axis {
        let [low, high] = ends(values);
        let rough = (high - low).max(high.abs() * 1e-6).max(f64::MIN_POSITIVE) / 6.0;
        let decade = 10f64.powf(rough.log10().floor());
        let step = decade * [1.0, 2.0, 5.0, 10.0].into_iter().find(|digit| digit * decade >= rough).unwrap_or(10.0);
        // From one before the first: a step that is not exact may lead beyond the value.
        let all: Vec<f64> = (-1..12).map(|i| ((low / step).floor() + f64::from(i)) * step).collect();
        let ends = around([low, high], &all);
        Axis { title: title.into(), ends, is_log: false, ticks: within(ends, all) }
    }

    /// 0 at the lower end, 1 at the upper.
    fn share(&self, value: f64) -> f64 {
        let [low, high] = self.ends;
        if self.is_log { (value / low).ln() / (high / low).ln() } else { (value - low) / (high - low) }
    }
}

/// The least and the largest; something where there is none.
fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let [low, high] = values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)]);
    if low <= high { [low, high] } else { [1.0, 10.0] }
}

/// The nearest round numbers around two values, never the same.
fn around([low, high]: [f64; 2], round: &[f64]) -> [f64; 2] {
    let beyond = |i: usize| 1e-9 * (round[i] - round[i - 1]);
    let first = (1..round.len()).rev().find(|&i| round[i - 1] <= low + beyond(i)).map_or(0, |i| i - 1);
    let last = (1..round.len()).find(|&i| round[i] >= high - beyond(i)).unwrap_or(round.len() - 1);
    [round[first], round[last.max(first + 1).min(round.len() - 1)]]
}

fn within([low, high]: [f64; 2], mut ticks: Vec<f64>) -> Vec<f64> {
    ticks.retain(|tick| *tick >= low * (1.0 - 1e-9) && *tick <= high * (1.0 + 1e-9));
    ticks
}

/// A box with an axis below and one on the left.
pub struct Panel {
    pub corner: [f64; 2],
    pub size: [f64; 2],
    pub x: Axis,
    pub y: Axis,
}

impl Panel {
    pub fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.corner[0] + self.x.share(x) * self.size[0], self.corner[1] + (1.0 - self.y.share(y)) * self.size[1]]
    }

    /// Grid, frame and words.
    pub fn draw(&self, svg: &mut Svg) {
        let [left, top] = self.corner;
        let [right, bottom] = [left + self.size[0], top + self.size[1]];
        for &tick in &self.x.ticks {
            let [x, _] = self.place([tick, self.y.ends[0]]);
            svg.line("grid", [x, top], [x, bottom]);
            svg.text([x, bottom + 18.0], "small", Anchor::Middle, &short(tick));
        }
        for &tick in &self.y.ticks {
            let [_, y] = self.place([self.x.ends[0], tick]);
            svg.line("grid", [left, y], [right, y]);
            svg.text([left - 8.0, y + 4.0], "small", Anchor::End, &short(tick));
        }
        svg.rect("frame", self.corner, self.size);
        svg.text([left + self.size[0] / 2.0, bottom + 40.0], "", Anchor::Middle, &self.x.title);
        svg.text([left, top - 12.0], "", Anchor::Start, &self.y.title);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_few_and_enclose_the_values() {
        type Make = fn(&[f64]) -> Axis;
        let log: (Make, &[&[f64]]) = (|v| Axis::log("", v.iter().copied()), &[&[0.3, 4.0], &[0.0027, 5.3], &[21.0, 36.0], &[1.0], &[7.3, 7.4], &[1e-9, 1e9], &[]]);
        let linear: (Make, &[&[f64]]) = (|v| Axis::linear("", v.iter().copied()), &[&[47.8, 129.5], &[3.0, 4.0], &[60.0], &[1e-30, 2e30], &[1e12, 1e12 + 1.0], &[]]);
        for (make, cases) in [log, linear] {
            for values in cases {
                let axis = make(values);
                values.iter().for_each(|v| assert!((-1e-9..1.0 + 1e-9).contains(&axis.share(*v)), "{values:?}: {:?}", axis.ends));
                assert!((2..=20).contains(&axis.ticks.len()), "{values:?}: {:?}", axis.ticks);
            }
        }
        let axis = Axis::log("", [0.14, 14.0].into_iter());
        assert_eq!(axis.ticks.into_iter().map(short).collect::<Vec<_>>(), ["0.2", "0.5", "1", "2", "5", "10"]);
    }
}
