//! How large a residual code is to be expected: a weighted sum of *clues*, the weights told per kind of step.
//!
//! What details and taps are for the prediction, clues and weights are for its error. The clues are magnitudes of codes
//! near the target, and how far the values around it bend, differ or depart from the references.

use crate::method::closed_loop::details::Bases;
use crate::method::closed_loop::plane::Phase;
use crate::method::closed_loop::step::Step;

/// Columns of margin in rows of codes.
pub const EDGE: usize = 2;
/// Clues known before a row is coded.
pub const ROW_CLUES: usize = 12;
/// All clues: those of the row, then the codes to the west and beyond.
pub const CLUES: usize = ROW_CLUES + 2;
/// A weight of one, and an expected magnitude of one.
pub const UNIT: u32 = 256;
/// Weights are told in multiples of this, up to a limit.
pub const WEIGHT_UNIT: i32 = 2;
pub const WEIGHT_LIMIT: i16 = 511;
/// One weight for each clue, in 1/256.
pub type Weights = [i16; CLUES];

/// Weights to start from, by phase, without and with references: the means over many fields.
const START: [[Weights; 2]; 3] = [
    [[34, 6, 14, 4, 2, 0, 0, 0, 4, 0, 0, 2, 46, 8], [18, 4, 10, 2, 2, 0, 0, 22, 3, 0, 0, 2, 34, 6]],
    [[16, 6, 8, 2, 0, 17, 0, 0, 3, 0, 0, 2, 22, 4], [10, 4, 6, 2, 2, 14, 0, 26, 3, 0, 0, 2, 17, 4]],
    [[12, 2, 4, 2, 0, 12, 16, 0, 2, 0, 0, 2, 12, 2], [8, 2, 4, 2, 2, 11, 14, 24, 2, 0, 0, 2, 8, 2]],
];

/// Weights to start from.
pub fn start(phase: Phase, references: bool) -> Weights {
    START[phase as usize - 1][usize::from(references)]
}

/// The values and magnitudes around one row of targets from which clues are taken.
pub struct Surroundings<'a> {
    pub step: &'a Step<'a>,
    pub bin_log: u32,
    pub row: usize,
    /// Four times the bases, and the predictions.
    pub bases: &'a Bases,
    pub prediction: &'a [i32],
    /// Magnitudes of the codes of the two rows above, nearest first, with margins.
    pub above: [&'a [i16]; 2],
}

impl Surroundings<'_> {
    /// Clue `index` of the row's targets.
    pub fn clue_row(&self, index: usize, out: &mut [i16]) {
        let columns = out.len();
        let shifted = |row: &[i16], by: usize, out: &mut [i16]| out.copy_from_slice(&row[by..][..columns]);
        match index {
            0 => shifted(self.above[0], EDGE, out),
            1 => shifted(self.above[0], EDGE - 1, out),
            2 => shifted(self.above[0], EDGE + 1, out),
            3 => shifted(self.above[1], EDGE, out),
            4 => self.step.sizes_near(Phase::Coarse, self.row, out),
            5 => self.step.sizes_near(Phase::Centre, self.row, out),
            6 => self.step.sizes_near(Phase::Right, self.row, out),
            7 => self.step.sizes_of_references(self.row, out),
            8 => {
                for ((out, &base), &p) in out.iter_mut().zip(&self.bases.own).zip(self.prediction) {
                    *out = self.eighths(p.wrapping_mul(4).wrapping_sub(base).unsigned_abs() >> 2);
                }
            }
            9 => self.step.sources.slope_row(self.step.line(self.row), out, |slope| self.eighths(slope >> 1)),
            10 if self.step.reference_sizes.is_some() => {
                for ((out, &own), &mean) in out.iter_mut().zip(&self.bases.own).zip(&self.bases.mean) {
                    *out = self.eighths(own.wrapping_sub(mean).unsigned_abs() >> 2);
                }
            }
            10 => out.fill(0),
            _ => out.fill(1),
        }
    }

    /// A difference of values in eighths of a bin.
    #[inline(always)]
    fn eighths(&self, difference: u32) -> i16 {
        let scaled = if self.bin_log >= 3 { difference >> (self.bin_log - 3) } else { difference << 3 >> self.bin_log };
        (scaled as i32).clamp(0, 32767) as i16
    }
}
