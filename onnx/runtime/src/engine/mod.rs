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

pub use kernels::Path;

use crate::graph::{Graph, Input, Output};
use block::{Block, elements};
use caesar_codec::network::Tensor;
use plan::{Operand, Step};
use std::sync::Arc;

/// No tensor of a run holds more elements, …
const MAX_ELEMENTS: usize = 1 << 28;
/// … nor do all of them together. Tiles need a hundredth of it; a hostile graph could double its tensors at every step.
const MAX_RUN: usize = 1 << 30;

/// Why a run failed; never for reasons of arithmetic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The inputs do not fit the graph, or its tensors each other.
    Shape(String),
    Limit(String),
}

impl Failure {
    fn shape(what: String) -> Self {
        Failure::Shape(what)
    }
    fn limit(what: String) -> Self {
        Failure::Limit(what)
    }
}

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

/// A graph prepared for this processor.
pub struct Engine {
    inputs: Vec<Input>,
    steps: Vec<Step>,
    outputs: Vec<Output>,
    operands: Vec<Operand>,
    values: usize,
}

impl Engine {
    pub fn new(graph: Graph, path: Path) -> Self {
        plan::prepare(graph, path)
    }

    /// Inputs in the graph's order, u8, row-major. Outputs in the graph's order.
    pub fn run(&self, inputs: &[Tensor<u8>]) -> Result<Vec<Tensor<i32>>, Failure> {
        let mut values: Vec<Option<Held>> = vec![None; self.values];
        self.check_inputs(inputs)?;
        for (tensor, input) in inputs.iter().zip(&self.inputs) {
            values[input.value] = Some(Block::input(tensor)?.into());
        }
        let mut spent = 0;
        for step in &self.steps {
            let result = step.run(&values)?;
            spent += result.len();
            if spent > MAX_RUN {
                return Err(Failure::limit(format!("the graph makes more than {MAX_RUN} values of inputs of this size")));
            }
            values[step.to] = Some(result);
            for &done in &step.last_uses {
                values[done] = None;
            }
        }
        self.outputs.iter().map(|output| self.read(output, &values)).collect()
    }

    pub fn check_inputs(&self, inputs: &[Tensor<u8>]) -> Result<(), Failure> {
        if inputs.len() != self.inputs.len() {
            return Err(Failure::shape(format!("{} inputs for a graph of {}", inputs.len(), self.inputs.len())));
        }
        for (input, Input { dims, .. }) in inputs.iter().zip(&self.inputs) {
            let fits = input.shape.len() == dims.len() && input.shape.iter().zip(dims).all(|(&n, d)| d.is_none_or(|d| d == n));
            if !fits || elements(&input.shape)? != input.data.len() {
                let (shape, n) = (&input.shape, input.data.len());
                return Err(Failure::shape(format!("an input of {shape:?} with {n} values where the graph takes {dims:?}")));
            }
        }
        Ok(())
    }

    fn read(&self, output: &Output, values: &[Option<Held>]) -> Result<Tensor<i32>, Failure> {
        let Operand { value, zero, .. } = self.operands[output.value];
        let held = values[value].as_ref().expect("outputs are kept to the end");
        let lift = output.lift.unwrap_or(0);
        let (shape, mut data) = match held {
            Held::Codes(block) => {
                let zero = if output.lift.is_some() { zero } else { 0 };
                let block = block.planar()?;
                (block.shape.clone(), block.data.iter().map(|&code| i32::from(code) - zero).collect())
            }
            Held::Wide(block) => {
                let block = block.planar()?.into_owned();
                (block.shape, block.data)
            }
        };
        if lift > 0 {
            data.iter_mut().for_each(|m: &mut i32| *m <<= lift);
        }
        Ok(Tensor { shape, data })
    }
}
