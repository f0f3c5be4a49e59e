//! A chunk into a stream and back: what the filter callback does, on slices.

use crate::setup::BYTES;
use crate::words::{self, Words};
use caesar_codec::threads::Share;
use caesar_codec::{Codec, Error, Layout, Limits, Options, Result};

/// Compresses a chunk. Where set-up did not run, or another filter comes first, nothing is known of the values:
/// the bytes are kept as they are.
pub fn encode(cd_values: &[u32], chunk: &[u8]) -> Result<Vec<u8>> {
    let words = if words::are_ours(cd_values) { Some(Words::read(cd_values)?) } else { None };
    let share = Share::take();
    match words.and_then(|words| Some((words.layout(chunk.len())?, words))) {
        Some((layout, words)) => codec(&share).fills(Vec::from_iter(words.fill)).encode(&layout, chunk, &words.options),
        None => codec(&share).encode(&Layout::new(BYTES, [chunk.len()]), chunk, &Options::default()),
    }
}

/// Restores a chunk, in memory that `room` gives for so many bytes. The stream says all that is needed; cd_values only tell how many bytes
/// HDF5 expects, which it does not check itself.
pub fn decode<B: AsMut<[u8]>>(cd_values: &[u32], stream: &[u8], room: impl FnOnce(usize) -> Result<B>) -> Result<B> {
    let expected = Words::read(cd_values).ok().and_then(|words| words.chunk_bytes());
    let limits = expected.map_or_else(Limits::default, |bytes| Limits { max_decoded_bytes: bytes });
    let share = Share::take();
    let room = |len| match expected {
        Some(expected) if expected != len => Err(Error::Corruption(format!("a chunk of {expected} bytes is expected, the stream holds {len}"))),
        _ => room(len),
    };
    Ok(codec(&share).limits(limits).decode_into(stream, room)?.1)
}

fn codec(share: &Share) -> Codec {
    Codec::new(caesar_onnx::models()).threads(share.threads())
}
