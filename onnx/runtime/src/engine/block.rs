//! Tensors inside the engine: row-major as ONNX sees them, or images with their channels innermost.

use crate::engine::spare::{Item, Spare};
use crate::engine::{Cut, MAX_ELEMENTS};
use caesar_codec::network::Tensor;
use caesar_codec::{Error, Result};
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

/// Product of the dimensions, refused at 0 and beyond the engine's limit: no product of some of them overflows.
pub fn elements(shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|n| (1..=MAX_ELEMENTS).contains(n))
        .ok_or_else(|| Error::LimitsExceeded(format!("a tensor of {shape:?} is empty or too large")))
}

impl<T: Item> Block<T> {
    /// An image of any values.
    pub fn of_spare(shape: [usize; 4], spare: &Spare) -> Result<Self> {
        let [n, c, h, w] = shape;
        let data = spare.take(elements(&[n, h, w, pitch(c)])?);
        Ok(Block { shape: shape.to_vec(), order: Order::ChannelsLast, data })
    }

    /// An image of shape N, H, W, C.
    pub fn of_pixels(pixels: Tensor<T>, spare: &Spare) -> Result<Self> {
        let [n, h, w, c] = image_shape(&pixels.shape)?;
        if elements(&pixels.shape)? != pixels.data.len() {
            return Err(Error::InvalidArgument(format!("an image of {:?} with {} values", pixels.shape, pixels.data.len())));
        }
        if pitch(c) == c {
            return Ok(Block { shape: vec![n, c, h, w], order: Order::ChannelsLast, data: pixels.data });
        }
        let mut block = Block::of_spare([n, c, h, w], spare)?;
        let pixels = pixels.data.chunks_exact(c);
        block.data.chunks_exact_mut(pitch(c)).zip(pixels).for_each(|(to, from)| to[..c].copy_from_slice(from));
        Ok(block)
    }
}

impl<T: Copy + Default> Block<T> {
    pub fn image(shape: [usize; 4]) -> Result<Self> {
        let [n, c, h, w] = shape;
        let data = vec![T::default(); elements(&[n, h, w, pitch(c)])?];
        Ok(Block { shape: shape.to_vec(), order: Order::ChannelsLast, data })
    }

    /// A copy of a caller's tensor in the order that convolutions want.
    pub fn input(tensor: &Tensor<T>) -> Result<Self> {
        let image = tensor.shape.len() == 4;
        let order = if image { Order::ChannelsLast } else { Order::Planar };
        copy(&tensor.shape, Order::Planar, &tensor.data, order)
    }

    /// The image as a tensor of shape N, H, W, C.
    pub fn into_pixels(self) -> Result<Tensor<T>> {
        let [n, c, h, w] = self.image_shape()?;
        let Block { mut data, .. } = self.into_order(Order::ChannelsLast)?;
        if pitch(c) != c {
            data = data.chunks_exact(pitch(c)).flat_map(|pixel| &pixel[..c]).copied().collect();
        }
        Ok(Tensor { shape: vec![n, h, w, c], data })
    }

    /// N, C, H, W.
    pub fn image_shape(&self) -> Result<[usize; 4]> {
        image_shape(&self.shape)
    }

    /// Other values in the same places.
    pub fn with<U>(&self, data: Vec<U>) -> Block<U> {
        Block { shape: self.shape.clone(), order: self.order, data }
    }

    /// Shape and values without the rows that another image has lost beyond a cut.
    pub fn shared(&self, other: &[usize], cut: Cut) -> (Vec<usize>, &[T]) {
        match (&self.shape[..], other) {
            (&[1, c, h, w], &[_, _, less, _]) if (cut.above || cut.below) && self.order == Order::ChannelsLast && less < h => {
                let row = w * pitch(c);
                (vec![1, c, less, w], &self.data[cut.lost_above(h - less) * row..][..less * row])
            }
            _ => (self.shape.clone(), &self.data),
        }
    }

    pub fn in_order(&self, order: Order) -> Result<Cow<'_, Self>> {
        if self.order == order {
            return Ok(Cow::Borrowed(self));
        }
        Ok(Cow::Owned(copy(&self.shape, self.order, &self.data, order)?))
    }

    pub fn into_order(self, order: Order) -> Result<Self> {
        if self.order == order { Ok(self) } else { copy(&self.shape, self.order, &self.data, order) }
    }

    pub fn planar(&self) -> Result<Cow<'_, Self>> {
        self.in_order(Order::Planar)
    }

    pub fn channels_last(&self) -> Result<Cow<'_, Self>> {
        self.in_order(Order::ChannelsLast)
    }
}

/// Values of one order in another.
fn copy<T: Copy + Default>(shape: &[usize], from_order: Order, data: &[T], order: Order) -> Result<Block<T>> {
    if from_order == order {
        return Ok(Block { shape: shape.to_vec(), order, data: data.to_vec() });
    }
    let shape @ [_, c, h, w] = image_shape(shape)?;
    let (pixels, pitch) = (h * w, pitch(c));
    let mut block = match order {
        Order::Planar => Block { shape: shape.to_vec(), order, data: vec![T::default(); elements(&shape)?] },
        Order::ChannelsLast => Block::image(shape)?,
    };
    let (planar, last) = (c * pixels, pixels * pitch);
    match order {
        Order::Planar => {
            for (from, to) in data.chunks_exact(last).zip(block.data.chunks_exact_mut(planar)) {
                in_tiles(c, pixels, |c, p| to[c * pixels + p] = from[p * pitch + c]);
            }
        }
        Order::ChannelsLast => {
            for (from, to) in data.chunks_exact(planar).zip(block.data.chunks_exact_mut(last)) {
                in_tiles(c, pixels, |c, p| to[p * pitch + c] = from[c * pixels + p]);
            }
        }
    }
    Ok(block)
}

fn image_shape(shape: &[usize]) -> Result<[usize; 4]> {
    shape.try_into().map_err(|_| Error::InvalidArgument(format!("{shape:?} is no image")))
}

/// Visits every channel of every pixel in tiles of few channels: planes are often a power of two apart, and the lines of
/// more than eight would push each other out of the nearest cache.
#[inline(always)]
fn in_tiles(channels: usize, pixels: usize, mut visit: impl FnMut(usize, usize)) {
    const CHANNELS: usize = 8;
    const PIXELS: usize = 64;
    for p0 in (0..pixels).step_by(PIXELS) {
        for c0 in (0..channels).step_by(CHANNELS) {
            for p in p0..pixels.min(p0 + PIXELS) {
                for c in c0..channels.min(c0 + CHANNELS) {
                    visit(c, p);
                }
            }
        }
    }
}
