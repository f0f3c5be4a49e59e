//! The separable cosine transform: a fixed matrix of 18 fractional bits.
//!
//! The inverse is integer arithmetic: 64-bit sums, one rounding an axis; inputs of [`MAX_INPUT_BITS`] stay within 32 bits. Its transpose, which only encoders run, is the same matrix in floating point. Both are orthonormal to within 2^-15.

mod axis;

use super::Layout;
use crate::threads::pieces_side_by_side;
use caesar_kernels::Team;
use axis::{Axis, LANES};
use caesar_kernels::Loops;
use std::ops::Range;

/// Fractional bits of the matrix.
const SHIFT: u32 = 18;

/// Inverse transforms read coefficients, and give points, in units of a step / 2^this.
pub const FRACTION_BITS: u32 = 6;

/// Largest magnitude of inputs, in bits, and up to a quarter more: the axes of the largest block, 16 × 64 × 64, multiply it by 256 at most.
pub const MAX_INPUT_BITS: u32 = 22;

/// √(2/n) · cos(jπ/2n) in 1/2^18, for j = 0..=n.
const OF_2: [i32; 3] = [262144, 185364, 0];
const OF_3: [i32; 4] = [214040, 185364, 107020, 0];
const OF_8: [i32; 9] = [131072, 128553, 121095, 108982, 92682, 72820, 50159, 25571, 0];
const OF_16: [i32; 17] = [
    92682, 92236, 90901, 88691, 85627, 81738, 77062, 71644, 65536, 58797, 51491, 43690, 35468, 26904, 18081, 9084, 0,
];
const OF_24: [i32; 25] = [
    75674, 75512, 75027, 74220, 73096, 71658, 69914, 67870, 65536, 62921, 60037, 56895, 53510, 49896, 46068, 42042, 37837, 33470,
    28959, 24325, 19586, 14763, 9877, 4949, 0,
];
const OF_32: [i32; 33] = [
    65536, 65457, 65220, 64827, 64277, 63572, 62714, 61705, 60547, 59244, 57798, 56212, 54491, 52639, 50660, 48559, 46341, 44011,
    41576, 39040, 36410, 33692, 30893, 28020, 25080, 22078, 19024, 15924, 12785, 9616, 6424, 3216, 0,
];
const OF_64: [i32; 65] = [
    46341, 46327, 46285, 46215, 46118, 45992, 45839, 45659, 45451, 45215, 44952, 44662, 44346, 44002, 43632, 43236, 42813, 42365,
    41892, 41393, 40869, 40321, 39748, 39151, 38531, 37888, 37221, 36533, 35822, 35090, 34336, 33562, 32768, 31954, 31121, 30269,
    29398, 28510, 27605, 26683, 25746, 24792, 23824, 22841, 21845, 20835, 19813, 18779, 17734, 16678, 15612, 14536, 13452, 12360,
    11260, 10153, 9041, 7923, 6800, 5673, 4542, 3409, 2274, 1137, 0,
];

/// The orthonormal matrix's entry for frequency `k` and point `i` of an axis of `n` points: 1, 2, 3, 8, 16, 24, 32 or 64.
const fn entry(n: usize, k: usize, i: usize) -> i32 {
    // The lowest frequency has √(1/n).
    let (flat, cosines): (i32, &[i32]) = match n {
        1 => (1 << SHIFT, &[]),
        2 => (185364, &OF_2),
        3 => (151349, &OF_3),
        8 => (92682, &OF_8),
        16 => (65536, &OF_16),
        24 => (53510, &OF_24),
        32 => (46341, &OF_32),
        _ => (32768, &OF_64),
    };
    let angle = (2 * i + 1) * k % (4 * n);
    let half = if angle > 2 * n { 4 * n - angle } else { angle };
    match half {
        _ if k == 0 => flat,
        half if half > n => -cosines[2 * n - half],
        half => cosines[half],
    }
}

/// Coefficients of an image, block after block in scanning order, zero in those that `skip` names; a unit is the image's unit. What
/// lies beyond the image shows its nearest point.
pub fn forward(image: &[f32], layout: &Layout, skip: Option<&[bool]>, team: Team) -> Vec<f32> {
    let mut coefficients = vec![0.0; layout.len()];
    let work = |_: usize, pieces: &mut [(Range<usize>, &mut [f32])]| {
        for (blocks, coefficients) in pieces {
            caesar_kernels::run(Forward { image, layout, skip, blocks: blocks.clone(), coefficients });
        }
    };
    pieces_side_by_side(team, &mut layout.pieces(&mut coefficients, 4 * team.threads()), 1, work);
    coefficients
}

/// The image of coded coefficients as [`forward`] orders them. `decode` turns the codes of a block into coefficients, and says up to
/// where they are; what lies beyond was left as it was.
pub fn inverse(codes: &[i32], layout: &Layout, decode: impl Fn(&[i32], &mut [i32]) -> usize) -> Vec<i32> {
    let [_, rows, columns] = layout.image;
    let plane = rows * columns;
    let mut image = vec![0; layout.image.iter().product()];
    for (strip, codes) in codes.chunks_exact(layout.strip_len().max(1)).enumerate() {
        let (start, _) = layout.origin(layout.strip(strip).start);
        inverse_strip(codes, layout, strip, plane, &decode, &mut image[start..]);
    }
    image
}

/// The same for one strip, whose frames lie `pitch` apart in an `image` of zeros that begins with it.
pub fn inverse_strip(codes: &[i32], layout: &Layout, strip: usize, pitch: usize, decode: impl Fn(&[i32], &mut [i32]) -> usize, image: &mut [i32]) {
    caesar_kernels::run(Inverse { codes, layout, strip, pitch, decode, image });
}

struct Forward<'a> {
    image: &'a [f32],
    layout: &'a Layout,
    skip: Option<&'a [bool]>,
    blocks: Range<usize>,
    /// Of these blocks.
    coefficients: &'a mut [f32],
}

impl Loops for Forward<'_> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let Forward { image, layout, skip, blocks, coefficients } = self;
        let mut room = vec![0.0; layout.frames * layout.side * layout.side];
        let start = layout.range(blocks.start).start;
        for index in blocks.filter(|&index| skip.is_none_or(|skip| !skip[index])) {
            let Range { start: from, end } = layout.range(index);
            let coefficients = &mut coefficients[from - start..end - start];
            let block = &mut room[..end - from];
            match layout.size(index) {
                0 => forward_block::<8, 4>(image, layout, index, block),
                1 => forward_block::<16, 8>(image, layout, index, block),
                2 => forward_block::<32, 16>(image, layout, index, block),
                _ => forward_block::<64, 32>(image, layout, index, block),
            }
            for (c, &place) in coefficients.iter_mut().zip(&layout.scan(index).places) {
                *c = block[usize::from(place)];
            }
        }
    }
}

/// The coefficients of a block that has points in the image, in row-major order.
#[inline(always)]
pub(super) fn forward_block<const N: usize, const H: usize>(image: &[f32], layout: &Layout, index: usize, block: &mut [f32]) {
    let plane = Axis::<f32, N, H>::FORWARD;
    let [high, wide] = layout.inside(index);
    let (origin, pitch) = layout.origin(index);
    for (place, offset) in layout.rows(index, origin, pitch) {
        let row = &mut block[place..place + N];
        row[..wide].copy_from_slice(&image[offset..offset + wide]);
        row[wide..].fill(image[offset + wide - 1]);
    }
    for frame in block.chunks_exact_mut(N * N) {
        for y in high..N {
            frame.copy_within((high - 1) * N..high * N, y * N);
        }
    }
    forward_in_time(block, layout.frames, N * N);
    for frame in block.chunks_exact_mut(N * N) {
        for x in (0..N).step_by(LANES) {
            plane.lines(&mut frame[x..], N);
        }
        frame.as_chunks_mut().0.iter_mut().for_each(|row| plane.row(row));
    }
}

/// A strip.
struct Inverse<'a, D> {
    codes: &'a [i32],
    layout: &'a Layout,
    strip: usize,
    pitch: usize,
    decode: D,
    image: &'a mut [i32],
}

impl<D: Fn(&[i32], &mut [i32]) -> usize> Loops for Inverse<'_, D> {
    type Result = ();

    #[inline(always)]
    fn run(self) {
        let Inverse { mut codes, layout, strip, pitch, decode, image } = self;
        let mut block = vec![0; layout.frames * layout.side * layout.side];
        let mut coefficients = block.clone();
        for index in layout.strip(strip) {
            let Range { start, end } = layout.range(index);
            let (own, others) = codes.split_at(end - start);
            codes = others;
            let used = decode(own, &mut coefficients[..own.len()]);
            if used == 0 {
                continue;
            }
            let block = &mut block[..own.len()];
            let image = Target { layout, index, pitch, image };
            match layout.size(index) {
                0 => inverse_block::<8, 4>(&coefficients[..used], block, image),
                1 => inverse_block::<16, 8>(&coefficients[..used], block, image),
                2 => inverse_block::<32, 16>(&coefficients[..used], block, image),
                _ => inverse_block::<64, 32>(&coefficients[..used], block, image),
            }
        }
    }
}

/// Where the points of a block go.
struct Target<'a> {
    layout: &'a Layout,
    index: usize,
    pitch: usize,
    /// It begins with the block's squares.
    image: &'a mut [i32],
}

#[inline(always)]
fn inverse_block<const N: usize, const H: usize>(coefficients: &[i32], block: &mut [i32], to: Target) {
    let Target { layout, index, pitch, image } = to;
    let plane = Axis::<i32, N, H>::INVERSE;
    block.fill(0);
    // All bits of the places that are not zero: extents are powers of two but for some in time.
    let mut places = 0;
    for (&place, &c) in layout.scan(index).places.iter().zip(coefficients) {
        block[usize::from(place)] = c;
        places |= if c == 0 { 0 } else { usize::from(place) };
    }
    let used = [places / (N * N), places / N % N, places % N].map(|f| f + 1);
    inverse_in_time::<N>(block, layout.frames, used);
    // All frames are the first one where nothing changes in time.
    let frames = if used[0] == 1 { 1 } else { layout.frames };
    for frame in block.chunks_exact_mut(N * N).take(frames) {
        for x in (0..used[2]).step_by(LANES) {
            plane.lines(&mut frame[x..], N, used[1]);
        }
    }
    let ([_, wide], [y, x]) = (layout.inside(index), layout.place(index));
    for (place, offset) in layout.rows(index, y.start % layout.side * layout.image[2] + x.start, pitch) {
        match place / (N * N) {
            later if later >= frames => image.copy_within(offset - later * pitch..offset - later * pitch + wide, offset),
            _ => {
                let row = block[place..][..N].try_into().expect("a row");
                image[offset..offset + wide].copy_from_slice(&plane.row(row, used[2])[..wide]);
            }
        }
    }
}

/// The axis in time of all lines of a block of frames of `pitch` points.
#[inline(always)]
fn forward_in_time(block: &mut [f32], frames: usize, pitch: usize) {
    for x in (0..pitch).step_by(LANES) {
        let block = &mut block[x..];
        match frames {
            1 => {}
            2 => Axis::<f32, 2, 1>::FORWARD.lines(block, pitch),
            3 => Axis::<f32, 3, 2>::FORWARD.lines(block, pitch),
            8 => Axis::<f32, 8, 4>::FORWARD.lines(block, pitch),
            16 => Axis::<f32, 16, 8>::FORWARD.lines(block, pitch),
            24 => Axis::<f32, 24, 12>::FORWARD.lines(block, pitch),
            _ => Axis::<f32, 32, 16>::FORWARD.lines(block, pitch),
        }
    }
}

/// The axis in time of the lines of the first frequencies `[rows, columns]` of a block with so many frequencies in time.
#[inline(always)]
fn inverse_in_time<const N: usize>(block: &mut [i32], frames: usize, [used, rows, columns]: [usize; 3]) {
    let used = used.min(frames);
    for y in 0..rows {
        for x in (0..columns).step_by(LANES) {
            let block = &mut block[y * N + x..];
            match frames {
                1 => {}
                2 => Axis::<i32, 2, 1>::INVERSE.lines(block, N * N, used),
                3 => Axis::<i32, 3, 2>::INVERSE.lines(block, N * N, used),
                8 => Axis::<i32, 8, 4>::INVERSE.lines(block, N * N, used),
                16 => Axis::<i32, 16, 8>::INVERSE.lines(block, N * N, used),
                24 => Axis::<i32, 24, 12>::INVERSE.lines(block, N * N, used),
                _ => Axis::<i32, 32, 16>::INVERSE.lines(block, N * N, used),
            }
        }
    }
}

caesar_kernels::loops! {
    /// From the frequencies of a line along the edge of a block to its points, or `forward` from these.
    pub(super) fn along_edge(line: &mut [i32], forward: bool) {
        fn turn<const N: usize, const H: usize>(line: &mut [i32], forward: bool) {
            let line: &mut [i32; N] = line.try_into().expect("a line");
            *line = if forward { Axis::<i32, N, H>::FORWARD.frequencies(line) } else { Axis::<i32, N, H>::INVERSE.row(line, N) };
        }
        match line.len() {
            8 => turn::<8, 4>(line, forward),
            16 => turn::<16, 8>(line, forward),
            32 => turn::<32, 16>(line, forward),
            _ => turn::<64, 32>(line, forward),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::partition::tests::any_partition;
    use crate::transform::{MAX_BLOCK, SIDES};
    use proptest::prelude::*;

    fn noise(n: usize) -> Vec<i32> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as i32 - (1 << 23)
        };
        (0..n).map(|_| next()).collect()
    }

    fn image_of(coefficients: &[i32], layout: &Layout) -> Vec<i32> {
        inverse(coefficients, layout, |codes, coefficients| {
            coefficients.copy_from_slice(codes);
            codes.iter().rposition(|&c| c != 0).map_or(0, |last| last + 1)
        })
    }

    fn coefficients_of(image: &[i32], layout: &Layout) -> Vec<i32> {
        let image: Vec<f32> = image.iter().map(|&v| v as f32).collect();
        forward(&image, layout, None, Team::ALONE).iter().map(|c| c.round() as i32).collect()
    }

    #[test]
    fn matrices_are_orthonormal() {
        for n in [1, 2, 3, 8, 16, 24, 32, 64] {
            let m = |k: usize, i: usize| i64::from(entry(n, k, i));
            for a in 0..n {
                for b in 0..n {
                    let dot: i64 = (0..n).map(|i| m(a, i) * m(b, i)).sum();
                    let one = if a == b { 1i64 << 36 } else { 0 };
                    assert!((dot - one).abs() < 1 << 21, "{n}: {a} {b} {dot}");
                }
            }
        }
    }

    #[test]
    fn edges_go_to_points_and_back() {
        for n in SIDES {
            let frequencies: Vec<i32> = noise(n);
            let mut line = frequencies.clone();
            along_edge(&mut line, false);
            let point = |i: usize| ((0..n).map(|k| i64::from(frequencies[k]) * i64::from(entry(n, k, i))).sum::<i64>() + (1 << (SHIFT - 1)) >> SHIFT) as i32;
            assert!(line.iter().enumerate().all(|(i, &p)| p == point(i)), "{n}");
            along_edge(&mut line, true);
            let worst = line.iter().zip(&frequencies).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst < 600, "{n}: {worst} of 2^23");
        }
    }

    #[test]
    fn inverse_undoes_forward_up_to_rounding() {
        for (frames, side) in [(8, 8), (8, 16), (8, 32), (1, 8), (1, 16), (2, 32), (3, 16), (16, 8), (24, 16), (32, 32), (1, 64), (16, 64)] {
            let layout = Layout::new([2 * frames, 3 * side - 3, side + 1], frames, side);
            let image = noise(layout.image.iter().product());
            let again = image_of(&coefficients_of(&image, &layout), &layout);
            let worst = image.iter().zip(&again).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(worst < 2000, "{frames} {side}: {worst} of 2^23");
        }
    }

    proptest! {
        #[test]
        fn blocks_of_all_sizes_come_back(partition in any_partition(), layers in 1usize..3, frames in prop::sample::select(&[1usize, 3][..])) {
            let [rows, columns] = partition.plane;
            let layout = Layout::of([layers * frames, rows, columns], frames, &partition);
            let image = noise(layout.image.iter().product());
            let outside: Vec<bool> = (0..layout.blocks()).map(|block| layout.inside(block).contains(&0)).collect();
            let values: Vec<f32> = image.iter().map(|&v| v as f32).collect();
            let coefficients = Team::run(2, |team| forward(&values, &layout, Some(&outside), team));
            let again = image_of(&coefficients.iter().map(|c| c.round() as i32).collect::<Vec<i32>>(), &layout);
            prop_assert!(image.iter().zip(&again).all(|(a, b)| a.abs_diff(*b) < 2000));
        }
    }

    /// A block, row-major both ways, through each axis by its whole matrix: what the transform is.
    fn by_definition(block: &[i32], &Layout { frames, side, .. }: &Layout, forward: bool) -> Vec<i32> {
        let axes = [(frames, side * side), (side, side), (side, 1)];
        axes.into_iter().fold(block.to_vec(), |data, (n, pitch)| {
            let value = |at: usize| {
                let to = at / pitch % n;
                let weight = |from: usize| if forward { entry(n, to, from) } else { entry(n, from, to) };
                let product = |from: usize| i64::from(data[at - to * pitch + from * pitch]) * i64::from(weight(from));
                ((0..n).map(product).sum::<i64>() + (1 << (SHIFT - 1)) >> SHIFT).try_into().expect("32 bits")
            };
            (0..data.len()).map(value).collect()
        })
    }

    #[test]
    fn both_directions_are_the_product_with_the_matrix() {
        for frames in [1, 2, 3, 8, 16, 24, 32] {
            for side in SIDES.into_iter().filter(|side| frames * side * side <= MAX_BLOCK) {
                let layout = Layout::new([frames, side, side], frames, side);
                let image = noise(layout.scan(0).len());
                let coefficients = coefficients_of(&image, &layout);
                let expected = by_definition(&image, &layout, true);
                assert!(coefficients.iter().zip(&layout.scan(0).places).all(|(c, &place)| c.abs_diff(expected[usize::from(place)]) < 64), "{frames} {side}");
                for used in [1, 2, 3, 10, 60, coefficients.len()] {
                    let sparse = |(s, &c): (usize, &i32)| if s < used && s % 7 != 5 { c } else { 0 };
                    let sparse: Vec<i32> = coefficients.iter().enumerate().map(sparse).collect();
                    let mut block = vec![0; sparse.len()];
                    layout.scan(0).places.iter().zip(&sparse).for_each(|(&place, &c)| block[usize::from(place)] = c);
                    let expected = by_definition(&block, &layout, false);
                    assert!(image_of(&sparse, &layout) == expected, "{frames} {side} {used}");
                }
            }
        }
    }

    #[test]
    fn a_flat_block_is_its_lowest_coefficient() {
        let layout = Layout::new([8, 8, 8], 8, 8);
        let c = coefficients_of(&[1000; 512], &layout);
        assert!(c[0].abs_diff(22627) < 4, "{}", c[0]);
        assert!(c[1..].iter().all(|&c| c == 0));
    }

    #[test]
    fn the_largest_input_does_not_overflow() {
        let layout = Layout::new([16, 64, 64], 16, 64);
        // Signs with which all add up, at a corner and inside.
        for [t, y, x] in [[0, 0, 0], [3, 40, 21]] {
            let sign = |at: usize| entry(16, at / 4096, t).signum() * entry(64, at / 64 % 64, y).signum() * entry(64, at % 64, x).signum();
            let block: Vec<i32> = (0..layout.scan(0).len()).map(|at| sign(at) * (5 << (MAX_INPUT_BITS - 2))).collect();
            let coefficients: Vec<i32> = layout.scan(0).places.iter().map(|&place| block[usize::from(place)]).collect();
            let image = image_of(&coefficients, &layout);
            assert!(image == by_definition(&block, &layout, false));
            assert!(image[(t * 64 + y) * 64 + x] > 1 << 29, "{}", image[(t * 64 + y) * 64 + x]);
        }
    }
}
