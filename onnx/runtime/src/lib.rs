//! Networks for the codec: the model store, the checker of the exact-integer profile (`docs/determinism.md`), the embedded
//! engine that runs it anywhere, and ONNX Runtime where it is found.
//!
//! [`models`] is all that the codec needs. Nothing is loaded before it asks for a model, no lock is held while a
//! network runs but for its known answers, and every call may come from any thread. A process that forks after a session
//! was made must not use CUDA in the child; the CPU paths keep no threads.

mod dense;
pub mod doctor;
mod engine;
mod graph;
mod known;
mod manifest;
mod model;
mod network;
pub mod notice;
mod onnxruntime;
mod profile;
mod proto;
mod settings;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use settings::{Device, Library, Settings};
pub use store::Store;

use caesar_codec::network::Models;
use std::sync::{Arc, OnceLock};

/// The models of this process, as the environment (`CAESAR_MODEL_PATH`, `CAESAR_ORT_LIB`, `CAESAR_DEVICE`) stood at the first
/// call.
pub fn models() -> Arc<dyn Models> {
    process_store().clone()
}

fn process_store() -> &'static Arc<Store> {
    static STORE: OnceLock<Arc<Store>> = OnceLock::new();
    STORE.get_or_init(|| Arc::new(Store::new(Settings::from_env())))
}
