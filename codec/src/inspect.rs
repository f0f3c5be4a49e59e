//! What a stream says about itself, without decoding a value.

use crate::error::Result;
use crate::field::Layout;
use crate::network::ModelHash;
use crate::options::{MethodChoice, Options};
use crate::stream::Stream;
use crate::stream::tile::{Entry, Parts};

/// The contents of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// Format version.
    pub version: u8,
    pub layout: Layout,
    /// As the user asked.
    pub options: Options,
    /// The pointwise error (of the value, or of its base-2 logarithm for `pw_rel`) that the bins stand for;
    /// `None` when everything is lossless.
    pub resolved_error: Option<f64>,
    /// Bit patterns of the special values: fills, NaNs, infinities.
    pub specials: Vec<u64>,
    pub tiles: Vec<TileInspection>,
    /// Header, tile table and checksum.
    pub overhead_bytes: usize,
}

/// One tile of a stream: its place as frames × rows × columns and its bytes by part.
#[derive(Debug, Clone, PartialEq)]
pub struct TileInspection {
    pub start: [usize; 3],
    pub shape: [usize; 3],
    pub method: MethodChoice,
    pub model: Option<ModelHash>,
    pub mask_bytes: usize,
    pub sign_bytes: usize,
    pub exception_bytes: usize,
    pub method_bytes: usize,
}

impl TileInspection {
    pub fn bytes(&self) -> usize {
        self.mask_bytes + self.sign_bytes + self.exception_bytes + self.method_bytes
    }
}

/// Reads a stream's header and tile table and checks its checksum.
///
/// # Errors
/// As [`crate::Codec::decode`], but for damage inside a tile.
pub fn inspect(bytes: &[u8]) -> Result<Inspection> {
    let Stream { header, tiles } = Stream::read(bytes)?;
    let payload: usize = tiles.iter().map(|(_, bytes)| bytes.len()).sum();
    let tile = |(i, &(entry, bytes)): (usize, &(Entry, &[u8]))| {
        let region = header.plan.region(i);
        let parts = match entry.method {
            MethodChoice::Lossless => Parts { method: bytes, ..Parts::default() },
            _ => Parts::read(bytes)?,
        };
        Ok(TileInspection {
            start: region.start,
            shape: region.shape,
            method: entry.method,
            model: entry.method.is_learned().then(|| header.models.get(usize::from(entry.model)).copied()).flatten(),
            mask_bytes: parts.mask.len(),
            sign_bytes: parts.signs.len(),
            exception_bytes: parts.exceptions.len(),
            method_bytes: parts.method.len(),
        })
    };
    Ok(Inspection {
        version: header.version.0,
        options: header.options,
        resolved_error: header.lattice.map(|lattice| lattice.error()),
        tiles: tiles.iter().enumerate().map(tile).collect::<Result<Vec<_>>>()?,
        specials: header.specials.clone(),
        overhead_bytes: bytes.len() - payload,
        layout: header.layout,
    })
}
