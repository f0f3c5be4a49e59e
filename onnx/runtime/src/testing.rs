//! Models for tests, written with the same structs that read them.

use crate::proto::{Attribute, Dimension, Graph, Model, Node, OperatorSet};
use crate::proto::{Shape, Tensor, TensorType, ValueInfo, ValueType, data_type};
use bytes::Bytes;
use prost::Message;

/// A graph under construction. Tensors are named `t0`, `t1`, … as they appear.
#[derive(Default, Clone)]
pub struct Builder {
    pub graph: Graph,
    names: usize,
}

fn tensor(data_type: i32, dims: &[usize], raw: Vec<u8>) -> Tensor {
    Tensor { dims: dims.iter().map(|&d| d as i64).collect(), data_type, raw_data: raw.into(), ..Default::default() }
}

pub fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, r#type: 2, ..Default::default() }
}

pub fn text(name: &str, s: &'static str) -> Attribute {
    Attribute { name: name.into(), s: Bytes::from_static(s.as_bytes()), r#type: 3, ..Default::default() }
}

pub fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute { name: name.into(), ints: ints.to_vec(), r#type: 7, ..Default::default() }
}

/// `2^-bits` as a float.
pub fn scale(bits: i32) -> f32 {
    2f32.powi(-bits)
}

/// A convolution to be added: weights O, I, H, W.
#[derive(Debug, Clone)]
pub struct ConvSpec {
    pub shape: [usize; 4],
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    /// Of the input's scale.
    pub in_bits: i32,
    /// Of the weights' scales, one per output channel.
    pub bits: Vec<i32>,
    pub stride: usize,
    pub pad: usize,
}

impl Builder {
    fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names - 1)
    }

    fn value(name: &str, elem_type: i32, dims: &[Option<usize>]) -> ValueInfo {
        let dim = |(i, d): (usize, &Option<usize>)| match d {
            Some(n) => Dimension { dim_value: Some(*n as i64), dim_param: None },
            None => Dimension { dim_value: None, dim_param: Some(format!("{name}_{i}")) },
        };
        let shape = Some(Shape { dim: dims.iter().enumerate().map(dim).collect() });
        let tensor_type = Some(TensorType { elem_type, shape });
        ValueInfo { name: name.into(), r#type: Some(ValueType { tensor_type }) }
    }

    pub fn input(&mut self, dims: &[Option<usize>]) -> String {
        let name = self.name();
        self.graph.input.push(Self::value(&name, data_type::UINT8, dims));
        name
    }

    pub fn output(&mut self, name: &str, codes: bool) {
        let elem_type = if codes { data_type::UINT8 } else { data_type::FLOAT };
        self.graph.output.push(Self::value(name, elem_type, &[None; 4]));
    }

    pub fn constant(&mut self, tensor: Tensor) -> String {
        let name = self.name();
        self.graph.initializer.push(Tensor { name: name.clone(), ..tensor });
        name
    }

    pub fn floats(&mut self, values: &[f32], dims: &[usize]) -> String {
        self.constant(tensor(data_type::FLOAT, dims, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
    }

    pub fn node(&mut self, op: &str, inputs: &[&str], attribute: Vec<Attribute>) -> String {
        let output = self.name();
        let input = inputs.iter().map(|s| s.to_string()).collect();
        let node = Node { input, output: vec![output.clone()], op_type: op.into(), attribute, ..Default::default() };
        self.graph.node.push(node);
        output
    }

    fn scale_and_zero(&mut self, bits: i32, zero: u8) -> [String; 2] {
        [self.floats(&[scale(bits)], &[]), self.constant(tensor(data_type::UINT8, &[], vec![zero]))]
    }

    pub fn dequantize(&mut self, from: &str, bits: i32, zero: u8) -> String {
        let [s, z] = self.scale_and_zero(bits, zero);
        self.node("DequantizeLinear", &[from, &s, &z], vec![])
    }

    pub fn quantize(&mut self, from: &str, bits: i32, zero: u8) -> String {
        let [s, z] = self.scale_and_zero(bits, zero);
        self.node("QuantizeLinear", &[from, &s, &z], vec![])
    }

    pub fn conv(&mut self, from: &str, spec: &ConvSpec) -> String {
        let channels = spec.shape[0];
        let dequantized = |b: &mut Self, values: Tensor, bits: Vec<i32>| {
            let scales: Vec<f32> = bits.into_iter().map(scale).collect();
            let (values, scales) = (b.constant(values), b.floats(&scales, &[channels]));
            b.node("DequantizeLinear", &[&values, &scales], vec![int("axis", 0)])
        };
        let raw = spec.weights.iter().map(|&w| w as u8).collect();
        let weights = dequantized(self, tensor(data_type::INT8, &spec.shape, raw), spec.bits.clone());
        let raw = spec.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
        let units = spec.bits.iter().map(|b| b + spec.in_bits).collect();
        let bias = dequantized(self, tensor(data_type::INT32, &[channels], raw), units);
        let (pad, stride) = (spec.pad as i64, spec.stride as i64);
        let attributes = vec![ints("pads", &[pad; 4]), ints("strides", &[stride; 2])];
        self.node("Conv", &[from, &weights, &bias], attributes)
    }

    pub fn clip(&mut self, from: &str, low: f32, high: f32) -> String {
        let (low, high) = (self.floats(&[low], &[]), self.floats(&[high], &[]));
        self.node("Clip", &[from, &low, &high], vec![])
    }

    pub fn file(&self) -> Vec<u8> {
        let opset_import = vec![OperatorSet { domain: String::new(), version: 17 }];
        let mut graph = self.graph.clone();
        graph.name = "test".into();
        Model { ir_version: 8, graph: Some(graph), opset_import, functions: vec![] }.encode_to_vec()
    }
}

/// A network of four 3x3 convolutions of 64 to 128 channels, residual and linear at its end: what decoders look like.
/// Its weights are pseudo-random.
pub fn decoder() -> (Vec<u8>, Vec<crate::profile::OutputKind>) {
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 16) as i32
    };
    let mut b = Builder::default();
    let input = b.input(&[None, Some(128), None, None]);
    let mut spec = |o: usize, i: usize| ConvSpec {
        shape: [o, i, 3, 3],
        weights: (0..o * i * 9).map(|_| (random() % 64) as i8 - 32).collect(),
        bias: (0..o).map(|_| random() % 1000 - 500).collect(),
        in_bits: 6,
        bits: vec![12; o],
        stride: 1,
        pad: 1,
    };
    let x = b.dequantize(&input, 6, 128);
    let h = b.conv(&x, &spec(96, 128));
    let h = b.quantize(&h, 6, 0);
    let h = b.dequantize(&h, 6, 0);
    let r = b.conv(&h, &spec(96, 96));
    let r = b.quantize(&r, 6, 128);
    let r = b.dequantize(&r, 6, 128);
    let s = b.node("Add", &[&h, &r], vec![]);
    let s = b.quantize(&s, 6, 0);
    let s = b.dequantize(&s, 6, 0);
    let t = b.conv(&s, &spec(64, 96));
    let t = b.quantize(&t, 6, 0);
    let t = b.dequantize(&t, 6, 0);
    let out = b.conv(&t, &spec(128, 64));
    b.output(&out, false);
    (b.file(), vec![crate::profile::OutputKind::Integer { scale_bits: 18 }])
}

/// Pseudo-random numbers for graphs that are a function of a seed.
pub struct Lcg(pub u64);

impl Lcg {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % n as u64) as usize
    }

    pub fn conv(&mut self, in_channels: usize, in_bits: i32) -> ConvSpec {
        let (out, kernel) = (1 + self.below(40), [1, 3][self.below(2)]);
        let spread = 1 + self.below(4);
        ConvSpec {
            shape: [out, in_channels, kernel, kernel],
            weights: (0..out * in_channels * kernel * kernel).map(|_| self.below(128) as i8 - 64).collect(),
            bias: (0..out).map(|_| self.below(8001) as i32 - 4000).collect(),
            in_bits,
            bits: (0..out).map(|_| 9 + self.below(spread) as i32).collect(),
            stride: 1,
            pad: self.below(kernel.div_ceil(2) + 1).min(kernel / 2),
        }
    }
}

/// Codes in a random graph: name, scale as 2^-bits, zero point, channels.
type Codes = (String, i32, u8, usize);

/// A random graph of the profile with `layers` operators, its output kinds and its input channels.
pub fn random_graph(seed: u64, layers: usize) -> (Vec<u8>, Vec<crate::profile::OutputKind>, usize) {
    use crate::profile::OutputKind;
    let (mut b, mut r) = (Builder::default(), Lcg(seed));
    let channels = 1 + r.below(9);
    let input = b.input(&[None, Some(channels), None, None]);
    let mut pool: Vec<Codes> = vec![(input, 5, [0, 128][r.below(2)], channels)];
    let real = |b: &mut Builder, c: &Codes| b.dequantize(&c.0, c.1, c.2);
    for _ in 0..layers {
        let from = pool[r.below(pool.len())].clone();
        let (bits, zero) = (1 + r.below(3) as i32, [0, 128][r.below(2)]);
        let x = real(&mut b, &from);
        match r.below(5) {
            0 => {
                let other = pool[r.below(pool.len())].clone();
                if other.3 == from.3 {
                    let y = real(&mut b, &other);
                    let sum = b.node("Add", &[&x, &y], vec![]);
                    pool.push((b.quantize(&sum, bits, zero), bits, zero, from.3));
                }
            }
            1 => {
                let other = pool[r.below(pool.len())].clone();
                // Sums over more channels might leave the profile.
                if from.3 + other.3 > 160 {
                    continue;
                }
                let y = real(&mut b, &other);
                let both = b.node("Concat", &[&x, &y], vec![int("axis", 1)]);
                let alike = (from.1, from.2) == (other.1, other.2);
                let (bits, zero) = if alike { (from.1, from.2) } else { (bits, zero) };
                pool.push((b.quantize(&both, bits, zero), bits, zero, from.3 + other.3));
            }
            2 if from.3.is_multiple_of(4) => {
                let mode = text("mode", ["DCR", "CRD"][r.below(2)]);
                let up = b.node("DepthToSpace", &[&x], vec![int("blocksize", 2), mode]);
                let up = b.quantize(&up, from.1, from.2);
                // Sizes change: what came before no longer fits.
                pool = vec![(up, from.1, from.2, from.3 / 4)];
            }
            _ => {
                let mut spec = r.conv(from.3, from.1);
                let same = spec.pad == spec.shape[2] / 2;
                spec.stride = 1 + r.below(4) / 3;
                let sum = b.conv(&x, &spec);
                let sum = if r.below(3) == 0 { b.clip(&sum, -1.0, 30.0) } else { sum };
                let codes = (b.quantize(&sum, bits, zero), bits, zero, spec.shape[0]);
                if same && spec.stride == 1 {
                    pool.push(codes);
                } else {
                    pool = vec![codes];
                }
            }
        }
    }
    let last = pool.pop().expect("never empty");
    let x = real(&mut b, &last);
    let mut spec = r.conv(last.3, last.1);
    spec.pad = spec.shape[2] / 2;
    let linear = b.conv(&x, &spec);
    b.output(&linear, false);
    b.output(&last.0, true);
    let unit = spec.in_bits + spec.bits.iter().max().expect("a channel");
    (b.file(), vec![OutputKind::Integer { scale_bits: unit }, OutputKind::Codes], channels)
}

/// Codes of a shape.
pub fn random_codes(seed: u64, shape: &[usize]) -> caesar_codec::network::Tensor<u8> {
    let mut r = Lcg(seed);
    let data = (0..shape.iter().product()).map(|_| r.below(256) as u8).collect();
    caesar_codec::network::Tensor { shape: shape.to_vec(), data }
}

/// The library that tests of ONNX Runtime use; without one they have nothing to test and say so.
pub fn runtime() -> Option<&'static crate::onnxruntime::Runtime> {
    let named = std::env::var_os("CAESAR_ORT_LIB").filter(|p| p != "none");
    let library = named.map_or(crate::settings::Library::Usual, |p| crate::settings::Library::At(p.into()));
    match crate::onnxruntime::runtime(&library) {
        Ok(runtime) => Some(runtime),
        Err(why) => {
            println!("SKIPPED the comparison with ONNX Runtime: {why}");
            None
        }
    }
}
