//! Constants of a graph: the stored tensors, read with their declared type and never beyond their bytes.

use crate::proto::{Tensor, data_type};

type Result<T> = std::result::Result<T, String>;

/// Number of elements that the dimensions announce.
pub fn elements(tensor: &Tensor) -> Result<usize> {
    tensor
        .dims
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?))
        .ok_or_else(|| format!("tensor {} has impossible dimensions {:?}", tensor.name, tensor.dims))
}

/// Refuses tensors whose data lie elsewhere or that mix two ways of storing them.
pub fn check_stored_here(tensor: &Tensor) -> Result<()> {
    if tensor.data_location != 0 || !tensor.external_data.is_empty() {
        return Err(format!("tensor {} keeps its data in another file", tensor.name));
    }
    let Tensor { raw_data, float_data, int32_data, int64_data, .. } = tensor;
    let unused = [raw_data.is_empty(), float_data.is_empty(), int32_data.is_empty(), int64_data.is_empty()];
    match unused.iter().filter(|&&unused| !unused).count() {
        0 | 1 => Ok(()),
        _ => Err(format!("tensor {} stores its data in two ways", tensor.name)),
    }
}

fn raw<'a, const N: usize>(tensor: &'a Tensor, n: usize) -> Result<impl Iterator<Item = [u8; N]> + 'a> {
    if tensor.raw_data.len() != n.saturating_mul(N) {
        return Err(format!("tensor {} announces {n} elements and holds {} bytes", tensor.name, tensor.raw_data.len()));
    }
    Ok(tensor.raw_data.chunks_exact(N).map(|c| c.try_into().expect("chunks of N bytes")))
}

fn expect(tensor: &Tensor, data_type: i32) -> Result<usize> {
    if tensor.data_type != data_type {
        return Err(format!("tensor {} has element type {} instead of {data_type}", tensor.name, tensor.data_type));
    }
    elements(tensor)
}

fn counted<T>(tensor: &Tensor, values: Vec<T>, n: usize) -> Result<Vec<T>> {
    if values.len() != n {
        return Err(format!("tensor {} announces {n} elements and holds {}", tensor.name, values.len()));
    }
    Ok(values)
}

pub fn floats(tensor: &Tensor) -> Result<Vec<f32>> {
    let n = expect(tensor, data_type::FLOAT)?;
    match tensor.float_data.is_empty() {
        true => Ok(raw(tensor, n)?.map(f32::from_le_bytes).collect()),
        false => counted(tensor, tensor.float_data.clone(), n),
    }
}

pub fn int64s(tensor: &Tensor) -> Result<Vec<i64>> {
    let n = expect(tensor, data_type::INT64)?;
    match tensor.int64_data.is_empty() {
        true => Ok(raw(tensor, n)?.map(i64::from_le_bytes).collect()),
        false => counted(tensor, tensor.int64_data.clone(), n),
    }
}

pub fn int32s(tensor: &Tensor) -> Result<Vec<i32>> {
    let n = expect(tensor, data_type::INT32)?;
    match tensor.int32_data.is_empty() {
        true => Ok(raw(tensor, n)?.map(i32::from_le_bytes).collect()),
        false => counted(tensor, tensor.int32_data.clone(), n),
    }
}

pub fn int8s(tensor: &Tensor) -> Result<Vec<i8>> {
    let n = expect(tensor, data_type::INT8)?;
    narrow(tensor, n, |[b]: [u8; 1]| b as i8)
}

pub fn uint8s(tensor: &Tensor) -> Result<Vec<u8>> {
    let n = expect(tensor, data_type::UINT8)?;
    narrow(tensor, n, |[b]: [u8; 1]| b)
}

/// Types below 32 bits are stored as bytes, or one per `int32_data` element.
fn narrow<T: TryFrom<i32>>(tensor: &Tensor, n: usize, byte: impl Fn([u8; 1]) -> T) -> Result<Vec<T>> {
    if tensor.int32_data.is_empty() {
        return Ok(raw(tensor, n)?.map(byte).collect());
    }
    let values: Option<Vec<T>> = tensor.int32_data.iter().map(|&v| T::try_from(v).ok()).collect();
    counted(tensor, values.ok_or_else(|| format!("tensor {} holds values beyond its type", tensor.name))?, n)
}

/// `-log2` of a scale, which must be a power of two between 2^-32 and 2^32.
pub fn scale_bits(scale: f32) -> Result<i32> {
    let bits = scale.to_bits();
    let power = 127 - (bits >> 23) as i32;
    if bits >> 31 != 0 || bits & 0x7f_ffff != 0 || power.abs() > 32 {
        return Err(format!("the scale {scale} is not a power of two between 2^-32 and 2^32"));
    }
    Ok(power)
}

/// `value * 2^bits` where that is an integer of at most 30 bits.
pub fn as_integer(value: f32, bits: i32) -> Option<i64> {
    let scaled = f64::from(value) * 2f64.powi(bits);
    (scaled.fract() == 0.0 && scaled.abs() <= f64::from(1 << 30)).then_some(scaled as i64)
}
