//! Which quantiser steps the encoder tries.

use crate::lattice::Tile;
use crate::options::Effort;
use crate::residual::{self, Target};
use crate::transform::{self, LAST_STEP};

/// Which steps to try after the first.
pub struct Steps {
    tried: Vec<u8>,
    /// Distances from the first step that are to be tried whatever comes out.
    offsets: &'static [i32],
    /// For a mean square target: its limit, how often the step is corrected by what was reached, and where that leads.
    limit: Option<f64>,
    corrections: usize,
    aim: u8,
}

impl Steps {
    pub fn new(first: u8, target: Target, effort: Effort) -> Steps {
        let (limit, corrections, offsets): (_, _, &[i32]) = match (target, effort) {
            (Target::Pointwise, Effort::Fast) => (None, 0, &[]),
            (Target::Pointwise, Effort::Balanced) => (None, 0, &[-4, 3]),
            (Target::Pointwise, Effort::Best) => (None, 0, &[-12, -8, -4, -2, 2, 4, 8]),
            (Target::MeanSquare(limit), Effort::Fast) => (Some(limit), 0, &[]),
            (Target::MeanSquare(limit), Effort::Balanced) => (Some(limit), 2, &[]),
            (Target::MeanSquare(limit), Effort::Best) => (Some(limit), 3, &[-1, 1, 2, 3]),
        };
        Steps { tried: vec![first], offsets, limit, corrections, aim: first }
    }

    /// Takes in what a step's prediction misses of the target.
    pub fn learn(&mut self, step: u8, prediction: &[i32], tile: &Tile) {
        if let (Some(limit), Some(_)) = (self.limit, self.corrections.checked_sub(1)) {
            // The error grows a little slower than the step's square.
            let room = (limit / residual::mean_square(tile, prediction).max(1e-9)).log2();
            let octaves = (0.6 * room).clamp(-4.0, 4.0);
            self.aim = nearby(step, (octaves * f64::from(transform::STEPS)).round() as i32);
        }
    }
}

impl Iterator for Steps {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.corrections > 0 && !self.tried.contains(&self.aim) {
            self.corrections -= 1;
            self.tried.push(self.aim);
            return Some(self.aim);
        }
        self.corrections = 0;
        while let Some((&offset, rest)) = self.offsets.split_first() {
            self.offsets = rest;
            let step = nearby(self.aim, offset);
            if !self.tried.contains(&step) {
                self.tried.push(step);
                return Some(step);
            }
        }
        None
    }
}

fn nearby(step: u8, offset: i32) -> u8 {
    (i32::from(step) + offset).clamp(0, LAST_STEP.into()) as u8
}
