//! One axis of a block: half of a symmetric matrix, applied to lines side by side or to one that lies in one piece.

use super::{SHIFT, matrix};
use std::array;

/// Lines that are transformed side by side.
pub const LANES: usize = 8;

/// The matrix of an axis of `N` points. Its rows are symmetric for even frequencies and antisymmetric for odd ones, so that their
/// first `H = N.div_ceil(2)` points say all.
pub struct Axis<T, const N: usize, const H: usize> {
    /// `[from][to]` between frequencies 0, 2, 4, … and points 0, 1, 2, …
    even: [[T; H]; H],
    /// The same for frequencies 1, 3, 5, …
    odd: [[T; H]; H],
}

/// Numbers that the matrix may consist of, which say the direction: points become frequencies in floating point, frequencies points
/// in integers.
pub trait Entry: Copy {
    const FORWARD: bool;
    /// Of an entry in 1/2^[`SHIFT`].
    fn of(entry: i32) -> Self;
}

impl Entry for f32 {
    const FORWARD: bool = true;
    fn of(entry: i32) -> f32 {
        entry as f32 / (1 << SHIFT) as f32
    }
}

impl Entry for i32 {
    const FORWARD: bool = false;
    fn of(entry: i32) -> i32 {
        entry
    }
}

impl<T: Entry, const N: usize, const H: usize> Axis<T, N, H> {
    pub fn new() -> Self {
        let matrix = matrix(N);
        let weight = |k: usize, i: usize| T::of(if k < N { matrix[k * N + i] } else { 0 });
        let half = |parity: usize| {
            array::from_fn(|from| {
                array::from_fn(|to| if T::FORWARD { weight(2 * to + parity, from) } else { weight(2 * from + parity, to) })
            })
        };
        Axis { even: half(0), odd: half(1) }
    }
}

impl<const N: usize, const H: usize> Axis<f32, N, H> {
    /// Frequencies of [`LANES`] lines, whose points lie `pitch` apart.
    #[inline(always)]
    pub fn lines(&self, block: &mut [f32], pitch: usize) {
        let (mut even, mut odd) = ([[0.0; LANES]; H], [[0.0; LANES]; H]);
        for i in 0..H {
            let (near, far): ([f32; LANES], [f32; LANES]) = (lanes(block, i * pitch), lanes(block, (N - 1 - i) * pitch));
            for j in 0..H {
                for l in 0..LANES {
                    // The middle of an odd number of points is its own mirror.
                    let sum = if i == N - 1 - i { near[l] } else { near[l] + far[l] };
                    even[j][l] += sum * self.even[i][j];
                    odd[j][l] += (near[l] - far[l]) * self.odd[i][j];
                }
            }
        }
        for k in 0..N {
            block[k * pitch..][..LANES].copy_from_slice(if k % 2 == 0 { &even[k / 2] } else { &odd[k / 2] });
        }
    }

    /// Frequencies of a line of points.
    #[inline(always)]
    pub fn row(&self, row: &mut [f32; N]) {
        let (mut even, mut odd) = ([0.0; H], [0.0; H]);
        for i in 0..H {
            let (sum, difference) = (row[i] + row[N - 1 - i], row[i] - row[N - 1 - i]);
            for j in 0..H {
                even[j] += sum * self.even[i][j];
                odd[j] += difference * self.odd[i][j];
            }
        }
        for j in 0..H {
            row[2 * j] = even[j];
            row[2 * j + 1] = odd[j];
        }
    }
}

impl<const N: usize, const H: usize> Axis<i32, N, H> {
    /// Points of [`LANES`] lines from their first `used` frequencies, which lie `pitch` apart.
    #[inline(always)]
    pub fn lines(&self, block: &mut [i32], pitch: usize, used: usize) {
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

    /// Points of a line of frequencies, from the first `used` ones.
    #[inline(always)]
    pub fn row(&self, row: &[i32; N], used: usize) -> [i32; N] {
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
fn lanes<T: Copy>(block: &[T], at: usize) -> [T; LANES] {
    *block[at..].first_chunk().expect("whole lanes")
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
