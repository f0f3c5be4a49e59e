//! The convolution: 7-bit weights, power-of-two scales per channel, sums within 24 bits.

use super::constants::{as_integer, floats, int8s, int32s};
use super::operators::{Attributes, Checked, input, optional};
use super::scope::{Kind, Real, Scope};
use super::{EXACT, Result, WIDE};
use crate::graph::{Conv, Op};
use crate::proto;
use std::sync::Arc;

const MAX_KERNEL: usize = 7;
const MAX_CHANNELS: usize = 4096;

pub fn check(node: &proto::Node, attributes: &mut Attributes, scope: &Scope) -> Result<Checked> {
    if node.input.len() > 3 {
        return Err(format!("{} inputs", node.input.len()));
    }
    let (from, real) = scope.real(input(node, 0)?)?;
    let zero = real.zero.ok_or("its input does not come from DequantizeLinear; quantise it first")?;
    let weights = scope.scaled(input(node, 1)?)?;
    let values = int8s(weights.tensor)?;
    let [out_channels, in_channels, rows, columns] = dimensions(&weights.tensor.dims)?;
    if values.iter().any(|w| !(-64..64).contains(w)) {
        return Err("a weight lies outside [-64, 63]".into());
    }
    if ![1, out_channels].contains(&weights.bits.len()) {
        return Err(format!("{} scales for {out_channels} output channels", weights.bits.len()));
    }
    let (stride, pads) = geometry(attributes, [rows, columns])?;

    let units: Vec<i32> = (0..out_channels).map(|c| real.bits + weights.bits[c % weights.bits.len()]).collect();
    let bias = match optional(node, 2) {
        None => vec![0; out_channels],
        Some(name) => bias(name, scope, &units)?,
    };
    let per_channel = in_channels * rows * columns;
    let bounds: Vec<i64> = (values.chunks_exact(per_channel).zip(&bias))
        .map(|(w, &b)| w.iter().map(|&w| i64::from(w).abs()).sum::<i64>() * 255 + i64::from(b).abs())
        .collect();
    if let Some((c, bound)) = bounds.iter().enumerate().find(|(_, b)| **b > EXACT) {
        return Err(format!("channel {c} may reach {bound}, more than 2^24"));
    }
    let bits = *units.iter().max().ok_or("no output channels")?;
    let lift: Vec<u32> = units.iter().map(|u| (bits - u) as u32).collect();
    let bound = bounds.iter().zip(&lift).map(|(&b, &l)| if l <= 30 { b << l } else { i64::MAX }).max().unwrap_or(0);
    if bound > WIDE {
        return Err("its channels' scales are too far apart".into());
    }
    let conv = Conv { out_channels, in_channels, kernel: [rows, columns], stride, pads, weights: values, bias, lift, zero };
    Ok((Op::Conv(Arc::new(conv)), vec![from], Kind::Real(Real { bits, bound, zero: None, sum: false })))
}

fn dimensions(dims: &[i64]) -> Result<[usize; 4]> {
    let sizes: Vec<usize> = dims.iter().filter_map(|&d| usize::try_from(d).ok()).collect();
    match sizes[..] {
        [o, i, h, w] if dims.len() == 4 => {
            let fits = (1..=MAX_CHANNELS).contains(&o) && (1..=MAX_CHANNELS).contains(&i);
            match fits && (1..=MAX_KERNEL).contains(&h) && (1..=MAX_KERNEL).contains(&w) {
                true => Ok([o, i, h, w]),
                false => Err(format!("weights of {dims:?} are outside the profile")),
            }
        }
        _ => Err(format!("weights have the dimensions {dims:?} instead of four")),
    }
}

fn geometry(attributes: &mut Attributes, kernel: [usize; 2]) -> Result<([usize; 2], [usize; 4])> {
    if attributes.int("group", 1) != 1 {
        return Err("groups are outside the profile".into());
    }
    if attributes.text("auto_pad", "NOTSET") != b"NOTSET" {
        return Err("padding must be explicit".into());
    }
    if attributes.ints("dilations").is_some_and(|d| d.iter().any(|&d| d != 1)) {
        return Err("dilations are outside the profile".into());
    }
    if attributes.ints("kernel_shape").is_some_and(|k| !k.iter().copied().eq(kernel.map(|n| n as i64))) {
        return Err("kernel_shape contradicts the weights".into());
    }
    let stride = match attributes.ints("strides") {
        None => [1, 1],
        Some([h @ 1..=2, w @ 1..=2]) => [*h as usize, *w as usize],
        Some(other) => return Err(format!("strides {other:?}")),
    };
    let pads = match attributes.ints("pads") {
        None => [0; 4],
        Some(&[t, l, b, r]) => [t, l, b, r].map(|p| usize::try_from(p).unwrap_or(usize::MAX)),
        Some(other) => return Err(format!("pads {other:?}")),
    };
    match (0..4).all(|i| pads[i] < kernel[i % 2]) {
        true => Ok((stride, pads)),
        false => Err(format!("pads {pads:?} reach beyond the kernel")),
    }
}

/// The bias in units of the accumulator: i32 with exactly that scale, or floats that are multiples of it.
fn bias(name: &str, scope: &Scope, units: &[i32]) -> Result<Vec<i32>> {
    let values = if scope.is_constant(name) {
        let floats = floats(scope.constant(name)?)?;
        let integers = floats.iter().zip(units.iter().cycle()).map(|(&b, &bits)| as_integer(b, bits).map(|b| b as i32));
        integers.collect::<Option<Vec<_>>>().ok_or("the bias is no multiple of the accumulator's unit")?
    } else {
        let scaled = scope.scaled(name)?;
        if ![1, units.len()].contains(&scaled.bits.len())
            || units.iter().enumerate().any(|(c, &u)| scaled.bits[c % scaled.bits.len()] != u)
        {
            return Err("the scale of the bias is not that of input times weights".into());
        }
        int32s(scaled.tensor)?
    };
    match values.len() == units.len() {
        true => Ok(values),
        false => Err(format!("{} biases for {} channels", values.len(), units.len())),
    }
}
