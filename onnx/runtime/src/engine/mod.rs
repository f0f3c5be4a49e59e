//! The embedded engine: runs a checked graph in integer arithmetic, on any processor, with the same result.
//!
//! It exists beside ONNX Runtime because a file must be readable with the plugin alone. The profile needs a handful of
//! operators, so an engine of its own is smaller, quicker to build and several times faster than a general one.

mod block;
mod conv;
mod elementwise;
mod kernels;
mod plan;
mod requantize;
mod shapes;
mod spare;

use crate::graph::{Graph, Input, Output};
use block::{Block, Order, elements};
use caesar_codec::network::{Dense, Network, Tensor};
use caesar_codec::{Error, Result};
use caesar_kernels::Isa;
use plan::{Operand, Step};
use spare::Spare;
use std::ops::Range;
use std::sync::Arc;

/// No tensor of a run holds more elements, …
const MAX_ELEMENTS: usize = 1 << 28;
/// … nor do all of them together. Tiles need a hundredth of it; a hostile graph could double its tensors at every step.
const MAX_RUN: usize = 1 << 30;

/// A value during a run.
#[derive(Clone)]
enum Held {
    Codes(Arc<Block<u8>>),
    /// Reals as integers in their unit.
    Wide(Arc<Block<i32>>),
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Held::Codes(block) => block.data.len(),
            Held::Wide(block) => block.data.len(),
        }
    }

    /// What a step reads of a kind that the plan has fixed.
    fn codes(&self) -> &Block<u8> {
        match self {
            Held::Codes(block) => block,
            Held::Wide(_) => unreachable!("the plan gives codes to steps that read codes"),
        }
    }

    fn wide(&self) -> &Block<i32> {
        match self {
            Held::Wide(block) => block,
            Held::Codes(_) => unreachable!("the plan gives sums to steps that read sums"),
        }
    }
}

impl From<Block<u8>> for Held {
    fn from(block: Block<u8>) -> Self {
        Held::Codes(Arc::new(block))
    }
}

impl From<Block<i32>> for Held {
    fn from(block: Block<i32>) -> Self {
        Held::Wide(Arc::new(block))
    }
}

/// A graph prepared for this processor. A run fails where tensors do not fit the graph or each other, or are too large; never for
/// reasons of arithmetic.
pub struct Engine {
    inputs: Vec<Input>,
    steps: Vec<Step>,
    outputs: Vec<Output>,
    operands: Vec<Operand>,
    values: usize,
    reach: Option<usize>,
    dense: Option<Vec<Dense>>,
    spare: Spare,
}

/// Where an image goes on beyond the rows that are given: what depends on the others is left out of the result, instead of taking them
/// for a border. For graphs that have a [`Graph::reach`].
#[derive(Debug, Clone, Copy, Default)]
struct Cut {
    above: bool,
    below: bool,
}

impl Cut {
    /// How many of the rows left out lie above: convolutions reach as far up as down.
    fn lost_above(self, lost: usize) -> usize {
        match self {
            Cut { above: false, .. } => 0,
            Cut { below: false, .. } => lost,
            _ => lost / 2,
        }
    }
}

impl Engine {
    pub fn new(graph: Graph, isa: Isa) -> Self {
        plan::prepare(graph, isa)
    }

    fn run_blocks(&self, inputs: Vec<Block<u8>>, cut: Cut) -> Result<Vec<Block<i32>>> {
        let mut values: Vec<Option<Held>> = vec![None; self.values];
        for (block, input) in inputs.into_iter().zip(&self.inputs) {
            values[input.value] = Some(block.into());
        }
        let mut spent = 0;
        for step in &self.steps {
            let result = step.run(&values, cut, &self.spare)?;
            spent += result.len();
            if spent > MAX_RUN {
                return Err(Error::LimitsExceeded(format!("the graph makes more than {MAX_RUN} values of inputs of this size")));
            }
            values[step.to] = Some(result);
            for &done in &step.last_uses {
                match values[done].take() {
                    Some(Held::Codes(block)) => Arc::into_inner(block).into_iter().for_each(|block| self.spare.give(block.data)),
                    Some(Held::Wide(block)) => Arc::into_inner(block).into_iter().for_each(|block| self.spare.give(block.data)),
                    None => {}
                }
            }
        }
        let held = |output: &Output| values[self.operands[output.value].value].clone().expect("outputs are kept to the end");
        let outputs: Vec<Held> = self.outputs.iter().map(held).collect();
        // So that the outputs are the only owners, and nothing is copied.
        drop(values);
        Ok(outputs.into_iter().zip(&self.outputs).map(|(held, output)| self.read(output, held)).collect())
    }

    pub fn check_inputs(&self, inputs: &[Tensor<u8>]) -> Result<()> {
        self.check_shapes(&inputs.iter().map(|input| &input.shape[..]).collect::<Vec<_>>())?;
        match inputs.iter().find(|input| input.shape.iter().product::<usize>() != input.data.len()) {
            Some(Tensor { shape, data }) => Err(Error::InvalidArgument(format!("an input of {shape:?} with {} values", data.len()))),
            None => Ok(()),
        }
    }

    fn check_shapes(&self, shapes: &[&[usize]]) -> Result<()> {
        if shapes.len() != self.inputs.len() {
            return Err(Error::InvalidArgument(format!("{} inputs for a graph of {}", shapes.len(), self.inputs.len())));
        }
        for (shape, Input { dims, .. }) in shapes.iter().zip(&self.inputs) {
            let fits = shape.len() == dims.len() && shape.iter().zip(dims).all(|(&n, d)| d.is_none_or(|d| d == n));
            if !fits {
                return Err(Error::InvalidArgument(format!("an input of {shape:?} where the graph takes {dims:?}")));
            }
            elements(shape)?;
        }
        Ok(())
    }

    fn read(&self, output: &Output, held: Held) -> Block<i32> {
        let zero = if output.lift.is_some() { self.operands[output.value].zero } else { 0 };
        let mut block = match held {
            Held::Codes(block) => elementwise::widen(&block, zero, 0),
            Held::Wide(block) => Arc::unwrap_or_clone(block),
        };
        if let Some(lift @ 1..) = output.lift {
            block.data.iter_mut().for_each(|m| *m <<= lift);
        }
        block
    }
}

impl Network for Engine {
    fn run(&self, inputs: &[Tensor<u8>]) -> Result<Vec<Tensor<i32>>> {
        self.check_inputs(inputs)?;
        let blocks = inputs.iter().map(Block::input).collect::<Result<_>>()?;
        let planar =
            |block: Block<i32>| block.into_order(Order::Planar).map(|Block { shape, data, .. }| Tensor { shape, data });
        self.run_blocks(blocks, Cut::default())?.into_iter().map(planar).collect()
    }

    /// As they lie in the engine.
    fn run_pixels(&self, pixels: Tensor<u8>, rows: Range<usize>) -> Result<Tensor<i32>> {
        let block = Block::of_pixels(pixels, &self.spare)?;
        self.check_shapes(&[&block.shape])?;
        let [n, _, h, _] = block.image_shape()?;
        let cut = match self.reach {
            Some(reach) if n == 1 && rows.end <= h => Cut { above: rows.start >= reach, below: h - rows.end >= reach },
            _ => Cut::default(),
        };
        let [output] = <[_; 1]>::try_from(self.run_blocks(vec![block], cut)?)
            .map_err(|outputs| Error::InvalidArgument(format!("a graph of {} outputs where one is wanted", outputs.len())))?;
        let pixels = output.into_pixels()?;
        let above = cut.lost_above(h - pixels.shape[1].min(h));
        let rows = rows.start.saturating_sub(above)..rows.end.saturating_sub(above);
        pixels.rows(rows)
    }

    fn reach(&self) -> Option<usize> {
        self.reach
    }

    fn dense(&self) -> Option<&[Dense]> {
        self.dense.as_deref()
    }
}
