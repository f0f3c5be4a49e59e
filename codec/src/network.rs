//! All that a method knows of inference: integer tensors in, integer tensors out.
//!
//! The networks themselves, the engines that run them and the store that finds them live in `caesar-onnx`.

use crate::error::{Error, Result};
pub use caesar_kernels::Dense;
use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// An integer tensor in row-major order, NCHW for images where not said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor<T> {
    pub shape: Vec<usize>,
    pub data: Vec<T>,
}

impl<T: Copy> Tensor<T> {
    /// Some rows of images with their channels innermost.
    pub fn rows(self, rows: Range<usize>) -> Result<Self> {
        match self.shape[..] {
            [_, h, ..] if rows == (0..h) => Ok(self),
            [n, h, w, c] if rows.start <= rows.end && rows.end <= h => {
                let row = w * c;
                let images = self.data.chunks_exact((h * row).max(1)).flat_map(|image| &image[rows.start * row..rows.end * row]);
                Ok(Tensor { shape: vec![n, rows.len(), w, c], data: images.copied().collect() })
            }
            _ => Err(Error::Model(format!("no rows {rows:?} in {:?}", self.shape))),
        }
    }
}

/// One graph in the exact-integer profile (`docs/determinism.md`): the same integers on every machine.
pub trait Network: Send + Sync {
    /// Runs the graph. Inputs in the order of the graph's inputs, u8. Outputs in the order of the graph's
    /// outputs: a u8 output as it is, a float output (accumulators of a linear last layer) as the exact
    /// integer multiple of the power of two that the model's `model.toml` gives for it.
    fn run(&self, inputs: &[Tensor<u8>]) -> Result<Vec<Tensor<i32>>>;

    /// Runs a graph of one input and one output that are images, both with their channels innermost: N, H, W, C. Of the output only
    /// some rows are wanted.
    fn run_pixels(&self, pixels: Tensor<u8>, rows: Range<usize>) -> Result<Tensor<i32>> {
        pixels_by_planes(self, &pixels, rows)
    }

    /// How many pixels around its own place an output of a graph from images to images depends on, where all are alike in that and
    /// what lies beyond the image counts as nothing; `None` where it may be all of them.
    fn reach(&self) -> Option<usize> {
        None
    }

    /// The layers of a graph that is nothing but dense layers over points, one after the other.
    fn dense(&self) -> Option<&[Dense]> {
        None
    }

    /// Whether an accelerator runs the graph, so that running it beats computing its dense layers oneself.
    fn accelerated(&self) -> bool {
        false
    }
}

/// [`Network::run_pixels`] by [`Network::run`], which takes one plane for each channel.
pub fn pixels_by_planes<N: Network + ?Sized>(network: &N, pixels: &Tensor<u8>, rows: Range<usize>) -> Result<Tensor<i32>> {
    fn swapped<T: Copy>(data: &[T], rows: usize, columns: usize) -> Vec<T> {
        let matrices = data.chunks_exact((rows * columns).max(1));
        matrices.flat_map(|m| (0..rows * columns).map(move |i| m[i % rows * columns + i / rows])).collect()
    }
    let other = |shape: &[usize]| Error::Model(format!("a graph from images to images for {shape:?}"));
    let &[n, h, w, c] = &pixels.shape[..] else { return Err(other(&pixels.shape)) };
    let outputs = network.run(&[Tensor { shape: vec![n, c, h, w], data: swapped(&pixels.data, h * w, c) }])?;
    match &outputs[..] {
        [Tensor { shape, data }] => match shape[..] {
            [n, c, h, w] => Tensor { shape: vec![n, h, w, c], data: swapped(data, c, h * w) }.rows(rows),
            _ => Err(other(shape)),
        },
        _ => Err(Error::Model(format!("a graph of {} outputs where there should be one", outputs.len()))),
    }
}

/// The first four bytes of the SHA-256 of a model's `model.toml`: what a stream names it by, short because a chunk of calm values takes no
/// more than a hundred bytes. Of a thousand models two share them by a chance of one in 8600; whether the right one decoded, the checksum of
/// each tile's values tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelHash(pub [u8; ModelHash::SIZE]);

impl ModelHash {
    pub const SIZE: usize = 4;
}

impl std::fmt::Display for ModelHash {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl std::fmt::Debug for ModelHash {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// A trained model: several graphs and the integers that belong to them.
pub trait Model: Send + Sync {
    fn hash(&self) -> ModelHash;
    /// A graph by the name `model.toml` gives it: `encoder`, `hyper_decoder`, …
    fn graph(&self, name: &str) -> Result<Arc<dyn Network>>;
    /// An integer table by name (entropy tables, factors), as `model.toml` lists it.
    fn table(&self, name: &str) -> Result<&[i64]>;
    /// A place for what a method has made of the model, so that it is made once and not for every tile.
    fn made(&self) -> &OnceLock<Arc<dyn Any + Send + Sync>>;
}

/// Where models come from. The codec asks by role when it writes and by hash when it reads.
pub trait Models: Send + Sync {
    /// The best model here for a role (`caesar-v/8` for tiles of eight frames, `caesar-v/1` for planes).
    /// `None`: there is none, and the method is left out.
    fn preferred(&self, role: &str) -> Option<Arc<dyn Model>>;
    /// The model a stream names; [`crate::Error::ModelMissing`] when it is not here.
    fn by_hash(&self, hash: &ModelHash) -> Result<Arc<dyn Model>>;
}

/// A codec without networks: every classical method works.
pub struct NoModels;

impl Models for NoModels {
    fn preferred(&self, _: &str) -> Option<Arc<dyn Model>> {
        None
    }
    fn by_hash(&self, hash: &ModelHash) -> Result<Arc<dyn Model>> {
        Err(Error::ModelMissing { hash: hash.to_string() })
    }
}
