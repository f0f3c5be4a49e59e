//! The separable cosine transform in integers: a fixed matrix of 18 fractional bits, 64-bit sums, one rounding an axis.
//!
//! Forward and inverse are each other's transpose, orthonormal to within 2^-17, and nothing in either depends on
//! the machine. Inputs below 2^[`MAX_INPUT_BITS`] in magnitude stay within 32 bits.

use super::Layout;

const SHIFT: u32 = 18;

/// Inverse transforms read coefficients, and give points, in units of a step / 2^this.
pub const FRACTION_BITS: u32 = 6;

/// Largest magnitude of inputs, in bits: the axes of the largest block, 8 × 32 × 32, multiply it by 91 at most.
pub const MAX_INPUT_BITS: u32 = 24;

/// √(2/n) · cos(jπ/64) in 1/2^18, for j = 0..=32 and n = 8, 16, 32.
const COSINES: [[i32; 33]; 3] = [
    [
        131072, 130914, 130441, 129653, 128553, 127144, 125428, 123410, 121095, 118488, 115595, 112424, 108982, 105278, 101320,
        97118, 92682, 88023, 83151, 78079, 72820, 67384, 61787, 56041, 50159, 44157, 38048, 31848, 25571, 19232, 12847, 6431,
        0,
    ],
    [
        92682, 92570, 92236, 91679, 90901, 89904, 88691, 87264, 85627, 83783, 81738, 79496, 77062, 74443, 71644, 68673, 65536,
        62241, 58797, 55211, 51491, 47648, 43690, 39627, 35468, 31224, 26904, 22520, 18081, 13599, 9084, 4548, 0,
    ],
    [
        65536, 65457, 65220, 64827, 64277, 63572, 62714, 61705, 60547, 59244, 57798, 56212, 54491, 52639, 50660, 48559, 46341,
        44011, 41576, 39040, 36410, 33692, 30893, 28020, 25080, 22078, 19024, 15924, 12785, 9616, 6424, 3216, 0,
    ],
];

/// The orthonormal matrices of short axes.
const OF_TWO: [i32; 4] = [185364, 185364, 185364, -185364];
const OF_THREE: [i32; 9] = [151349, 151349, 151349, 185364, 0, -185364, 107020, -214040, 107020];

/// The orthonormal matrix `[frequency][point]` for an axis of `n` points: 1, 2, 3, 8, 16 or 32.
fn matrix(n: usize) -> Vec<i32> {
    let cosines = match n {
        1 => return vec![1 << SHIFT],
        2 => return OF_TWO.to_vec(),
        3 => return OF_THREE.to_vec(),
        _ => &COSINES[n.ilog2() as usize - 3],
    };
    let entry = |k: usize, i: usize| {
        if k == 0 {
            return cosines[16]; // √(1/n) = √(2/n) · cos(π/4)
        }
        let angle = (2 * i + 1) * k * (32 / n) % 128;
        let half = if angle > 64 { 128 - angle } else { angle };
        if half > 32 { -cosines[64 - half] } else { cosines[half] }
    };
    (0..n * n).map(|at| entry(at / n, at % n)).collect()
}

fn transpose(m: &[i32], n: usize) -> Vec<i32> {
    (0..n * n).map(|at| m[at % n * n + at / n]).collect()
}

fn rounded(sum: i64) -> i32 {
    (sum + (1 << (SHIFT - 1)) >> SHIFT) as i32
}

/// Transforms axis lines that lie `lanes` apart: `data` is `[outer][n][lanes]`, `weights` are `[from][to]`.
fn along(data: &mut [i32], n: usize, lanes: usize, weights: &[i32]) {
    let mut sums = vec![0i64; n * lanes];
    for chunk in data.chunks_exact_mut(n * lanes) {
        sums.fill(0);
        for (line, weights) in chunk.chunks_exact(lanes).zip(weights.chunks_exact(n)) {
            if line.iter().all(|&v| v == 0) {
                continue;
            }
            for (sums, &weight) in sums.chunks_exact_mut(lanes).zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(line) {
                    *sum += i64::from(value) * i64::from(weight);
                }
            }
        }
        for (value, &sum) in chunk.iter_mut().zip(&sums) {
            *value = rounded(sum);
        }
    }
}

/// The same along the last axis, where a line is contiguous.
fn along_rows(data: &mut [i32], n: usize, weights: &[i32]) {
    let mut sums = vec![0i64; n];
    for line in data.chunks_exact_mut(n) {
        sums.fill(0);
        for (&value, weights) in line.iter().zip(weights.chunks_exact(n)) {
            if value != 0 {
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum += i64::from(value) * i64::from(weight);
                }
            }
        }
        for (value, &sum) in line.iter_mut().zip(&sums) {
            *value = rounded(sum);
        }
    }
}

/// The matrices of a block's axes, `[from][to]`.
struct Axes {
    frames: usize,
    time: Vec<i32>,
    side: usize,
    plane: Vec<i32>,
}

impl Axes {
    fn forward(layout: &Layout) -> Self {
        let Axes { frames, time, side, plane } = Axes::inverse(layout);
        Axes { frames, time: transpose(&time, frames), side, plane: transpose(&plane, side) }
    }

    fn inverse(&Layout { frames, side, .. }: &Layout) -> Self {
        Axes { frames, time: matrix(frames), side, plane: matrix(side) }
    }

    fn apply(&self, block: &mut [i32]) {
        if self.frames > 1 {
            along(block, self.frames, self.side * self.side, &self.time);
        }
        along(block, self.side, self.side, &self.plane);
        along_rows(block, self.side, &self.plane);
    }
}

/// Coefficients of an image, block after block in scanning order; a unit is the image's unit.
pub fn forward(image: &[i32], layout: &Layout) -> Vec<i32> {
    let axes = Axes::forward(layout);
    let mut coefficients = Vec::with_capacity(image.len());
    let mut block = vec![0; layout.block_len()];
    for index in 0..layout.blocks() {
        for (place, offset) in layout.rows(index) {
            block[place..place + layout.side].copy_from_slice(&image[offset..offset + layout.side]);
        }
        axes.apply(&mut block);
        coefficients.extend(layout.scan.iter().map(|&place| block[place]));
    }
    coefficients
}

/// The image of coefficients as [`forward`] orders them.
pub fn inverse(coefficients: &[i32], layout: &Layout) -> Vec<i32> {
    let axes = Axes::inverse(layout);
    let mut image = vec![0; coefficients.len()];
    let mut block = vec![0; layout.block_len()];
    for (index, scanned) in coefficients.chunks_exact(layout.block_len()).enumerate() {
        if scanned.iter().all(|&c| c == 0) {
            continue;
        }
        for (&place, &c) in layout.scan.iter().zip(scanned) {
            block[place] = c;
        }
        axes.apply(&mut block);
        for (place, offset) in layout.rows(index) {
            image[offset..offset + layout.side].copy_from_slice(&block[place..place + layout.side]);
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<i32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as i32 - (1 << 23)
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn matrices_are_orthonormal() {
        for n in [1, 2, 3, 8, 16, 32] {
            let m = matrix(n);
            for a in 0..n {
                for b in 0..n {
                    let dot: i64 = (0..n).map(|i| i64::from(m[a * n + i]) * i64::from(m[b * n + i])).sum();
                    let one = if a == b { 1i64 << 36 } else { 0 };
                    assert!((dot - one).abs() < 1 << 20, "{n}: {a} {b} {dot}");
                }
            }
        }
    }

    #[test]
    fn inverse_undoes_forward_up_to_rounding() {
        for (frames, side) in [(8, 8), (8, 16), (8, 32), (1, 8), (1, 16), (2, 32), (3, 16)] {
            let layout = Layout::new([2 * frames, 3 * side, side], frames, side);
            let image = noise(layout.image().iter().product());
            let again = inverse(&forward(&image, &layout), &layout);
            let worst = image.iter().zip(&again).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst < 2000, "{frames} {side}: {worst} of 2^23");
        }
    }

    #[test]
    fn a_flat_block_is_its_lowest_coefficient() {
        let layout = Layout::new([8, 8, 8], 8, 8);
        let c = forward(&vec![1000; 512], &layout);
        assert!(c[0].abs_diff(22627) < 4, "{}", c[0]);
        assert!(c[1..].iter().all(|&c| c == 0));
    }

    #[test]
    fn the_largest_input_does_not_overflow() {
        let layout = Layout::new([8, 32, 32], 8, 32);
        let extreme: Vec<i32> =
            (0..8192).map(|i| if i % 3 == 0 { 1 << MAX_INPUT_BITS } else { -(1 << MAX_INPUT_BITS) }).collect();
        forward(&extreme, &layout);
        inverse(&extreme, &layout);
    }
}
