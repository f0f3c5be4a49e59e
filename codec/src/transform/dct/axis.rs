//! One axis of a block: half of a symmetric matrix, applied to lines side by side or to one that lies in one piece.

use super::{SHIFT, entry};

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

impl<const N: usize, const H: usize> Axis<i32, N, H> {
    /// From frequencies to points, in 1/2^[`SHIFT`].
    pub const INVERSE: &Self = &Axis { even: Self::half(0), odd: Self::half(1) };

    /// From points to frequencies: the transposed matrix.
    pub const FORWARD: &Self = &Axis { even: Self::transposed(0), odd: Self::transposed(1) };

    const fn half(parity: usize) -> [[i32; H]; H] {
        let mut half = [[0; H]; H];
        let mut at = 0;
        while at < H * H {
            let (k, i) = (2 * (at / H) + parity, at % H);
            half[at / H][i] = if k < N { entry(N, k, i) } else { 0 };
            at += 1;
        }
        half
    }

    const fn transposed(parity: usize) -> [[i32; H]; H] {
        let inverse = Self::half(parity);
        let mut half = [[0; H]; H];
        let mut at = 0;
        while at < H * H {
            half[at % H][at / H] = inverse[at / H][at % H];
            at += 1;
        }
        half
    }
}

impl<const N: usize, const H: usize> Axis<f32, N, H> {
    /// From points to frequencies.
    pub const FORWARD: &Self = &Axis { even: Self::half(0), odd: Self::half(1) };

    const fn half(parity: usize) -> [[f32; H]; H] {
        let exact = Axis::<i32, N, H>::transposed(parity);
        let mut half = [[0.0; H]; H];
        let mut at = 0;
        while at < H * H {
            half[at / H][at % H] = exact[at / H][at % H] as f32 / (1 << SHIFT) as f32;
            at += 1;
        }
        half
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

    /// Frequencies of a line of points; `N` is even.
    #[inline(always)]
    pub fn frequencies(&self, row: &[i32; N]) -> [i32; N] {
        let (mut even, mut odd) = ([0; H], [0; H]);
        for i in 0..H {
            add_row(&mut even, row[i].wrapping_add(row[N - 1 - i]), &self.even[i]);
            add_row(&mut odd, row[i].wrapping_sub(row[N - 1 - i]), &self.odd[i]);
        }
        let mut frequencies = [0; N];
        for j in 0..H {
            frequencies[2 * j] = rounded(even[j]);
            frequencies[2 * j + 1] = rounded(odd[j]);
        }
        frequencies
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
