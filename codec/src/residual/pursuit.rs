//! Which coefficients a patch gets: those that help it most, one after the other (matching pursuit, Mallat and Zhang 1993).
//!
//! Masked points, and those beyond the tile, may become anything. Where a patch has such, the functions of the transform are no longer
//! orthogonal over the others, so every choice is made in view of those before.

use crate::lattice::Tile;
use crate::patches::{PATCH, Patches, SIDE};
use crate::transform::{self, Layout, MAX_INPUT_BITS};
use caesar_kernels::Team;

/// What codes times their step may come to, and what a residual may so that those of a whole patch never do.
const LARGEST: u32 = 1 << MAX_INPUT_BITS;
const LARGEST_RESIDUAL: u32 = LARGEST / SIDE as u32;

/// What a tile's prediction lacks, by patch.
pub struct Pursuit {
    /// Products of the residual with the functions of the transform, over the points that count.
    products: Vec<f32>,
    /// The points of every patch that count, a bit each.
    counted: Vec<u64>,
    /// The functions of the transform, by scanning position.
    basis: Vec<[f32; PATCH]>,
}

impl Pursuit {
    /// `None` where the residual is too large for the transform.
    pub fn new(tile: &Tile, prediction: &[i32], patches: &Patches) -> Option<Pursuit> {
        let mut residual = vec![0.0; patches.count() * PATCH];
        let mut counted = vec![0; patches.count()];
        for (patch, counted) in counted.iter_mut().enumerate() {
            for (place, i) in patches.points(patch).filter(|&(_, i)| tile.mask.is_none_or(|mask| !mask[i])) {
                let lacks = i64::from(tile.values[i]) - i64::from(prediction[i]);
                if lacks.unsigned_abs() > LARGEST_RESIDUAL.into() {
                    return None;
                }
                residual[patch * PATCH + place] = lacks as f32;
                *counted |= 1 << place;
            }
        }
        let products = |image: &[f32]| transform::forward(image, &Layout::new([image.len() / PATCH, SIDE, SIDE], 1, SIDE), None, Team::ALONE);
        let mut impulses = vec![0.0; PATCH * PATCH];
        impulses.iter_mut().step_by(PATCH + 1).for_each(|point| *point = 1.0);
        let columns = products(&impulses);
        let basis = (0..PATCH).map(|k| std::array::from_fn(|point| columns[point * PATCH + k])).collect();
        Some(Pursuit { products: products(&residual), counted, basis })
    }

    /// Codes in steps for a patch that misses `missed` squares in all, until it misses `limit` or no code would take more than `least` off.
    pub fn codes(&self, patch: usize, step: f32, mut missed: f64, limit: f64, least: f64, codes: &mut [i32]) {
        let mut products: [f32; PATCH] = self.products[patch * PATCH..][..PATCH].try_into().expect("a patch");
        let counted = self.counted[patch];
        let is_whole = counted == u64::MAX;
        let norms: [f32; PATCH] = std::array::from_fn(|k| if is_whole { 1.0 } else { product(&self.basis[k], &self.over(counted, k)) });
        let most = (LARGEST as f32 / step).trunc();
        // What a change of a code would take off, and which.
        let choice = |k: usize, product: f32, code: i32| {
            let change = product / (step * norms[k].max(1.0 / PATCH as f32));
            let change = (code as f32 + change + 0.5f32.copysign(change)).trunc().clamp(-most, most) - code as f32;
            let length = change * step;
            (length * (2.0 * product - length * norms[k]), change)
        };
        let mut choices: [(f32, f32); PATCH] = std::array::from_fn(|k| choice(k, products[k], 0));
        codes.fill(0);
        // A few more than there are: a code may be chosen again.
        for _ in 0..2 * PATCH {
            if missed <= limit {
                break;
            }
            // Of equal ones the lowest frequency.
            let k = (1..PATCH).fold(0, |best, k| if choices[k].0 > choices[best].0 { k } else { best });
            let (gain, change) = choices[k];
            if f64::from(gain) <= least {
                break;
            }
            codes[k] += change as i32;
            missed -= f64::from(gain);
            if is_whole {
                products[k] -= change * step;
                choices[k] = choice(k, products[k], codes[k]);
            } else {
                let function = self.over(counted, k);
                products.iter_mut().zip(&self.basis).for_each(|(p, other)| *p -= change * step * product(other, &function));
                choices = std::array::from_fn(|k| choice(k, products[k], codes[k]));
            }
        }
    }

    /// A function over the points that count.
    fn over(&self, counted: u64, k: usize) -> [f32; PATCH] {
        std::array::from_fn(|point| if counted >> point & 1 == 1 { self.basis[k][point] } else { 0.0 })
    }
}

fn product(a: &[f32; PATCH], b: &[f32; PATCH]) -> f32 {
    let mut sums = [0.0; SIDE];
    for (a, b) in a.as_chunks::<SIDE>().0.iter().zip(b.as_chunks::<SIDE>().0) {
        (0..SIDE).for_each(|i| sums[i] += a[i] * b[i]);
    }
    sums.iter().sum()
}
