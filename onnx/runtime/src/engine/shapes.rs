//! Operators that only move values.

use super::block::{Block, Order, elements, pitch};
use crate::graph::DepthOrder;
use caesar_codec::{Error, Result};

/// ONNX's target shape: 0 copies a dimension, one -1 takes what is left.
pub fn reshape<T: Copy + Default>(block: &Block<T>, dims: &[i64]) -> Result<Block<T>> {
    let planar = block.planar()?;
    let mismatch = || Error::InvalidArgument(format!("{:?} does not reshape to {dims:?}", block.shape));
    let mut shape = Vec::with_capacity(dims.len());
    for (i, &d) in dims.iter().enumerate() {
        shape.push(match d {
            0 => *block.shape.get(i).ok_or_else(mismatch)?,
            -1 => 1,
            d => d as usize,
        });
    }
    if let Some(free) = dims.iter().position(|&d| d == -1) {
        let known = elements(&shape)?;
        if planar.data.len() % known != 0 {
            return Err(mismatch());
        }
        shape[free] = planar.data.len() / known;
    }
    match elements(&shape)? == planar.data.len() {
        true => Ok(Block { shape, ..planar.into_owned() }),
        false => Err(mismatch()),
    }
}

pub fn transpose<T: Copy + Default>(block: &Block<T>, perm: &[usize]) -> Result<Block<T>> {
    let planar = block.planar()?;
    let rank = perm.len();
    if planar.shape.len() != rank {
        return Err(Error::InvalidArgument(format!("{:?} does not permute by {perm:?}", block.shape)));
    }
    let mut strides = vec![1; rank];
    for i in (1..rank).rev() {
        strides[i - 1] = strides[i] * planar.shape[i];
    }
    let shape: Vec<usize> = perm.iter().map(|&p| planar.shape[p]).collect();
    let steps: Vec<usize> = perm.iter().map(|&p| strides[p]).collect();
    let mut data = Vec::with_capacity(planar.data.len());
    let mut index = vec![0; rank];
    let mut from = 0;
    for _ in 0..planar.data.len() {
        data.push(planar.data[from]);
        for axis in (0..rank).rev() {
            index[axis] += 1;
            from += steps[axis];
            if index[axis] < shape[axis] {
                break;
            }
            from -= steps[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    Ok(Block { shape, order: Order::Planar, data })
}

pub fn concat<T: Copy + Default>(blocks: &[&Block<T>], axis: i64) -> Result<Block<T>> {
    let rank = blocks[0].shape.len();
    let axis = usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).unwrap_or(rank);
    let agree = |b: &&Block<T>| b.shape.len() == rank && (0..rank).all(|i| i == axis || b.shape[i] == blocks[0].shape[i]);
    if axis >= rank || !blocks.iter().all(agree) {
        let shapes: Vec<_> = blocks.iter().map(|b| &b.shape).collect();
        return Err(Error::InvalidArgument(format!("{shapes:?} do not join along axis {axis}")));
    }
    let mut shape = blocks[0].shape.clone();
    shape[axis] = blocks.iter().try_fold(0usize, |n, b| n.checked_add(b.shape[axis])).unwrap_or(usize::MAX);
    let total = elements(&shape)?;
    if axis == 1 && rank == 4 && blocks.iter().any(|b| b.order == Order::ChannelsLast) {
        return concat_channels(blocks, shape);
    }
    let planar = blocks.iter().map(|b| b.planar()).collect::<Result<Vec<_>>>()?;
    let inner: usize = shape[axis + 1..].iter().product();
    let mut data = Vec::with_capacity(total);
    for outer in 0..shape[..axis].iter().product() {
        for block in &planar {
            let run = block.shape[axis] * inner;
            data.extend_from_slice(&block.data[outer * run..][..run]);
        }
    }
    Ok(Block { shape, order: Order::Planar, data })
}

fn concat_channels<T: Copy + Default>(blocks: &[&Block<T>], shape: Vec<usize>) -> Result<Block<T>> {
    let blocks = blocks.iter().map(|b| b.channels_last()).collect::<Result<Vec<_>>>()?;
    let mut joined = Block::image([shape[0], shape[1], shape[2], shape[3]])?;
    let joined_pitch = pitch(shape[1]);
    let mut first = 0;
    for block in &blocks {
        let channels = block.shape[1];
        let pixels = block.data.chunks_exact(pitch(channels));
        for (from, to) in pixels.zip(joined.data.chunks_exact_mut(joined_pitch)) {
            to[first..][..channels].copy_from_slice(&from[..channels]);
        }
        first += channels;
    }
    Ok(joined)
}

pub fn depth_to_space<T: Copy + Default>(block: &Block<T>, side: usize, order: DepthOrder) -> Result<Block<T>> {
    let image = block.channels_last()?;
    let [n, c, h, w] = image.image_shape()?;
    let out_c = c / (side * side);
    if c % (side * side) != 0 {
        return Err(Error::InvalidArgument(format!("{c} channels do not fold out into squares of {side}")));
    }
    let mut spread = Block::image([n, out_c, h * side, w * side])?;
    let (in_pitch, out_pitch) = (pitch(c), pitch(out_c));
    let lines = image.data.chunks_exact(w * in_pitch).flat_map(|line| (0..side).map(move |i| (i, line)));
    for ((i, line), target) in lines.zip(spread.data.chunks_exact_mut(w * side * out_pitch)) {
        for (pixel, square) in line.chunks_exact(in_pitch).zip(target.chunks_exact_mut(side * out_pitch)) {
            for (j, target) in square.chunks_exact_mut(out_pitch).enumerate() {
                let offset = i * side + j;
                match order {
                    DepthOrder::BlockFirst => target[..out_c].copy_from_slice(&pixel[offset * out_c..][..out_c]),
                    DepthOrder::ChannelFirst => {
                        for (value, square) in target.iter_mut().zip(pixel[..c].chunks_exact(side * side)) {
                            *value = square[offset];
                        }
                    }
                }
            }
        }
    }
    Ok(spread)
}
