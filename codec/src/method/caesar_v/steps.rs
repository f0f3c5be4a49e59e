//! Which quantiser steps the encoder tries.

use crate::error::Result;
use crate::options::Effort;
use crate::transform::{LAST_STEP, STEPS, step, step_index};
use std::ops::Range;

/// A step some eighths of an octave away.
fn nearby(step: u16, eighths: i32) -> u16 {
    (i32::from(step) + eighths * i32::from(STEPS) / 8).clamp(0, LAST_STEP.into()) as u16
}

/// A step in octaves.
pub fn octaves(index: u16) -> f64 {
    f64::from(step(index)).log2()
}

/// The slope of what was found at two steps, in octaves: of steps less than a tenth of an octave apart chance is trusted little, and what
/// is `usual` more.
pub fn slope((before, other): (f64, f64), (at, found): (f64, f64), usual: f64) -> f64 {
    // Of octaves, squared.
    const NEARBY: f64 = 0.01;
    (usual * NEARBY + (found - other) * (at - before)) / (NEARBY + (at - before).powi(2))
}

/// Steps to try under a pointwise bound, beside the first: where a step finds its optimum depends on the field.
pub fn around(first: u16, effort: Effort) -> impl Iterator<Item = u16> {
    let eighths: &[i32] = match effort {
        Effort::Fast => &[],
        Effort::Balanced => &[-4, 3],
        Effort::Best => &[-12, -8, -4, -2, 2, 4, 8],
    };
    eighths.iter().map(move |&eighths| nearby(first, eighths))
}

/// The cheapest of what steps make, when costs rise on both sides of the best step: downhill from the first in strides that get smaller.
/// `closed`: what a step costs and makes.
pub fn cheapest<T>(first: u16, effort: Effort, mut closed: impl FnMut(u16) -> Result<(usize, T)>) -> Result<T> {
    let strides: &[i32] = match effort {
        Effort::Fast => &[-6, 3],
        Effort::Balanced => &[-6, 3, -3],
        Effort::Best => &[-6, 3, -3, 1, -1],
    };
    let mut at = first;
    let mut best = closed(first)?;
    let mut tried = vec![first];
    for &stride in strides {
        loop {
            let step = nearby(at, stride);
            if tried.contains(&step) {
                break;
            }
            tried.push(step);
            let next = closed(step)?;
            if next.0 >= best.0 {
                break;
            }
            (at, best) = (step, next);
        }
    }
    Ok(best.1)
}

/// The search for the widest step whose mean square error keeps a limit.
pub struct Search {
    limit: f64,
    /// The step to try.
    next: u16,
    /// Errors that may still be taken in, before one keeps the limit, and guesses before the next of them.
    left: usize,
    spare: usize,
    more: usize,
    guesses: usize,
    /// How fast the error is thought to grow with the step, both in octaves.
    slope: f64,
    /// The step tried last and its error beyond the limit, both in octaves.
    last: Option<(f64, f64)>,
    /// The steps between the widest that is known to keep the limit and the finest that is known to miss it.
    open: Range<u16>,
}

/// How near an error should come to its limit, in octaves, and what the next one aims at.
const NEAR: f64 = 0.014;
const AIM: f64 = 0.006;
/// Where all latents are zero the error no longer grows with the step, which says nothing of finer ones.
const LEAST_SLOPE: f64 = 0.1;
/// No error grows faster.
const STEEPEST: f64 = 4.0;
/// Errors that are as far below their limit at the end are worth more tries: few codes change them by leaps.
const FAR: f64 = 0.04;
const MORE: usize = 2;
/// Guesses in a row.
const GUESSES: usize = 3;

impl Search {
    pub fn new(first: u16, slope: f64, limit: f64, effort: Effort) -> Search {
        let left = match effort {
            Effort::Fast => 2,
            Effort::Balanced => 3,
            Effort::Best => 6,
        };
        Search { limit, next: first, left, spare: 2, more: MORE, guesses: GUESSES, slope: slope.clamp(0.4, 2.0), last: None, open: 0..LAST_STEP + 1 }
    }

    /// The step to try, until there is none left.
    pub fn next(&self) -> Option<u16> {
        (self.left > 0).then_some(self.next)
    }

    /// Takes in what the error of the step is thought to be, unless it is worth finding out: says whether it is.
    pub fn guess(&mut self, error: f64) -> bool {
        let excess = self.excess(error);
        let tried = self.next;
        if self.guesses > 0 && !(-NEAR..0.0).contains(&excess) {
            self.guesses -= 1;
            self.turn(excess, AIM);
        }
        self.next == tried
    }

    /// Takes in the error of the step tried.
    pub fn learn(&mut self, error: f64) {
        let excess = self.excess(error);
        let tried = self.next;
        if excess > 0.0 {
            self.open.end = tried.min(self.open.end);
        } else {
            self.open.start = self.open.start.max(tried + 1);
        }
        // Ever more to spare where a limit is still missed at the end.
        self.turn(excess, if self.left > 1 { AIM } else { AIM * f64::from(4 << 2 * (2 - self.spare)) });
        self.guesses = GUESSES;
        let kept = excess <= 0.0;
        self.left -= 1;
        if kept && excess > -NEAR || self.open.is_empty() {
            self.left = 0;
        } else if self.left == 0 && !kept && self.spare > 0 {
            (self.left, self.spare) = (1, self.spare - 1);
        } else if self.left == 0 && kept && excess < -FAR && self.more > 0 {
            (self.left, self.more) = (1, self.more - 1);
        }
    }

    fn excess(&self, error: f64) -> f64 {
        (error.max(1e-9) / self.limit.max(1e-9)).log2().clamp(-30.0, 30.0)
    }

    fn turn(&mut self, excess: f64, aim: f64) {
        let at = octaves(self.next);
        if let Some(last) = self.last {
            self.slope = slope(last, (at, excess), self.slope).clamp((self.slope / 2.0).max(LEAST_SLOPE), STEEPEST);
        }
        self.last = Some((at, excess));
        let next = step_index((at - (excess + aim) / self.slope).exp2() as i64);
        self.next = next.min(self.open.end.saturating_sub(1)).max(self.open.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somewhere between two octaves.
    const BEST: u16 = 10 * STEPS + 3 * STEPS / 8;

    #[test]
    fn the_search_ends_beside_the_limit() {
        for power in [0.7, 1.0, 1.4, 2.0] {
            for first in [0, 5 * STEPS, 11 * STEPS, LAST_STEP] {
                let error = |index: u16| f64::from(step(index)).powf(power);
                let limit = error(BEST) * 1.001;
                let mut search = Search::new(first, 1.2, limit, Effort::Best);
                let mut best = 0;
                while let Some(index) = search.next() {
                    search.learn(error(index));
                    best = if error(index) <= limit { best.max(index) } else { best };
                }
                assert!((BEST - STEPS / 64..=BEST).contains(&best), "{best} from {first} at {power}");
            }
        }
    }

    #[test]
    fn the_cheapest_step_is_found_from_both_sides() {
        for best in [0, 5 * STEPS, 10 * STEPS, 11 * STEPS, LAST_STEP] {
            let cost = |step: u16| Ok((usize::from(step.abs_diff(best)), step));
            let found = cheapest(10 * STEPS, Effort::Best, cost).unwrap();
            assert!(found.abs_diff(best) <= STEPS / 8, "{found} for {best}");
        }
    }

    /// A small change of the step changes the error by chance, and what is thought of it by another.
    #[test]
    fn chance_does_not_lead_the_search_astray() {
        let chance = |index: u16, seed: u32| f64::from((u32::from(index) ^ seed << 16).wrapping_mul(0x9E37_79B1).wrapping_mul(0x85EB_CA6B) >> 8) / f64::from(1 << 24) - 0.5;
        for seed in 0..1000 {
            let error = |index: u16| f64::from(step(index)).powf(1.2) * (0.04 * chance(index, seed)).exp2();
            let limit = error(BEST);
            let mut search = Search::new(BEST + STEPS / 8, 1.2, limit, Effort::Balanced);
            let (mut best, mut known) = (0, Vec::new());
            while let Some(index) = search.next() {
                if !known.is_empty() && !search.guess(error(index) * (0.04 * chance(index, !seed)).exp2()) {
                    continue;
                }
                search.learn(error(index));
                assert!(!known.contains(&index), "{index} is tried again with {seed}");
                known.push(index);
                best = if error(index) <= limit { best.max(index) } else { best };
            }
            assert!(best > BEST - STEPS / 4, "{} of an octave below with {seed}", f64::from(BEST - best) / f64::from(STEPS));
        }
    }

    #[test]
    fn an_error_that_no_longer_grows_leads_not_far_below_the_limit() {
        let power = |index: u16| f64::from(step(index)).powf(1.2);
        let error = |index: u16| power(index).min(1.004 * power(BEST));
        let mut search = Search::new(14 * STEPS, 1.2, power(BEST), Effort::Balanced);
        while let Some(index) = search.next() {
            assert!(index > BEST - 2 * STEPS, "{index}");
            if search.guess(error(index)) {
                search.learn(error(index));
            }
        }
    }
}
