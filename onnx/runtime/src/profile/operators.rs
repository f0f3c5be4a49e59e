//! One check per operator: attributes, kinds, scales and bounds.

use super::constants::{as_integer, floats, int32s, int64s, scale_bits, uint8s};
use super::convolution;
use super::scope::{Kind, Real, Scaled, Scope};
use super::{EXACT, MAX_RANK, Result, WIDE};
use crate::graph::{DepthOrder, Node, Op, ValueId};
use crate::proto;
use std::collections::BTreeMap;

/// The attributes of a node. Whatever an operator does not take is outside the profile.
pub struct Attributes<'a>(BTreeMap<&'a str, &'a proto::Attribute>);

impl<'a> Attributes<'a> {
    fn of(node: &'a proto::Node) -> Result<Self> {
        let map: BTreeMap<_, _> = node.attribute.iter().map(|a| (a.name.as_str(), a)).collect();
        match map.len() == node.attribute.len() {
            true => Ok(Attributes(map)),
            false => Err("an attribute is given twice".into()),
        }
    }

    pub fn int(&mut self, name: &str, default: i64) -> i64 {
        self.0.remove(name).map_or(default, |a| a.i)
    }

    pub fn ints(&mut self, name: &str) -> Option<&'a [i64]> {
        self.0.remove(name).map(|a| a.ints.as_slice())
    }

    pub fn text(&mut self, name: &str, default: &'static str) -> &'a [u8] {
        self.0.remove(name).map_or(default.as_bytes(), |a| &a.s[..])
    }

    pub fn finish(self) -> Result<()> {
        match self.0.keys().next() {
            Some(name) => Err(format!("the attribute {name} is outside the profile")),
            None => Ok(()),
        }
    }
}

/// The node in integers; `None` when it only turned constants into constants.
pub fn check<'a>(node: &'a proto::Node, scope: &mut Scope<'a>) -> Result<Option<Node>> {
    if !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return Err(format!("an operator of the domain {}", node.domain));
    }
    let [output] = &node.output[..] else {
        return Err(format!("{} outputs instead of one", node.output.len()));
    };
    let mut attributes = Attributes::of(node)?;
    if node.op_type == "DequantizeLinear" && scope.is_constant(input(node, 0)?) {
        let scaled = dequantize_constant(node, &mut attributes, scope)?;
        attributes.finish()?;
        scope.define_scaled(output, scaled)?;
        return Ok(None);
    }
    let (op, inputs, kind) = match node.op_type.as_str() {
        "DequantizeLinear" => dequantize(node, &mut attributes, scope)?,
        "QuantizeLinear" => quantize(node, &mut attributes, scope)?,
        "Conv" => convolution::check(node, &mut attributes, scope)?,
        "Add" => add(node, scope)?,
        "Clip" => clip(node, scope)?,
        "Concat" => concat(node, &mut attributes, scope)?,
        "Reshape" => reshape(node, &mut attributes, scope)?,
        "Transpose" => transpose(node, &mut attributes, scope)?,
        "DepthToSpace" => depth_to_space(node, &mut attributes, scope)?,
        _ => return Err("this operator is outside the profile".into()),
    };
    attributes.finish()?;
    Ok(Some(Node { op, inputs, output: scope.define(output, kind)? }))
}

pub type Checked = (Op, Vec<ValueId>, Kind);

/// A mandatory input.
pub fn input(node: &proto::Node, i: usize) -> Result<&str> {
    optional(node, i).ok_or_else(|| format!("input {i} is missing"))
}

/// An input that may be absent, which ONNX writes as an empty name.
pub fn optional(node: &proto::Node, i: usize) -> Option<&str> {
    node.input.get(i).map(String::as_str).filter(|name| !name.is_empty())
}

fn takes(node: &proto::Node, most: usize) -> Result<()> {
    match node.input.len() <= most {
        true => Ok(()),
        false => Err(format!("{} inputs; at most {most} are known", node.input.len())),
    }
}

/// Scale and zero point of a quantisation of activations.
fn activation_scale(node: &proto::Node, attributes: &mut Attributes, scope: &Scope) -> Result<(i32, u8)> {
    takes(node, 3)?;
    attributes.int("axis", 1);
    for (name, neutral) in [("block_size", 0), ("saturate", 1)] {
        if attributes.int(name, neutral) != neutral {
            return Err(format!("{name} is outside the profile"));
        }
    }
    let [scale] = floats(scope.constant(input(node, 1)?)?)?[..] else {
        return Err("activations have one scale".into());
    };
    let zero = match optional(node, 2) {
        None => 0,
        Some(name) => match uint8s(scope.constant(name)?)?[..] {
            [zero @ (0 | 128)] => zero,
            _ => return Err("the zero point of activations is 0 or 128".into()),
        },
    };
    Ok((scale_bits(scale)?, zero))
}

fn dequantize(node: &proto::Node, attributes: &mut Attributes, scope: &Scope) -> Result<Checked> {
    let (bits, zero) = activation_scale(node, attributes, scope)?;
    let (from, kind) = scope.value(input(node, 0)?)?;
    if kind != Kind::Codes {
        return Err("its input is not u8".into());
    }
    let real = Real { bits, bound: i64::from(zero.max(255 - zero)), zero: Some(zero), sum: false };
    Ok((Op::Dequantize { zero }, vec![from], Kind::Real(real)))
}

/// Weights and biases: i8 or i32, no zero point, one scale or one per output channel.
fn dequantize_constant<'a>(node: &'a proto::Node, attributes: &mut Attributes, scope: &Scope<'a>) -> Result<Scaled<'a>> {
    takes(node, 3)?;
    let tensor = scope.constant(input(node, 0)?)?;
    let bits = floats(scope.constant(input(node, 1)?)?)?.into_iter().map(scale_bits).collect::<Result<Vec<_>>>()?;
    if attributes.int("axis", 1) != 0 && bits.len() != 1 {
        return Err("scales of weights run along axis 0".into());
    }
    if attributes.int("block_size", 0) != 0 {
        return Err("block_size is outside the profile".into());
    }
    if let Some(name) = optional(node, 2) {
        let zero = scope.constant(name)?;
        let neutral = match zero.data_type {
            proto::data_type::INT32 => int32s(zero)?.iter().all(|&z| z == 0),
            _ => super::constants::int8s(zero)?.iter().all(|&z| z == 0),
        };
        if !neutral {
            return Err("weights have zero point 0".into());
        }
    }
    Ok(Scaled { tensor, bits })
}

fn quantize(node: &proto::Node, attributes: &mut Attributes, scope: &Scope) -> Result<Checked> {
    let u8_or_default = attributes.int("output_dtype", 0);
    if !matches!(u8_or_default, 0 | 2) || attributes.int("precision", 0) != 0 {
        return Err("it does not quantise to u8".into());
    }
    let (bits, zero) = activation_scale(node, attributes, scope)?;
    let (from, real) = scope.real(input(node, 0)?)?;
    let shift = real.bits - bits;
    if let Some(z) = real.zero
        && (shift != 0 || z != zero)
    {
        return Err("it requantises codes that nothing has changed, which runtimes merge away".into());
    }
    if shift > 24 || (shift < 0 && (shift < -24 || real.bound << -shift > WIDE)) {
        return Err(format!("from the unit 2^{} to 2^{} is too far", -real.bits, -bits));
    }
    let rounded_sum = (real.bound << (-shift).max(0)) + (i64::from(zero) << shift.max(0));
    if real.sum && rounded_sum > EXACT {
        return Err("a sum and its zero point together exceed 24 bits".into());
    }
    Ok((Op::Quantize { shift, zero }, vec![from], Kind::Codes))
}

/// Left shifts that bring reals to their finest unit, and that unit.
fn common_unit(reals: &[Real]) -> Result<(i32, Vec<u32>)> {
    let bits = reals.iter().map(|r| r.bits).max().ok_or("no inputs")?;
    let lift: Vec<u32> = reals.iter().map(|r| (bits - r.bits) as u32).collect();
    match lift.iter().all(|&l| l <= 24) {
        true => Ok((bits, lift)),
        false => Err("its inputs' scales are too far apart".into()),
    }
}

fn add(node: &proto::Node, scope: &Scope) -> Result<Checked> {
    takes(node, 2)?;
    let (a, real_a) = scope.real(input(node, 0)?)?;
    let (b, real_b) = scope.real(input(node, 1)?)?;
    let (bits, lift) = common_unit(&[real_a, real_b])?;
    // Fused kernels subtract the zero points after scaling: count them in.
    let reach = |r: &Real, l: u32| (r.bound + r.zero.map_or(0, i64::from)) << l;
    if reach(&real_a, lift[0]) + reach(&real_b, lift[1]) > EXACT {
        return Err("the sum may exceed 24 bits".into());
    }
    let real = Real { bits, bound: (real_a.bound << lift[0]) + (real_b.bound << lift[1]), zero: None, sum: true };
    Ok((Op::Add { lift: [lift[0], lift[1]] }, vec![a, b], Kind::Real(real)))
}

fn clip(node: &proto::Node, scope: &Scope) -> Result<Checked> {
    takes(node, 3)?;
    let (from, real) = scope.real(input(node, 0)?)?;
    if real.zero.is_some() {
        return Err("it clips codes that nothing has changed".into());
    }
    let limit = |i: usize, none: f32| -> Result<f32> {
        let Some(name) = optional(node, i) else { return Ok(none) };
        match floats(scope.constant(name)?)?[..] {
            [limit] if !limit.is_nan() => Ok(limit),
            _ => Err("a limit is one number".into()),
        }
    };
    let (low, high) = (limit(1, f32::NEG_INFINITY)?, limit(2, f32::INFINITY)?);
    if low > high {
        return Err(format!("limits {low} > {high}"));
    }
    let unit = 2f64.powi(-real.bits);
    let integer = |limit: f32| -> Result<i32> {
        if f64::from(limit).abs() >= WIDE as f64 * unit {
            return Ok(if limit > 0.0 { i32::MAX } else { i32::MIN });
        }
        let m = as_integer(limit, real.bits).ok_or_else(|| format!("the limit {limit} is no multiple of {unit}"))?;
        Ok(m as i32)
    };
    let (low, high) = (integer(low)?, integer(high)?);
    // A limit beyond all values is what comes out for them.
    let reach = |m: i64| m.clamp(low.into(), high.into()).abs();
    let bound = reach(-real.bound).max(reach(real.bound));
    if bound > WIDE {
        return Err("its limits leave no value of 30 bits".into());
    }
    Ok((Op::Clip { low, high }, vec![from], Kind::Real(Real { bound, zero: None, ..real })))
}

fn concat(node: &proto::Node, attributes: &mut Attributes, scope: &Scope) -> Result<Checked> {
    let axis = attributes.int("axis", i64::MIN);
    if node.input.is_empty() || !(-(MAX_RANK as i64)..MAX_RANK as i64).contains(&axis) {
        return Err("it needs inputs and an axis".into());
    }
    let (ids, kinds): (Vec<_>, Vec<_>) =
        node.input.iter().map(|name| scope.value(name)).collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let reals: Vec<Real> = kinds.iter().filter_map(|k| if let Kind::Real(r) = k { Some(*r) } else { None }).collect();
    if reals.is_empty() {
        return Ok((Op::Concat { axis, lift: vec![0; ids.len()] }, ids, Kind::Codes));
    }
    if reals.len() != ids.len() {
        return Err("it mixes u8 and float".into());
    }
    let (bits, lift) = common_unit(&reals)?;
    let bound = reals.iter().zip(&lift).map(|(r, &l)| r.bound << l).max().unwrap_or(0);
    if bound > WIDE {
        return Err("its inputs' scales are too far apart".into());
    }
    let same = reals.iter().all(|r| r.zero == reals[0].zero) && lift.iter().all(|&l| l == 0);
    let zero = if same { reals[0].zero } else { None };
    let sum = reals.iter().any(|r| r.sum);
    Ok((Op::Concat { axis, lift }, ids, Kind::Real(Real { bits, bound, zero, sum })))
}

fn reshape(node: &proto::Node, attributes: &mut Attributes, scope: &Scope) -> Result<Checked> {
    takes(node, 2)?;
    let (from, kind) = scope.value(input(node, 0)?)?;
    let dims = int64s(scope.constant(input(node, 1)?)?)?;
    let copies = attributes.int("allowzero", 0) == 0;
    let free = dims.iter().filter(|&&d| d == -1).count();
    if dims.len() > MAX_RANK || free > 1 || !copies || dims.iter().any(|&d| !(-1..=1 << 24).contains(&d)) {
        return Err(format!("the target shape {dims:?} is outside the profile"));
    }
    Ok((Op::Reshape { dims }, vec![from], kind))
}

fn transpose(node: &proto::Node, attributes: &mut Attributes, scope: &Scope) -> Result<Checked> {
    takes(node, 1)?;
    let (from, kind) = scope.value(input(node, 0)?)?;
    let perm = attributes.ints("perm").ok_or("it names no permutation")?;
    let mut sorted = perm.to_vec();
    sorted.sort_unstable();
    if perm.len() > MAX_RANK || !sorted.iter().copied().eq(0..perm.len() as i64) {
        return Err(format!("{perm:?} is no permutation"));
    }
    Ok((Op::Transpose { perm: perm.iter().map(|&p| p as usize).collect() }, vec![from], kind))
}

fn depth_to_space(node: &proto::Node, attributes: &mut Attributes, scope: &Scope) -> Result<Checked> {
    takes(node, 1)?;
    let (from, kind) = scope.value(input(node, 0)?)?;
    let block = match attributes.int("blocksize", 0) {
        b @ 1..=16 => b as usize,
        b => return Err(format!("a block of {b}")),
    };
    let order = match attributes.text("mode", "DCR") {
        b"DCR" => DepthOrder::BlockFirst,
        b"CRD" => DepthOrder::ChannelFirst,
        _ => return Err("an unknown mode".into()),
    };
    Ok((Op::DepthToSpace { block, order }, vec![from], kind))
}
