//! Numbers that the encoder fits and tells: taps and weights, as changes against those last told for such a step.

use crate::entropy::codes::{CodeModel, Context};
use crate::entropy::{Bit, BitCoder};

/// Kinds of step that keep numbers of their own: four classes of level, three phases, zero to two references.
const SLOTS: usize = 4 * 3 * 3;

/// `M` numbers for each kind of step.
pub struct Told<const M: usize> {
    /// The numbers are told in multiples of this.
    unit: i32,
    last: Vec<Option<[i16; M]>>,
    changed: Bit,
    changes: CodeModel<1>,
}

impl<const M: usize> Told<M> {
    pub fn new(unit: i32) -> Self {
        Told { unit, last: vec![None; SLOTS], changed: Bit::new(), changes: CodeModel::new([M], 1, M) }
    }

    pub fn last(&self, slot: usize) -> Option<[i16; M]> {
        self.last[slot]
    }

    /// Tells the numbers of a step: `wanted` (as near as the unit allows), or `start` for those not `available`.
    pub fn code<C: BitCoder>(
        &mut self,
        coder: &mut C,
        slot: usize,
        start: [i16; M],
        wanted: [i16; M],
        available: impl Fn(usize) -> bool,
    ) -> [i16; M] {
        let mut numbers = start;
        if self.changed.code(coder, wanted != start) {
            for i in (0..M).filter(|&i| available(i)) {
                let change = (i32::from(wanted[i]) - i32::from(start[i])) / self.unit;
                let change = self.changes.code(coder, change, &Context { tables: [i], set: 0, shift: 0, sign: i });
                numbers[i] = i32::from(start[i]).wrapping_add(change.wrapping_mul(self.unit)) as i16;
            }
        }
        self.last[slot] = Some(numbers);
        numbers
    }
}

/// About how many bits it takes to tell other numbers.
pub fn change_bits<const M: usize>(from: &[i16; M], to: &[i16; M], unit: i32) -> f64 {
    let change = |(&a, &b): (&i16, &i16)| f64::from((i32::from(a) - i32::from(b)).abs() / unit);
    8.0 + from.iter().zip(to).map(|pair| 1.0 + 2.0 * (1.0 + change(pair)).log2()).sum::<f64>()
}
