//! From a checked graph to steps: aliases resolved, clips and quantisations drawn into what they follow.

use super::conv::Prepared;
use super::elementwise::{self, Addend};
use super::requantize::Quantizer;
use super::block::Block;
use super::spare::Spare;
use super::{Cut, Engine, Held, shapes};
use crate::dense;
use crate::graph::{DepthOrder, Graph, Node, Op, ValueId};
use caesar_codec::Result;
use caesar_kernels::Isa;

/// Where a value of the graph lies, and how to read it.
#[derive(Debug, Clone, Copy)]
pub struct Operand {
    pub value: usize,
    /// What to take from the stored codes for the real that they stand for.
    pub zero: i32,
    /// Codes lie there, not sums.
    coded: bool,
}

pub struct Step {
    run: Run,
    from: Vec<Operand>,
    pub to: usize,
    /// Values that no later step reads.
    pub last_uses: Vec<usize>,
    isa: Isa,
}

enum Run {
    Conv(Box<Prepared>),
    Add { lift: [u32; 2], quantizer: Option<Quantizer> },
    Clip { low: i32, high: i32 },
    Quantize(Quantizer),
    ConcatCodes { axis: i64 },
    ConcatReals { axis: i64, lift: Vec<u32> },
    Reshape { dims: Vec<i64> },
    Transpose { perm: Vec<usize> },
    DepthToSpace { block: usize, order: DepthOrder },
}

pub fn prepare(graph: Graph, isa: Isa) -> Engine {
    let (consumers, reach, dense) = (consumers(&graph), graph.reach(), dense::layers(&graph));
    let mut operands: Vec<Operand> = (0..graph.values).map(|value| Operand { value, zero: 0, coded: true }).collect();
    let mut steps: Vec<Step> = Vec::new();
    let mut absorbed = vec![false; graph.nodes.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        if absorbed[i] {
            continue;
        }
        let from: Vec<Operand> = node.inputs.iter().map(|&v| operands[v]).collect();
        let mut to = node.output;
        let mut coded = from[0].coded;
        let run = match &node.op {
            Op::Dequantize { zero } => {
                operands[to] = Operand { zero: i32::from(*zero), ..from[0] };
                continue;
            }
            // Of codes that nothing has changed: the profile lets only their own scale and zero point through.
            Op::Quantize { .. } if from[0].coded => {
                operands[to] = Operand { zero: 0, ..from[0] };
                continue;
            }
            Op::Quantize { shift, zero } => {
                coded = true;
                Run::Quantize(Quantizer::new(*shift, *zero, None))
            }
            Op::Conv(conv) => {
                let quantizer = absorb(&graph.nodes, &consumers, &mut to, &mut absorbed);
                coded = quantizer.is_some();
                Run::Conv(Box::new(Prepared::new(conv, quantizer, isa)))
            }
            Op::Add { lift } => {
                let quantizer = absorb(&graph.nodes, &consumers, &mut to, &mut absorbed);
                coded = quantizer.is_some();
                Run::Add { lift: *lift, quantizer }
            }
            Op::Clip { low, high } => {
                coded = false;
                Run::Clip { low: *low, high: *high }
            }
            Op::Concat { axis, lift } => {
                let alike = from.iter().all(|f| f.coded && f.zero == from[0].zero) && lift.iter().all(|&l| l == 0);
                coded = alike;
                match alike {
                    true => Run::ConcatCodes { axis: *axis },
                    false => Run::ConcatReals { axis: *axis, lift: lift.clone() },
                }
            }
            Op::Reshape { dims } => Run::Reshape { dims: dims.clone() },
            Op::Transpose { perm } => Run::Transpose { perm: perm.clone() },
            Op::DepthToSpace { block, order } => Run::DepthToSpace { block: *block, order: *order },
        };
        let zero = if run.moves() { from[0].zero } else { 0 };
        operands[to] = Operand { value: to, zero, coded };
        steps.push(Step { run, from, to, last_uses: Vec::new(), isa });
    }
    mark_last_uses(&mut steps, &graph, &operands);
    let Graph { inputs, outputs, values, .. } = graph;
    Engine { inputs, steps, outputs, operands, values, reach, dense, spare: Spare::default() }
}

/// Nodes that read each value; an output of the graph counts as a node beyond the last.
fn consumers(graph: &Graph) -> Vec<Vec<usize>> {
    let mut consumers = vec![Vec::new(); graph.values];
    for (i, node) in graph.nodes.iter().enumerate() {
        node.inputs.iter().for_each(|&v| consumers[v].push(i));
    }
    graph.outputs.iter().for_each(|o| consumers[o.value].push(usize::MAX));
    consumers
}

/// Draws a following `Quantize`, or `Clip` and `Quantize`, into the node whose output is `to`, where nothing else reads
/// what lies between, and limits are met in time: what lies beyond them need not fit a finer unit.
fn absorb(nodes: &[Node], consumers: &[Vec<usize>], to: &mut ValueId, absorbed: &mut [bool]) -> Option<Quantizer> {
    let only = |value: ValueId| match consumers[value][..] {
        [i] => nodes.get(i).map(|node| (i, node)),
        _ => None,
    };
    let (mut i, mut node) = only(*to)?;
    let (mut clip, mut limits) = (None, None);
    if let Op::Clip { low, high } = node.op {
        clip = Some(i);
        limits = Some([low, high]);
        (i, node) = only(node.output)?;
    }
    let Op::Quantize { shift, zero } = node.op else { return None };
    if clip.is_some() && shift < 0 {
        return None;
    }
    absorbed[i] = true;
    if let Some(clip) = clip {
        absorbed[clip] = true;
    }
    *to = node.output;
    Some(Quantizer::new(shift, zero, limits))
}

fn mark_last_uses(steps: &mut [Step], graph: &Graph, operands: &[Operand]) {
    let mut kept = vec![false; graph.values];
    graph.outputs.iter().for_each(|o| kept[operands[o.value].value] = true);
    for step in steps.iter_mut().rev() {
        for from in &step.from {
            if !kept[from.value] {
                kept[from.value] = true;
                step.last_uses.push(from.value);
            }
        }
    }
}

impl Step {
    pub fn run(&self, values: &[Option<Held>], cut: Cut, spare: &Spare) -> Result<Held> {
        let held = |i: usize| values[self.from[i].value].as_ref().expect("a checked graph defines values before their use");
        match &self.run {
            Run::Conv(conv) => conv.run(&*held(0).codes().channels_last()?, cut, spare),
            Run::Add { lift, quantizer } => {
                let addend = |i: usize| Addend { held: held(i), zero: self.from[i].zero, lift: lift[i] };
                elementwise::add(addend(0), addend(1), cut, *quantizer, self.isa)
            }
            Run::Clip { low, high } => Ok(elementwise::clip(held(0).wide(), *low, *high).into()),
            Run::Quantize(quantizer) => Ok(elementwise::quantize(held(0).wide(), *quantizer, self.isa).into()),
            Run::ConcatCodes { axis } => {
                let blocks: Vec<_> = (0..self.from.len()).map(|i| held(i).codes()).collect();
                Ok(shapes::concat(&blocks, *axis)?.into())
            }
            Run::ConcatReals { axis, lift } => {
                let reals = |i: usize| elementwise::reals(held(i), self.from[i].zero, lift[i]);
                let blocks: Vec<_> = (0..self.from.len()).map(reals).collect();
                Ok(shapes::concat(&blocks.iter().collect::<Vec<_>>(), *axis)?.into())
            }
            run => match held(0) {
                Held::Codes(block) => Ok(run.moved(block)?.into()),
                Held::Wide(block) => Ok(run.moved(block)?.into()),
            },
        }
    }
}

impl Run {
    /// Whether codes come out as they went in, zero point and all.
    fn moves(&self) -> bool {
        use Run::{ConcatCodes, DepthToSpace, Reshape, Transpose};
        matches!(self, ConcatCodes { .. } | Reshape { .. } | Transpose { .. } | DepthToSpace { .. })
    }

    /// The operators that move values, whatever they are.
    fn moved<T: Copy + Default>(&self, block: &Block<T>) -> Result<Block<T>> {
        match self {
            Run::Reshape { dims } => shapes::reshape(block, dims),
            Run::Transpose { perm } => shapes::transpose(block, perm),
            Run::DepthToSpace { block: side, order } => shapes::depth_to_space(block, *side, *order),
            _ => unreachable!("the other operators compute"),
        }
    }
}
