//! One axis of a block: half of a symmetric matrix, applied to lines side by side or to one that lies in one piece.

use super::{SHIFT, matrix};
use std::array;

/// Lines that are transformed side by side.
pub const LANES: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From points to frequencies.
    Forward,
    /// From frequencies to points.
    Inverse,
}

/// The matrix of an axis of `N` points. Its rows are symmetric for even frequencies and antisymmetric for odd ones, so that their
/// first `H = N.div_ceil(2)` points say all.
pub struct Axis<const N: usize, const H: usize> {
    /// `[from][to]` between frequencies 0, 2, 4, … and points 0, 1, 2, …
    even: [[i32; H]; H],
    /// The same for frequencies 1, 3, 5, …
    odd: [[i32; H]; H],
}

impl<const N: usize, const H: usize> Axis<N, H> {
    pub fn new(direction: Direction) -> Self {
        let matrix = matrix(N);
        let weight = |k: usize, i: usize| if k < N { matrix[k * N + i] } else { 0 };
        let half = |parity: usize| {
            array::from_fn(|from| {
                array::from_fn(|to| match direction {
                    Direction::Forward => weight(2 * to + parity, from),
                    Direction::Inverse => weight(2 * from + parity, to),
                })
            })
        };
        Axis { even: half(0), odd: half(1) }
    }

    /// Frequencies of [`LANES`] lines, whose points lie `pitch` apart.
    #[inline(always)]
    pub fn forward(&self, block: &mut [i32], pitch: usize) {
        let (mut even, mut odd) = ([[0; LANES]; H], [[0; LANES]; H]);
        for i in 0..H {
            let (near, far) = (lanes(block, i * pitch), lanes(block, (N - 1 - i) * pitch));
            let (mut sums, mut differences) = (near, [0; LANES]);
            for l in 0..LANES {
                if i != N - 1 - i {
                    sums[l] += far[l];
                }
                differences[l] = near[l] - far[l];
            }
            add_lanes(&mut even, sums, &self.even[i]);
            add_lanes(&mut odd, differences, &self.odd[i]);
        }
        for k in 0..N {
            let sums = if k % 2 == 0 { &even[k / 2] } else { &odd[k / 2] };
            for (value, &sum) in block[k * pitch..][..LANES].iter_mut().zip(sums) {
                *value = rounded(sum);
            }
        }
    }

    /// Points of [`LANES`] lines from their first `used` frequencies, which lie `pitch` apart.
    #[inline(always)]
    pub fn inverse(&self, block: &mut [i32], pitch: usize, used: usize) {
        let (mut even, mut odd) = ([[0; LANES]; H], [[0; LANES]; H]);
        for k in (0..used).step_by(2) {
            add_lanes(&mut even, lanes(block, k * pitch), &self.even[k / 2]);
        }
        for k in (1..used).step_by(2) {
            add_lanes(&mut odd, lanes(block, k * pitch), &self.odd[k / 2]);
        }
        for i in 0..H {
            let (mut near, mut far) = ([0; LANES], [0; LANES]);
            for l in 0..LANES {
                near[l] = rounded(even[i][l] + odd[i][l]);
                far[l] = rounded(even[i][l] - odd[i][l]);
            }
            block[i * pitch..][..LANES].copy_from_slice(&near);
            block[(N - 1 - i) * pitch..][..LANES].copy_from_slice(&far);
        }
    }

    /// Frequencies of a line of points.
    #[inline(always)]
    pub fn forward_row(&self, row: &mut [i32; N]) {
        let (mut even, mut odd) = ([0; H], [0; H]);
        for i in 0..H {
            add_row(&mut even, row[i] + row[N - 1 - i], &self.even[i]);
            add_row(&mut odd, row[i] - row[N - 1 - i], &self.odd[i]);
        }
        for j in 0..H {
            row[2 * j] = rounded(even[j]);
            row[2 * j + 1] = rounded(odd[j]);
        }
    }

    /// Points of a line of frequencies, from the first `used` ones.
    #[inline(always)]
    pub fn inverse_row(&self, row: &[i32; N], used: usize) -> [i32; N] {
        let (mut even, mut odd) = ([0; H], [0; H]);
        for k in (0..used).step_by(2) {
            add_row(&mut even, row[k], &self.even[k / 2]);
        }
        for k in (1..used).step_by(2) {
            add_row(&mut odd, row[k], &self.odd[k / 2]);
        }
        let mut points = [0; N];
        for i in 0..H {
            points[i] = rounded(even[i] + odd[i]);
            points[N - 1 - i] = rounded(even[i] - odd[i]);
        }
        points
    }
}

#[inline(always)]
fn lanes(block: &[i32], at: usize) -> [i32; LANES] {
    block[at..][..LANES].try_into().expect("whole lanes")
}

#[inline(always)]
fn add_lanes<const H: usize>(sums: &mut [[i64; LANES]; H], values: [i32; LANES], weights: &[i32; H]) {
    for j in 0..H {
        for l in 0..LANES {
            sums[j][l] += i64::from(values[l]) * i64::from(weights[j]);
        }
    }
}

#[inline(always)]
fn add_row<const H: usize>(sums: &mut [i64; H], value: i32, weights: &[i32; H]) {
    for j in 0..H {
        sums[j] += i64::from(value) * i64::from(weights[j]);
    }
}

#[inline(always)]
fn rounded(sum: i64) -> i32 {
    (sum + (1 << (SHIFT - 1)) >> SHIFT) as i32
}
