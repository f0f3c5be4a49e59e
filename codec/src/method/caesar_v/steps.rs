//! Which quantiser steps the encoder tries.

use crate::options::Effort;
use crate::transform::{LAST_STEP, STEPS};

/// Steps to try under a pointwise bound, beside the first: where a step finds its optimum depends on the field.
pub fn around(first: u8, effort: Effort) -> impl Iterator<Item = u8> {
    let offsets: &[i32] = match effort {
        Effort::Fast => &[],
        Effort::Balanced => &[-4, 3],
        Effort::Best => &[-12, -8, -4, -2, 2, 4, 8],
    };
    offsets.iter().map(move |offset| nearby(first, *offset))
}

/// The search for the widest step whose mean square error keeps a limit.
pub struct Search {
    limit: f64,
    /// Steps that may still be tried.
    left: usize,
    next: u8,
    /// How the error is thought to grow with the step.
    power: f64,
    /// The widest step known to keep the limit, the narrowest known to break it, and their errors.
    under: Option<(u8, f64)>,
    over: Option<(u8, f64)>,
}

impl Search {
    pub fn new(first: u8, limit: f64, effort: Effort) -> Search {
        let left = match effort {
            Effort::Fast => 2,
            Effort::Balanced => 4,
            Effort::Best => 7,
        };
        Search { limit, left, next: first, power: 1.4, under: None, over: None }
    }

    /// The step to try, until there is none left.
    pub fn next(&mut self) -> Option<u8> {
        self.left = self.left.checked_sub(1)?;
        let tried = |end: Option<(u8, f64)>| end.is_some_and(|(step, _)| step == self.next);
        (!tried(self.under) && !tried(self.over)).then_some(self.next)
    }

    /// Takes in the error of the step tried; says whether it keeps the limit.
    pub fn learn(&mut self, error: f64) -> bool {
        let kept = error <= self.limit;
        *(if kept { &mut self.under } else { &mut self.over }) = Some((self.next, error));
        let octaves = |error: f64| (error.max(1e-9) / self.limit.max(1e-9)).log2();
        self.next = match (self.under, self.over) {
            (Some((under, low)), Some((over, high))) => {
                let part = octaves(low) / (octaves(low) - octaves(high));
                let inside = f64::from(over - under) * part;
                (under + inside as u8).clamp(under + 1, over.max(under + 2) - 1)
            }
            // The error grows slower than the square of the step; once that was not enough, a longer stride finds the other side.
            _ => nearby(self.next, (-octaves(error) * f64::from(STEPS) / self.power).clamp(-64.0, 64.0).floor() as i32),
        };
        self.power = 0.7;
        kept
    }
}

fn nearby(step: u8, offset: i32) -> u8 {
    (i32::from(step) + offset).clamp(0, LAST_STEP.into()) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_ends_beside_the_limit() {
        for power in [0.7, 1.0, 1.4, 2.0] {
            for first in [0, 40, 90, LAST_STEP] {
                let error = |step: u8| (f64::from(step) / 8.0 * power).exp2();
                let limit = error(83) * 1.01;
                let mut search = Search::new(first, limit, Effort::Best);
                while let Some(step) = search.next() {
                    search.learn(error(step));
                }
                let (under, _) = search.under.unwrap();
                assert!((81..=83).contains(&under), "{under} from {first} at {power}");
            }
        }
    }
}
