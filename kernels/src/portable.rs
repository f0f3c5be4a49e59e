//! The definition of the predictor, target by target.

use crate::predictor::{Dense, FILTERS, MAX_HIDDEN, OUTPUTS, Predictor};
use crate::row::{DETAILS, OWN, Row};
use crate::scales::{Scales, log8};

/// Inputs of a network with references, and the first of them, which one alone takes.
const INPUTS: usize = 60;
const ALONE: usize = 36;
/// Weights of a row that are taken together.
const BLOCK: usize = 8;
/// Details are at most so large.
const UNIT: i32 = 1 << 14;

pub fn predict_row(predictor: &Predictor, row: &Row, prediction: &mut [i32], classes: &mut [u8]) {
    let scales = Scales::new(row);
    for (x, (prediction, class)) in prediction.iter_mut().zip(classes).enumerate() {
        let target = Target::new(row, &scales, x, *prediction);
        let sums = sums(predictor, &target.inputs);
        (*prediction, *class) = target.finish(predictor, &scales, &sums);
    }
}

pub fn inputs_row(row: &Row, prediction: &[i32], inputs: &mut [u8]) {
    let (scales, targets) = (Scales::new(row), prediction.len());
    for (x, prediction) in prediction.iter().enumerate() {
        let target = Target::new(row, &scales, x, *prediction);
        inputs[x..].iter_mut().step_by(targets).zip(target.inputs).for_each(|(to, code)| *to = code);
    }
}

pub fn finish_row(predictor: &Predictor, row: &Row, sums: &[i32], prediction: &mut [i32], classes: &mut [u8]) {
    let (scales, targets) = (Scales::new(row), prediction.len());
    for (x, (prediction, class)) in prediction.iter_mut().zip(classes).enumerate() {
        let target = Target::new(row, &scales, x, *prediction);
        let sums = std::array::from_fn(|i| sums[i * targets + x]);
        (*prediction, *class) = target.finish(predictor, &scales, &sums);
    }
}

/// A target's surroundings as the network sees them.
struct Target {
    prediction: i32,
    /// Differences in units of 2^shift, at most 2^14.
    details: [i16; DETAILS],
    shift: u32,
    /// The logarithm of the details' scale.
    log: u32,
    /// So small a scale that the network is not asked.
    quiet: bool,
    inputs: [u8; INPUTS],
}

impl Target {
    fn new(row: &Row, scales: &Scales, x: usize, prediction: i32) -> Self {
        let mut differences = [0; DETAILS];
        for (d, own) in differences.iter_mut().zip(row.own) {
            *d = own[x].wrapping_sub(prediction);
        }
        let mut misfit = 0;
        if let Some(references) = row.references {
            let mean = references.mean.map(|m| m[x]);
            differences[OWN] = mean[0].wrapping_sub(prediction);
            for i in 1..mean.len() {
                differences[OWN + i] = mean[i].wrapping_sub(mean[0]);
            }
            if let Some(difference) = references.difference {
                differences[OWN + mean.len()..].copy_from_slice(&difference.map(|f| f[x]));
            }
            misfit = references.misfit[x];
        }

        // Small enough for 16 bits: one shift for all.
        let extent = differences[..OWN].iter().fold(0, |all, d| all | d.unsigned_abs());
        let shift = (u32::BITS - extent.leading_zeros()).saturating_sub(UNIT.ilog2());
        let half = (1i32 << shift) >> 1;
        let narrow = |d: i32| (d.wrapping_add(half) >> shift).clamp(-UNIT, UNIT) as i16;
        let details = differences.map(narrow);
        let size = |i: usize| i32::from(details[i].unsigned_abs());

        // Codes are details in sixteenths of their scale.
        let sum: i32 = (0..OWN).map(size).sum();
        let scale = (sum * scales.share >> 8) + (scales.noise >> shift) + 1;
        let log = scale.ilog2();
        let quiet = scale <= scales.quiet >> shift;
        let code = |detail: i16| (((i32::from(detail) << 5) >> log) + 1) >> 1;

        // What the scale leaves open: logarithms of sizes in bins.
        let in_bins = |x: i32| log8(x as u32) + 8 * shift as i32 - scales.bin;
        let single = |x: i32| in_bins(x + (scales.single >> shift) + 1);
        let nearest: i32 = details[..4].iter().map(|&d| i32::from(d)).sum();
        let activity = row.activity.map(|a| log8(16 * a[x].clamp(0, 16383) as u32 + 1) - 32);
        let mean: i32 = (OWN + 1..OWN + 13).map(size).sum();
        let difference = OWN + 13;

        let codes = details.map(code);
        let mut inputs = [0; INPUTS];
        inputs[..OWN].copy_from_slice(&codes[..OWN]);
        inputs[OWN] = in_bins(scale);
        inputs[OWN + 1] = in_bins(nearest.abs() + (scales.near >> shift) + 1);
        inputs[OWN + 2] = scales.level;
        inputs[OWN + 3] = scales.resolution;
        inputs[OWN + 4..ALONE].copy_from_slice(&activity);
        if row.references.is_some() {
            let sizes = &mut inputs[ALONE..];
            sizes[..DETAILS - OWN].copy_from_slice(&codes[OWN..]);
            sizes[DETAILS - OWN] = single(size(OWN));
            sizes[DETAILS - OWN + 1] = single(mean * 21 >> 8);
            sizes[DETAILS - OWN + 2] = single(i32::from(narrow(misfit)).abs());
            sizes[DETAILS - OWN + 3] = scales.references;
            sizes[DETAILS - OWN + 4] = if scales.references > 0 { single(size(difference)) } else { 0 };
        }
        let inputs = inputs.map(|code| (code.clamp(-128, 127) + 128) as u8);
        Target { prediction, details, shift, log, quiet, inputs }
    }

    /// The corrected prediction and the class of what is left.
    fn finish(&self, predictor: &Predictor, scales: &Scales, sums: &[i32; OUTPUTS]) -> (i32, u8) {
        if self.quiet {
            return (self.prediction, 0);
        }
        let mut correction = sums[FILTERS].clamp(-16384, 16384) << self.log;
        for (filter, sum) in predictor.filters.iter().zip(sums) {
            correction += sum.clamp(&-8191, &8191) * (dot(filter, &self.details) >> 12).clamp(-16384, 16384);
        }
        let correction = (correction + 1024) >> 11;
        let scale = sums[FILTERS + 1].clamp(-65536, 65536) + (((self.log + self.shift) as i32) << 11) - (scales.bin << 8);
        let class = ((scale * 4 + 1024) >> 11) + 24;
        (self.prediction.wrapping_add(correction.wrapping_shl(self.shift)), class.clamp(0, 67) as u8)
    }
}

fn sums(predictor: &Predictor, inputs: &[u8; INPUTS]) -> [i32; OUTPUTS] {
    let [first, second, last] = &predictor.layers;
    let mut codes = [0; MAX_HIDDEN];
    codes.iter_mut().zip(inputs).for_each(|(to, &code)| *to = i16::from(code));
    let sums = last.sums(&second.hidden(&first.hidden(&codes)));
    std::array::from_fn(|i| sums[i])
}

/// A dense layer in 16 bits, its rows padded to whole blocks.
#[derive(Debug, Clone)]
pub struct Layer {
    inputs: usize,
    weights: Vec<[i16; BLOCK]>,
    bias: Vec<i32>,
    shifts: Vec<u32>,
}

impl Layer {
    pub fn new(dense: &Dense) -> Self {
        let Dense { weights, bias, shifts } = dense;
        let inputs = weights.len() / bias.len();
        let block = |weights: &[i8]| std::array::from_fn(|i| weights.get(i).map_or(0, |&w| i16::from(w)));
        let rows = weights.chunks_exact(inputs);
        let weights = rows.flat_map(|row| row.chunks(BLOCK).map(block)).collect();
        Layer { inputs, weights, bias: bias.clone(), shifts: shifts.clone() }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    fn hidden(&self, codes: &[i16; MAX_HIDDEN]) -> [i16; MAX_HIDDEN] {
        let (sums, mut out) = (self.sums(codes), [0; MAX_HIDDEN]);
        for (o, &shift) in self.shifts.iter().enumerate() {
            out[o] = quantise(sums[o], shift);
        }
        out
    }

    fn sums(&self, codes: &[i16; MAX_HIDDEN]) -> [i32; MAX_HIDDEN] {
        let mut sums = [0; MAX_HIDDEN];
        let (codes, _) = codes.as_chunks::<BLOCK>();
        let rows = self.weights.chunks_exact(self.inputs.div_ceil(BLOCK));
        for ((sum, bias), row) in sums.iter_mut().zip(&self.bias).zip(rows) {
            *sum = bias + row.iter().zip(codes).map(|(w, c)| dot(w, c)).sum::<i32>();
        }
        sums
    }
}

fn dot<const N: usize>(a: &[i16; N], b: &[i16; N]) -> i32 {
    (0..N).map(|i| i32::from(a[i]) * i32::from(b[i])).sum()
}

/// Halves go to the even neighbour, as ONNX's `QuantizeLinear` has it.
fn quantise(sum: i32, shift: u32) -> i16 {
    let odd = sum >> shift & 1;
    let rounded = match shift {
        0 => sum,
        _ => (sum + (1 << (shift - 1)) - 1 + odd) >> shift,
    };
    rounded.clamp(0, 255) as i16
}
