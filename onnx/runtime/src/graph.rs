//! A checked graph: what the profile's checker hands to the engine.
//!
//! Two kinds of value flow through it. *Codes* are u8 tensors as they lie in memory. *Reals* are what ONNX computes in
//! float between a `DequantizeLinear` and a `QuantizeLinear`: always an integer `m` times a power of two, `m * 2^-bits`.

use std::sync::Arc;

pub type ValueId = usize;

#[derive(Debug)]
pub struct Graph {
    pub inputs: Vec<Input>,
    pub nodes: Vec<Node>,
    pub outputs: Vec<Output>,
    /// Number of values; ids below it.
    pub values: usize,
}

impl Graph {
    /// [`caesar_codec::network::Network::reach`]: at most the sum over all layers.
    pub fn reach(&self) -> Option<usize> {
        let one_input = self.inputs.len() == 1 && self.outputs.len() == 1;
        let of = |node: &Node| match &node.op {
            Op::Dequantize { .. } | Op::Quantize { .. } | Op::Clip { .. } | Op::Add { .. } => Some(0),
            Op::Conv(conv) => {
                let reach = conv.kernel[0] / 2;
                let alike = conv.kernel == [2 * reach + 1; 2] && conv.stride == [1, 1] && conv.pads == [reach; 4];
                alike.then_some(reach)
            }
            _ => None,
        };
        self.nodes.iter().map(of).sum::<Option<usize>>().filter(|_| one_input)
    }
}

/// A u8 input. A dimension is fixed by the file or free.
#[derive(Debug)]
pub struct Input {
    pub value: ValueId,
    pub dims: Vec<Option<usize>>,
}

#[derive(Debug)]
pub struct Output {
    pub value: ValueId,
    /// `None`: codes. `Some(k)`: a real, read as `m << k`.
    pub lift: Option<u32>,
}

#[derive(Debug)]
pub struct Node {
    pub op: Op,
    pub inputs: Vec<ValueId>,
    pub output: ValueId,
}

#[derive(Debug, Clone)]
pub enum Op {
    /// Codes to the real `(code - zero) * 2^-bits`.
    Dequantize { zero: u8 },
    /// Reals to codes: `m` shifted right by `shift` (left when negative), ties to even, plus `zero`, saturated.
    Quantize { shift: i32, zero: u8 },
    Conv(Arc<Conv>),
    /// Sum of two reals after shifting each left.
    Add { lift: [u32; 2] },
    /// Limits in units of the real's `m`.
    Clip { low: i32, high: i32 },
    /// Of codes, or of reals after shifting each left.
    Concat { axis: i64, lift: Vec<u32> },
    /// ONNX's target shape: 0 copies the dimension, one -1 takes what is left.
    Reshape { dims: Vec<i64> },
    Transpose { perm: Vec<usize> },
    DepthToSpace { block: usize, order: DepthOrder },
}

/// Where the offset inside the block stands among the input channels: before (`DCR`) or after (`CRD`) the output channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DepthOrder {
    BlockFirst,
    ChannelFirst,
}

/// A convolution of codes; its result is `(sum + bias) << lift`, one unit for all channels.
#[derive(Debug)]
pub struct Conv {
    pub out_channels: usize,
    pub in_channels: usize,
    /// Height, width.
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    /// Rows above, columns left, rows below, columns right, all filled with `zero` (a real 0).
    pub pads: [usize; 4],
    /// Out channel, in channel, row, column; in [-64, 63].
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    pub lift: Vec<u32>,
    /// Zero point of the input's codes: the sum runs over `(code - zero) * weight`.
    pub zero: u8,
}
