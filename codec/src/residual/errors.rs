//! What decoded values miss of a tile, and what they may.

use super::Target;
use crate::lattice::Tile;
use crate::patches::Patches;

/// Bytes that a value takes which is stored as an exception, about.
const REPAIR: usize = 6;

pub struct Errors<'a> {
    tile: &'a Tile<'a>,
    target: Target,
    /// Where every patch has a target of its own.
    patches: Option<Patches>,
    /// Sums of squares that are allowed, of the whole tile or of every patch.
    pub allowed: Vec<f64>,
}

impl<'a> Errors<'a> {
    pub fn new(tile: &'a Tile<'a>, target: Target) -> Self {
        let patches = matches!(target, Target::PatchMeanSquare(_)).then(|| Patches::new(&tile.shape));
        let mut errors = Errors { tile, target, allowed: Vec::new(), patches };
        if target != Target::Pointwise {
            errors.allowed = errors.sums(|_| errors.mean());
        }
        errors
    }

    /// The mean of squares that is allowed.
    pub fn mean(&self) -> f64 {
        match self.target {
            Target::Pointwise => 0.0,
            Target::MeanSquare(mean) | Target::PatchMeanSquare(mean) => mean,
        }
    }

    pub fn by_patch(&self) -> bool {
        self.patches.is_some()
    }

    fn counts(&self, i: usize) -> bool {
        self.tile.mask.is_none_or(|m| !m[i])
    }

    fn of(&self, i: usize, decoded: &[i32]) -> u32 {
        self.tile.values[i].abs_diff(decoded[i])
    }

    /// Sums over the points that count, of the whole tile or of every patch.
    fn sums(&self, f: impl Fn(usize) -> f64) -> Vec<f64> {
        let Some(patches) = &self.patches else {
            return vec![(0..self.tile.values.len()).filter(|&i| self.counts(i)).map(f).sum()];
        };
        let mut sums = vec![0.0; patches.count()];
        patches.of_points().enumerate().filter(|&(i, _)| self.counts(i)).for_each(|(i, patch)| sums[patch] += f(i));
        sums
    }

    /// Sums of squares of the whole tile, or of every patch.
    pub fn squares(&self, decoded: &[i32]) -> Vec<f64> {
        self.sums(|i| f64::from(self.of(i, decoded)).powi(2))
    }

    pub fn largest(&self, decoded: &[i32]) -> u32 {
        (0..decoded.len()).filter(|&i| self.counts(i)).map(|i| self.of(i, decoded)).max().unwrap_or(0)
    }

    /// Whether decoded values keep the target.
    pub fn kept(&self, decoded: &[i32]) -> bool {
        match self.target {
            Target::Pointwise => self.largest(decoded) <= 1 << self.tile.bin_bits >> 1,
            _ => self.squares(decoded).iter().zip(&self.allowed).all(|(sum, allowed)| sum <= allowed),
        }
    }

    /// About the bytes that it takes to store the values without which every patch keeps its target.
    pub fn repairs(&self, decoded: &[i32]) -> usize {
        let square = |i: usize| self.counts(i).then(|| f64::from(self.of(i, decoded)).powi(2));
        self.patches.as_ref().map_or(0, |patches| REPAIR * patches.beyond(self.mean(), square).len())
    }
}
