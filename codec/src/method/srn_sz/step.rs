//! One step: linear predictions, corrected by the network; codes under the scales that it tells.

use super::networks::Networks;
use crate::entropy::BitCoder;
use crate::entropy::ans::SymbolCoder;
use crate::entropy::symbols::SymbolModel;
use crate::method::closed_loop::Steps;
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::plane::Plane;
use crate::method::closed_loop::step::{Linears, Step, magnitudes_of};

/// Everything that is learned while the steps of a tile are coded, and the coder of their codes.
pub struct StepCoder<'m, S> {
    bin: Bin,
    networks: &'m Networks,
    linears: Linears,
    symbols: SymbolModel,
    pub coder: S,
}

impl<'m, S: SymbolCoder> StepCoder<'m, S> {
    pub fn new(bin: Bin, networks: &'m Networks, coder: S) -> Self {
        StepCoder { bin, networks, linears: Linears::new(), symbols: SymbolModel::default(), coder }
    }
}

impl<S: SymbolCoder> Steps for StepCoder<'_, S> {
    fn bin(&self) -> Bin {
        self.bin
    }

    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, values: &mut Plane<i32>, sizes: &mut Plane<i16>) {
        let linear = self.linears.code(coder, step, self.bin);
        let mut codes = vec![0; step.columns];
        self.networks.predict(step, &linear, self.bin, |row, prediction, classes| {
            if let Some((original, _)) = step.original {
                self.bin.quantise(original.row(row as isize, 0, step.columns), prediction, &mut codes);
            }
            self.symbols.code_row(&mut self.coder, &mut codes, classes, step.masked(row));
            self.bin.restore(&codes, prediction);
            values.row_mut(row).copy_from_slice(prediction);
            magnitudes_of(&codes, sizes.row_mut(row));
        });
        values.extend_smoothly();
        sizes.extend_flat();
    }
}
