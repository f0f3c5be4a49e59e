//! The decoder network on an image: what the transform blurred or blocked, it corrects.
//!
//! It sees the image less its local mean in 1/32 step, eight (or one) frames of a 4 × 4 patch as channels, and gives
//! its correction as an exact multiple of a power of two of the step.

use super::{Networks, unusable};
use crate::error::Result;
use crate::network::{Network, Tensor};
use crate::transform::FRACTION_BITS;

/// Points of a patch in each direction.
const PATCH: usize = 4;
/// Side of the square whose mean is taken off.
const MEAN: usize = 9;
/// Windows that the network sees at once; CAESAR's tile.
const WINDOW: usize = 256;

/// Adds the network's correction to an image in 1/64 step, extents `[T, H, W]`, multiples of frames and patch.
pub fn sharpen(image: &mut [i32], [frames, rows, columns]: [usize; 3], model: &Networks) -> Result<()> {
    let network = model.model.graph("decoder")?;
    let &[bits] = model.model.table("decoder_scale_bits")? else {
        return unusable("the decoder's scale is not one number".into());
    };
    let bits = bits.clamp(0, 30) as u32;
    let plane = rows * columns;
    let group = model.frames * plane;
    debug_assert_eq!(frames % model.frames, 0);
    for image in image.chunks_exact_mut(group) {
        let detail: Vec<u8> = image.chunks_exact(plane).flat_map(|p| detail(p, columns)).collect();
        for y in (0..rows).step_by(WINDOW) {
            for x in (0..columns).step_by(WINDOW) {
                let window = Window {
                    frames: model.frames,
                    plane: [rows, columns],
                    start: [y, x],
                    extent: [WINDOW.min(rows - y), WINDOW.min(columns - x)],
                };
                window.correct(image, &detail, network.as_ref(), bits)?;
            }
        }
    }
    Ok(())
}

/// A part of a group of frames.
struct Window {
    frames: usize,
    plane: [usize; 2],
    start: [usize; 2],
    extent: [usize; 2],
}

impl Window {
    /// Calls `f(channel place, image place)` for each point: frame, row and column in the patch are the channel.
    fn each(&self, mut f: impl FnMut(usize, usize)) {
        let [high, wide] = self.extent.map(|e| e / PATCH);
        for t in 0..self.frames {
            for y in 0..self.extent[0] {
                let image = (t * self.plane[0] + self.start[0] + y) * self.plane[1] + self.start[1];
                for x in 0..self.extent[1] {
                    let channel = (t * PATCH + y % PATCH) * PATCH + x % PATCH;
                    f((channel * high + y / PATCH) * wide + x / PATCH, image + x);
                }
            }
        }
    }

    fn correct(&self, image: &mut [i32], detail: &[u8], network: &dyn Network, bits: u32) -> Result<()> {
        let shape = vec![1, self.frames * PATCH * PATCH, self.extent[0] / PATCH, self.extent[1] / PATCH];
        let mut input = Tensor { data: vec![0; shape.iter().product()], shape };
        self.each(|place, at| input.data[place] = detail[at]);
        let shape = input.shape.clone();
        let output = network.run(&[input])?;
        let [correction] = &output[..] else {
            return unusable(format!("a decoder with {} outputs", output.len()));
        };
        if correction.shape != shape || correction.data.len() != shape.iter().product() {
            return unusable(format!("a decoder that makes {:?} of {shape:?}", correction.shape));
        }
        self.each(|place, at| {
            let fine = i64::from(correction.data[place]) << FRACTION_BITS;
            let half = (1i64 << bits) >> 1;
            image[at] = image[at].wrapping_add((fine + half >> bits) as i32);
        });
        Ok(())
    }
}

/// A plane less its mean over 9 × 9 points (its border repeated), in 1/32 step around 128.
fn detail(plane: &[i32], columns: usize) -> Vec<u8> {
    let rows = plane.len() / columns;
    let reach = (MEAN / 2) as isize;
    let clamped = |i: isize, n: usize| i.clamp(0, n as isize - 1) as usize;
    // Sums over columns of the square, kept up to date row by row.
    let mut column: Vec<i64> = vec![0; columns];
    let add = |column: &mut [i64], row: usize, sign: i64| {
        for (sum, &v) in column.iter_mut().zip(&plane[row * columns..(row + 1) * columns]) {
            *sum += sign * i64::from(v);
        }
    };
    (-reach..=reach).for_each(|y| add(&mut column, clamped(y, rows), 1));
    let mut detail = Vec::with_capacity(plane.len());
    for y in 0..rows {
        let mut sum: i64 = (-reach..=reach).map(|x| column[clamped(x, columns)]).sum();
        for x in 0..columns {
            let mean = sum.div_euclid((MEAN * MEAN) as i64);
            let difference = i64::from(plane[y * columns + x]) - mean;
            detail.push(((difference + 1 >> 1).clamp(-128, 127) + 128) as u8);
            sum += column[clamped(x as isize + reach + 1, columns)] - column[clamped(x as isize - reach, columns)];
        }
        add(&mut column, clamped(y as isize - reach, rows), -1);
        add(&mut column, clamped(y as isize + reach + 1, rows), 1);
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::detail;

    #[test]
    fn detail_is_the_difference_from_the_mean_of_a_square() {
        let (rows, columns) = (13usize, 17usize);
        let plane: Vec<i32> = (0..rows * columns).map(|i| ((i * i * 7919) % 300) as i32 - 150).collect();
        let found = detail(&plane, columns);
        for y in 0..rows {
            for x in 0..columns {
                let mut sum = 0;
                for dy in -4i32..=4 {
                    for dx in -4i32..=4 {
                        let row = (y as i32 + dy).clamp(0, rows as i32 - 1) as usize;
                        let column = (x as i32 + dx).clamp(0, columns as i32 - 1) as usize;
                        sum += plane[row * columns + column];
                    }
                }
                let difference = plane[y * columns + x] - sum.div_euclid(81);
                let expected = (difference + 1 >> 1).clamp(-128, 127) + 128;
                assert_eq!(i32::from(found[y * columns + x]), expected, "{y} {x}");
            }
        }
    }
}
