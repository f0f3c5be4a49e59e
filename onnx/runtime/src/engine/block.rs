//! Tensors inside the engine: row-major as ONNX sees them, or images with their channels innermost.

use crate::engine::{Failure, MAX_ELEMENTS};
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Row-major in the order of the dimensions.
    Planar,
    /// N, H, W, C with the channels padded to a multiple of four, what the dot-product instructions take at a time.
    /// The padding holds whatever was there; weights are zero there.
    ChannelsLast,
}

#[derive(Debug, Clone)]
pub struct Block<T> {
    /// As ONNX sees it: N, C, H, W for images, whatever the order in memory.
    pub shape: Vec<usize>,
    pub order: Order,
    pub data: Vec<T>,
}

/// Distance of two neighbouring pixels in a channels-last block.
pub fn pitch(channels: usize) -> usize {
    channels.next_multiple_of(4)
}

/// Product of the dimensions, refused beyond the engine's limit.
pub fn elements(shape: &[usize]) -> Result<usize, Failure> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= MAX_ELEMENTS)
        .ok_or_else(|| Failure::limit(format!("a tensor of {shape:?} is too large")))
}

impl<T: Copy + Default> Block<T> {
    pub fn image(shape: [usize; 4]) -> Result<Self, Failure> {
        let [n, c, h, w] = shape;
        let data = vec![T::default(); elements(&[n, h, w, pitch(c)])?];
        Ok(Block { shape: shape.to_vec(), order: Order::ChannelsLast, data })
    }

    /// N, C, H, W.
    pub fn image_shape(&self) -> Result<[usize; 4], Failure> {
        self.shape[..].try_into().map_err(|_| Failure::shape(format!("{:?} is no image", self.shape)))
    }

    /// Other values in the same places.
    pub fn with<U>(&self, data: Vec<U>) -> Block<U> {
        Block { shape: self.shape.clone(), order: self.order, data }
    }

    pub fn in_order(&self, order: Order) -> Result<Cow<'_, Self>, Failure> {
        if self.order == order {
            return Ok(Cow::Borrowed(self));
        }
        let shape @ [_, c, h, w] = self.image_shape()?;
        let (pixels, pitch) = (h * w, pitch(c));
        let mut block = match order {
            Order::Planar => Block { shape: shape.to_vec(), order, data: vec![T::default(); elements(&shape)?] },
            Order::ChannelsLast => Block::image(shape)?,
        };
        if c > 0 && pixels > 0 {
            let (planar, last) = (c * pixels, pixels * pitch);
            match order {
                Order::Planar => (self.data.chunks_exact(last).zip(block.data.chunks_exact_mut(planar)))
                    .for_each(|(from, to)| swap_axes(from, pitch, to, pixels, [pixels, c])),
                Order::ChannelsLast => (self.data.chunks_exact(planar).zip(block.data.chunks_exact_mut(last)))
                    .for_each(|(from, to)| swap_axes(from, pixels, to, pitch, [c, pixels])),
            }
        }
        Ok(Cow::Owned(block))
    }

    pub fn planar(&self) -> Result<Cow<'_, Self>, Failure> {
        self.in_order(Order::Planar)
    }

    pub fn channels_last(&self) -> Result<Cow<'_, Self>, Failure> {
        self.in_order(Order::ChannelsLast)
    }
}

/// Transposes a matrix of `rows` x `columns` in squares that stay in the nearest cache.
fn swap_axes<T: Copy>(from: &[T], from_pitch: usize, to: &mut [T], to_pitch: usize, [rows, columns]: [usize; 2]) {
    const SIDE: usize = 32;
    for r0 in (0..rows).step_by(SIDE) {
        for c0 in (0..columns).step_by(SIDE) {
            for r in r0..rows.min(r0 + SIDE) {
                let line = &from[r * from_pitch..][c0..columns.min(c0 + SIDE)];
                for (c, &value) in line.iter().enumerate() {
                    to[(c0 + c) * to_pitch + r] = value;
                }
            }
        }
    }
}
