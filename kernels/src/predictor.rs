//! The network: its layers, what makes their arithmetic exact, and its ways of running.

use crate::isa::Isa;
use crate::portable;
use crate::row::{DETAILS, OWN, Row};
use crate::vector::{self, Packed};

/// Sums of the last layer: eight gates over the filters, a correction, a scale.
pub const OUTPUTS: usize = 10;
/// Linear filters.
pub const FILTERS: usize = 8;
/// Inputs of a network that stands alone, and of one with references.
const INPUTS: [usize; 2] = [36, 60];
/// What sums may reach: exact in a float32 as well.
const MAX_SUM: u64 = 1 << 24;
const MAX_TAPS: u32 = 1 << 16;
/// Channels of a hidden layer, a multiple of 16.
pub const MAX_HIDDEN: usize = 128;

/// A dense layer. Its sums are `Σ weight · code + bias`; a hidden layer shifts them right, halves to even, and cuts them to
/// a u8 code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dense {
    /// Row after row, one for each output; in [-64, 63].
    pub weights: Vec<i8>,
    /// One for each output; the zero point of the codes is in it.
    pub bias: Vec<i32>,
    /// One for each output; none in the last layer, whose sums are the result.
    pub shifts: Vec<u32>,
}

impl Dense {
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Whether it takes so many inputs, and no codes at all can make its sums inexact.
    fn check(&self, inputs: usize) -> Result<(), String> {
        if self.weights.len() != inputs * self.outputs() {
            return Err(format!("{} weights between {inputs} and {} channels", self.weights.len(), self.outputs()));
        }
        for (weights, bias) in self.weights.chunks_exact(inputs).zip(&self.bias) {
            if weights.iter().any(|w| !(-64..=63).contains(w)) {
                return Err("a weight of more than 7 bits".into());
            }
            let sum: u64 = weights.iter().map(|w| u64::from(w.unsigned_abs())).sum();
            if 255 * sum + u64::from(bias.unsigned_abs()) > MAX_SUM {
                return Err("a sum that may exceed 2^24".into());
            }
        }
        Ok(())
    }
}

/// Corrects linear predictions and tells the scale of what is left.
#[derive(Debug, Clone)]
pub struct Predictor {
    pub(crate) layers: [portable::Layer; 3],
    /// Of each filter, taps in 1/4096 for all details; zero for those that a network alone has not.
    pub(crate) filters: [[i16; DETAILS]; FILTERS],
    /// The same for vector kernels.
    pub(crate) packed: Packed,
}

impl Predictor {
    /// Two hidden layers and the last one; `filters` are the taps of eight filters, one after the other, in 1/4096: 28 each
    /// in a network alone, 46 in one with references.
    ///
    /// # Errors
    /// What shape or bound is broken. Nothing that passes can overflow.
    pub fn new(layers: [Dense; 3], filters: &[i16]) -> Result<Self, String> {
        let [first, second, last] = &layers;
        let inputs = match first.outputs() {
            0 => 0,
            outputs => first.weights.len() / outputs,
        };
        if !INPUTS.contains(&inputs) {
            return Err(format!("{inputs} inputs"));
        }
        for hidden in [first, second] {
            let size = hidden.outputs();
            if size == 0 || size % 16 != 0 || size > MAX_HIDDEN {
                return Err(format!("a hidden layer of {size} channels"));
            }
            if hidden.shifts.len() != size || hidden.shifts.iter().any(|&s| s > MAX_SUM.ilog2()) {
                return Err("shifts of a hidden layer".into());
            }
        }
        if last.outputs() != OUTPUTS || !last.shifts.is_empty() {
            return Err(format!("a last layer of {} channels", last.outputs()));
        }
        first.check(inputs)?;
        second.check(first.outputs())?;
        last.check(second.outputs())?;

        let taps = if inputs == INPUTS[0] { OWN } else { DETAILS };
        if filters.len() != FILTERS * taps {
            return Err(format!("{} taps", filters.len()));
        }
        let mut all = [[0; DETAILS]; FILTERS];
        for (filter, given) in all.iter_mut().zip(filters.chunks_exact(taps)) {
            if given.iter().map(|t| u32::from(t.unsigned_abs())).sum::<u32>() > MAX_TAPS {
                return Err("a filter whose taps exceed 2^16".into());
            }
            filter[..taps].copy_from_slice(given);
        }
        let packed = Packed::new(&layers, &all);
        Ok(Predictor { layers: layers.each_ref().map(portable::Layer::new), filters: all, packed })
    }

    /// How many codes the network takes for each target: 36 alone, 60 with references.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs()
    }

    pub(crate) fn is_referred(&self) -> bool {
        self.inputs() == INPUTS[1]
    }

    /// Predicts a row. `prediction` holds the linear prediction of each target, in lattice units, and is corrected;
    /// `classes` becomes the expected scale of what is left, 0 to 67: quarter octaves, 24 for one bin.
    ///
    /// # Panics
    /// When slices differ in length, or there are references for a network alone or none for one that wants them.
    pub fn predict_row(&self, isa: Isa, row: &Row, prediction: &mut [i32], classes: &mut [u8]) {
        vector::predict_row(isa, self, row, prediction, classes);
    }

    /// The codes that the network takes, planar: `inputs[c * n + x]` is input c of target x. For runtimes that compute the
    /// dense layers elsewhere; [`Self::finish_row`] takes their sums.
    ///
    /// # Panics
    /// As [`Self::predict_row`].
    pub fn inputs_row(&self, isa: Isa, row: &Row, prediction: &[i32], inputs: &mut [u8]) {
        vector::inputs_row(isa, self, row, prediction, inputs);
    }

    /// From the sums of the last layer, planar as in [`Self::inputs_row`], to what [`Self::predict_row`] gives.
    ///
    /// # Panics
    /// As [`Self::predict_row`].
    pub fn finish_row(&self, isa: Isa, row: &Row, sums: &[i32], prediction: &mut [i32], classes: &mut [u8]) {
        vector::finish_row(isa, self, row, sums, prediction, classes);
    }
}
