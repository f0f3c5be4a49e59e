//! Codes as symbols: a step whose targets are predicted and coded side by side.

use super::networks::Networks;
use crate::entropy::BitCoder;
use crate::entropy::ans::SymbolCoder;
use crate::entropy::symbols::SymbolModel;
use crate::method::closed_loop::Steps;
use crate::method::closed_loop::bin::Bin;
use crate::method::closed_loop::plane::Plane;
use crate::method::closed_loop::step::{Linears, Predictor, Step, magnitudes_of};

/// Everything that is learned while the steps of a tile are coded, and the coder of their codes; what else is told goes
/// another way.
pub struct StepCoder<'m, S> {
    bin: Bin,
    networks: &'m Networks,
    linears: Linears,
    symbols: SymbolModel,
    coder: &'m mut S,
}

impl<'m, S> StepCoder<'m, S> {
    pub fn new(bin: Bin, networks: &'m Networks, coder: &'m mut S) -> Self {
        StepCoder { bin, networks, linears: Linears::new(), symbols: SymbolModel::default(), coder }
    }
}

impl<S: SymbolCoder> Steps for StepCoder<'_, S> {
    fn bin(&self) -> Bin {
        self.bin
    }

    fn code<C: BitCoder>(&mut self, coder: &mut C, step: &Step, values: &mut Plane<i32>, sizes: &mut Plane<i16>) {
        let linear = self.linears.code(coder, step, self.bin);
        let (mut scratch, mut buffers) = (self.networks.scratch(step, &linear, self.bin), step.buffers());
        let mut codes = vec![0; step.columns];
        for row in 0..step.rows {
            self.networks.predict_row(step, row, &linear, &mut scratch, &mut buffers);
            if let Some((original, _)) = step.original {
                self.bin.quantise(original.row(row as isize, 0, step.columns), &buffers.prediction, &mut codes);
            }
            self.symbols.code_row(self.coder, &mut codes, &buffers.classes, step.masked(row));
            self.bin.restore(&codes, &mut buffers.prediction);
            values.row_mut(row).copy_from_slice(&buffers.prediction);
            magnitudes_of(&codes, sizes.row_mut(row));
        }
        values.extend_smoothly();
        sizes.extend_flat();
    }
}
