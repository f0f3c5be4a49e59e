//! Known answers: inputs of a graph and the outputs that an independent implementation computed for them.
//!
//! Little-endian: number of inputs (u32), each as rank, dimensions (u32) and u8 values; number of outputs, each as rank,
//! dimensions and i32 values.

use caesar_codec::network::{Network, Tensor};
use caesar_codec::{Error, Result};

#[derive(Debug)]
pub struct Known {
    pub inputs: Vec<Tensor<u8>>,
    outputs: Vec<Tensor<i32>>,
}

const MAX_TENSORS: u32 = 16;
const MAX_RANK: u32 = 8;

impl Known {
    pub fn parse(mut bytes: &[u8]) -> Result<Self> {
        let inputs = tensors(&mut bytes, |[b]: [u8; 1]| b)?;
        let outputs = tensors(&mut bytes, i32::from_le_bytes)?;
        match bytes.is_empty() {
            true => Ok(Known { inputs, outputs }),
            false => Err(damaged("bytes follow the last tensor")),
        }
    }

    /// Runs the network on the inputs and compares.
    pub fn check(&self, network: &dyn Network) -> Result<()> {
        match self.holds(&network.run(&self.inputs)?) {
            true => Ok(()),
            false => Err(Error::Model("known answers are not reproduced".into())),
        }
    }

    pub fn holds(&self, outputs: &[Tensor<i32>]) -> bool {
        self.outputs == outputs
    }
}

fn damaged(why: &str) -> Error {
    Error::Model(format!("known answers: {why}"))
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Result<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(n).ok_or_else(|| damaged("the file ends too early"))?;
    *bytes = tail;
    Ok(head)
}

fn number(bytes: &mut &[u8]) -> Result<u32> {
    Ok(u32::from_le_bytes(take(bytes, 4)?.try_into().expect("four bytes")))
}

fn tensors<T, const N: usize>(bytes: &mut &[u8], value: fn([u8; N]) -> T) -> Result<Vec<Tensor<T>>> {
    let count = number(bytes)?;
    if count > MAX_TENSORS {
        return Err(damaged("too many tensors"));
    }
    (0..count).map(|_| tensor(bytes, value)).collect()
}

fn tensor<T, const N: usize>(bytes: &mut &[u8], value: fn([u8; N]) -> T) -> Result<Tensor<T>> {
    let rank = number(bytes)?;
    if rank > MAX_RANK {
        return Err(damaged("too many dimensions"));
    }
    let shape = (0..rank).map(|_| Ok(number(bytes)? as usize)).collect::<Result<Vec<_>>>()?;
    let size = shape.iter().try_fold(N, |n, &d| n.checked_mul(d)).ok_or_else(|| damaged("impossible dimensions"))?;
    let data = take(bytes, size)?.chunks_exact(N).map(|c| value(c.try_into().expect("N bytes"))).collect();
    Ok(Tensor { shape, data })
}
