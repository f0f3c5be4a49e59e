//! The separable cosine transform in integers: a fixed matrix of 15 fractional bits, 64-bit sums, one rounding an axis.
//!
//! Forward and inverse are each other's transpose, orthonormal to within 2^-15, and nothing in either depends on
//! the machine. Inputs below 2^[`MAX_INPUT_BITS`] in magnitude stay within 32 bits.

use super::Layout;

const SHIFT: u32 = 15;

/// Inverse transforms read coefficients, and give points, in units of a step / 2^this.
pub const FRACTION_BITS: u32 = 6;

/// Largest magnitude of inputs, in bits: each of the three axes at most multiplies it by 4.
pub const MAX_INPUT_BITS: u32 = 24;

/// cos(jπ/32) · √(2/n) in 1/2^15, for j = 0..=16 and n = 8, 16.
const COSINES: [[i32; 17]; 2] = [
    [16384, 16305, 16069, 15679, 15137, 14449, 13623, 12665, 11585, 10394, 9102, 7723, 6270, 4756, 3196, 1606, 0],
    [11585, 11529, 11363, 11087, 10703, 10217, 9633, 8956, 8192, 7349, 6436, 5461, 4433, 3363, 2260, 1136, 0],
];

/// The orthonormal matrix, `[frequency][point]`.
fn matrix<const N: usize>() -> [[i32; N]; N] {
    let cosines = &COSINES[N / 16];
    std::array::from_fn(|k| {
        std::array::from_fn(|i| {
            if k == 0 {
                return cosines[8]; // √(1/n) = √(2/n) · cos(π/4)
            }
            let angle = (2 * i + 1) * k * (16 / N) % 64;
            let half = if angle > 32 { 64 - angle } else { angle };
            if half > 16 { -cosines[32 - half] } else { cosines[half] }
        })
    })
}

fn transpose<const N: usize>(m: [[i32; N]; N]) -> [[i32; N]; N] {
    std::array::from_fn(|i| std::array::from_fn(|k| m[k][i]))
}

fn rounded(sum: i64) -> i32 {
    (sum + (1 << (SHIFT - 1)) >> SHIFT) as i32
}

/// Transforms axis lines that lie `lanes` apart: `data` is `[outer][N][lanes]`, `weights` are `[from][to]`.
fn along<const N: usize>(data: &mut [i32], lanes: usize, weights: &[[i32; N]; N]) {
    let mut sums = vec![0i64; N * lanes];
    for chunk in data.chunks_exact_mut(N * lanes) {
        sums.fill(0);
        for (line, weights) in chunk.chunks_exact(lanes).zip(weights) {
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
fn along_rows<const N: usize>(data: &mut [i32], weights: &[[i32; N]; N]) {
    for line in data.chunks_exact_mut(N) {
        let mut sums = [0i64; N];
        for (&value, weights) in line.iter().zip(weights) {
            if value != 0 {
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum += i64::from(value) * i64::from(weight);
                }
            }
        }
        for (value, sum) in line.iter_mut().zip(sums) {
            *value = rounded(sum);
        }
    }
}

/// The matrices of a block's axes, `[from][to]`.
struct Axes<const N: usize> {
    time: Option<[[i32; 8]; 8]>,
    plane: [[i32; N]; N],
}

impl<const N: usize> Axes<N> {
    fn forward(frames: usize) -> Self {
        Axes { time: (frames == 8).then(|| transpose(matrix())), plane: transpose(matrix()) }
    }

    fn inverse(frames: usize) -> Self {
        Axes { time: (frames == 8).then(matrix), plane: matrix() }
    }

    fn apply(&self, block: &mut [i32]) {
        if let Some(time) = &self.time {
            along(block, N * N, time);
        }
        along(block, N, &self.plane);
        along_rows(block, &self.plane);
    }
}

/// Coefficients of an image, block after block in scanning order; a unit is the image's unit.
pub fn forward(image: &[i32], layout: &Layout) -> Vec<i32> {
    match layout.side {
        8 => forward_blocks(image, layout, &Axes::<8>::forward(layout.frames)),
        _ => forward_blocks(image, layout, &Axes::<16>::forward(layout.frames)),
    }
}

fn forward_blocks<const N: usize>(image: &[i32], layout: &Layout, axes: &Axes<N>) -> Vec<i32> {
    let mut coefficients = Vec::with_capacity(image.len());
    let mut block = vec![0; layout.block_len()];
    for index in 0..layout.blocks() {
        for (place, offset) in layout.rows(index) {
            block[place..place + N].copy_from_slice(&image[offset..offset + N]);
        }
        axes.apply(&mut block);
        coefficients.extend(layout.scan.iter().map(|&place| block[place]));
    }
    coefficients
}

/// The image of coefficients as [`forward`] orders them.
pub fn inverse(coefficients: &[i32], layout: &Layout) -> Vec<i32> {
    match layout.side {
        8 => inverse_blocks(coefficients, layout, &Axes::<8>::inverse(layout.frames)),
        _ => inverse_blocks(coefficients, layout, &Axes::<16>::inverse(layout.frames)),
    }
}

fn inverse_blocks<const N: usize>(coefficients: &[i32], layout: &Layout, axes: &Axes<N>) -> Vec<i32> {
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
            image[offset..offset + N].copy_from_slice(&block[place..place + N]);
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
        fn check<const N: usize>() {
            let m = matrix::<N>();
            for a in 0..N {
                for b in 0..N {
                    let dot: i64 = (0..N).map(|i| i64::from(m[a][i]) * i64::from(m[b][i])).sum();
                    let one = if a == b { 1i64 << 30 } else { 0 };
                    assert!((dot - one).abs() < 1 << 17, "{a} {b} {dot}");
                }
            }
        }
        check::<8>();
        check::<16>();
    }

    #[test]
    fn inverse_undoes_forward_up_to_rounding() {
        for (frames, side) in [(8, 8), (8, 16), (1, 8), (1, 16)] {
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
        let layout = Layout::new([8, 16, 16], 8, 16);
        let extreme: Vec<i32> =
            (0..2048).map(|i| if i % 3 == 0 { 1 << MAX_INPUT_BITS } else { -(1 << MAX_INPUT_BITS) }).collect();
        forward(&extreme, &layout);
        inverse(&extreme, &layout);
    }
}
