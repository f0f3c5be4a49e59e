//! The codec: options and bytes in, stream out, and back.

use crate::error::{Error, Result};
use crate::field::Layout;
use crate::network::{Models, NoModels};
use caesar_kernels::Team;
use std::sync::Arc;

/// What a decoder accepts from bytes it does not trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest decoded size in bytes. HDF5 chunks are below 4 GiB, the default.
    pub max_decoded_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_decoded_bytes: 1 << 32 }
    }
}

/// Encoder and decoder. Cheap to make, re-entrant, without state of its own between calls.
#[derive(Clone)]
pub struct Codec {
    pub(crate) models: Arc<dyn Models>,
    pub(crate) threads: usize,
    pub(crate) limits: Limits,
    pub(crate) fills: Vec<u64>,
}

/// A decoded array: its layout, and its bytes in the layout's byte order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    pub layout: Layout,
    pub bytes: Vec<u8>,
}

impl Codec {
    /// A codec on one thread that finds its networks in `models`.
    pub fn new(models: Arc<dyn Models>) -> Self {
        Codec { models, threads: 1, limits: Limits::default(), fills: Vec::new() }
    }

    /// A codec without networks: everything but the learned methods.
    pub fn classical() -> Self {
        Codec::new(Arc::new(NoModels))
    }

    /// Works on up to `threads` threads, which share tiles or work at one together. Streams and values do not depend on it.
    pub fn threads(self, threads: usize) -> Self {
        Codec { threads: threads.max(1), ..self }
    }

    pub fn limits(self, limits: Limits) -> Self {
        Codec { limits, ..self }
    }

    /// Values that the host declares as fills, as bit patterns of the element's type: they are kept exactly wherever
    /// they occur. Others are found without help (`docs/format.md`, "specials").
    pub fn fills(self, fills: impl Into<Vec<u64>>) -> Self {
        Codec { fills: fills.into(), ..self }
    }

    /// What `work` comes to with threads for an array of so many frames, rows and columns.
    pub(crate) fn call<R>(&self, array: [usize; 3], work: impl FnOnce(Call) -> R) -> R {
        let points: usize = array.iter().product();
        Team::run(self.threads.min(1 + points / POINTS_EACH), |team| work(Call { codec: self, team }))
    }
}

/// Points that keep a thread busy for longer than it takes to start.
const POINTS_EACH: usize = 1 << 15;

/// A codec at work, and the threads of the call.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub codec: &'a Codec,
    pub team: Team<'a>,
}

impl Limits {
    /// So many decoded bytes, if they are not too many.
    pub(crate) fn check(self, len: usize) -> Result<usize> {
        if len > self.max_decoded_bytes { Err(too_large(len)) } else { Ok(len) }
    }
}

fn too_large(len: usize) -> Error {
    Error::LimitsExceeded(format!("{len} decoded bytes"))
}

/// A zeroed buffer; an allocation that fails is an error, not an abort.
pub(crate) fn zeroed(len: usize) -> Result<Vec<u8>> {
    room_for(len)?;
    Ok(vec![0; len])
}

/// Whether so many bytes can be had.
pub(crate) fn room_for(len: usize) -> Result<()> {
    Vec::<u8>::new().try_reserve_exact(len).map_err(|_| too_large(len))
}
