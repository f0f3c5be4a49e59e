//! Error-bounded compression of scientific fields.
//!
//! `bytes -> field -> mask -> bound -> tiles -> method (+ residual) -> stream -> bytes`, and back the same way.
//! This crate knows arrays and bytes; HDF5, ADIOS2 and ONNX Runtime are elsewhere. What lies in the bytes is
//! `docs/format.md`, why decoding gives the same bits everywhere is `docs/determinism.md`.

#![forbid(unsafe_code)]

mod bound;
mod class_map;
mod codec;
mod decode;
mod encode;
pub mod entropy;
mod error;
mod field;
mod inspect;
pub mod lattice;
mod margin;
mod mask;
pub mod method;
pub mod network;
mod options;
mod part;
mod patches;
pub mod residual;
mod stream;
pub mod threads;
mod tiles;
mod transform;
mod value;

pub use codec::{Codec, Decoded, Limits};
pub use error::{Error, Result};
pub use field::{ByteOrder, Element, Kind, Layout};
pub use inspect::{Inspection, TileInspection, inspect};
pub use options::{Bound, Effort, MODES, MethodChoice, Options, f64_of_words, words_of_f64};
pub use patches::Patches;
