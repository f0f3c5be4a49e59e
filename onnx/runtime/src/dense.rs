//! Graphs that are nothing but dense layers over points, for callers who compute these themselves.

use crate::graph::{Conv, Graph, Node, Op, ValueId};
use caesar_codec::network::Dense;

/// The layers of such a graph: 1 × 1 convolutions, each but the last followed by a `QuantizeLinear` with zero point 0.
pub fn layers(graph: &Graph) -> Option<Vec<Dense>> {
    let ([input], [output]) = (&graph.inputs[..], &graph.outputs[..]) else { return None };
    let mut nodes = graph.nodes.iter();
    let mut at = input.value;
    let mut layers = Vec::new();
    loop {
        next(&mut nodes, &mut at, |op| matches!(op, Op::Dequantize { .. }))?;
        let Op::Conv(conv) = next(&mut nodes, &mut at, |op| matches!(op, Op::Conv(_)))? else { return None };
        if at == output.value {
            // Every channel in the unit of the output.
            let plain = output.lift == Some(0) && conv.lift.iter().all(|&l| l == 0) && nodes.next().is_none();
            layers.push(dense(conv, Vec::new())?);
            return plain.then_some(layers);
        }
        let Op::Quantize { shift, zero: 0 } = next(&mut nodes, &mut at, |op| matches!(op, Op::Quantize { .. }))? else {
            return None;
        };
        let shifts = conv.lift.iter().map(|&lift| u32::try_from(i64::from(*shift) - i64::from(lift)).ok());
        layers.push(dense(conv, shifts.collect::<Option<_>>()?)?);
    }
}

/// The next node, if it is such an operator and reads only the value at hand.
fn next<'a>(nodes: &mut impl Iterator<Item = &'a Node>, at: &mut ValueId, wanted: impl Fn(&Op) -> bool) -> Option<&'a Op> {
    let node = nodes.next()?;
    let follows = node.inputs == [*at] && wanted(&node.op);
    *at = node.output;
    follows.then_some(&node.op)
}

fn dense(conv: &Conv, shifts: Vec<u32>) -> Option<Dense> {
    if conv.kernel != [1, 1] || conv.stride != [1, 1] || conv.pads != [0; 4] {
        return None;
    }
    let sum = |weights: &[i8]| weights.iter().map(|&w| i32::from(w)).sum::<i32>();
    let sums = conv.weights.chunks_exact(conv.in_channels).map(sum);
    let bias = conv.bias.iter().zip(sums).map(|(bias, sum)| bias - sum * i32::from(conv.zero)).collect();
    Some(Dense { weights: conv.weights.clone(), bias, shifts })
}
