//! A chunk into a stream and back: what the filter callback does, on slices.

use crate::setup::BYTES;
use crate::words::{self, Words};
use caesar_codec::threads::Share;
use caesar_codec::{Codec, Error, Options, Result};

/// Compresses a chunk. Where set-up did not run, or another filter comes first, nothing is known of the values:
/// the bytes are kept as they are.
///
/// # Errors
/// `InvalidArgument` for words of a file that say another chunk, since [`decode`] would believe them.
pub fn encode(cd_values: &[u32], chunk: &[u8]) -> Result<Vec<u8>> {
    let words = if words::are_ours(cd_values) { Words::read(cd_values)? } else { Words::new(Options::default(), BYTES, &[]) };
    let layout = words.layout(chunk.len())?;
    let share = Share::take();
    codec(&share).fills(Vec::from_iter(words.fill)).encode(&layout, chunk, &words.options)
}

/// Restores a chunk, in memory that `room` gives for so many bytes. The stream says all that is needed; cd_values only tell
/// how many bytes HDF5 expects, which it does not check itself.
pub fn decode<B: AsMut<[u8]>>(cd_values: &[u32], stream: &[u8], room: impl FnOnce(usize) -> Result<B>) -> Result<B> {
    let expected = Words::read(cd_values).ok().and_then(|words| words.chunk_bytes());
    let share = Share::take();
    let room = |len| match expected {
        Some(expected) if expected != len => Err(Error::Corruption(format!("a chunk of {expected} bytes is expected, the stream holds {len}"))),
        _ => room(len),
    };
    Ok(codec(&share).decode_into(stream, room)?.1)
}

fn codec(share: &Share) -> Codec {
    Codec::new(caesar_onnx::models()).threads(share.threads())
}

#[cfg(test)]
mod tests {
    use super::*;
    use caesar_codec::Element;

    #[test]
    fn what_would_not_be_read_is_not_written() {
        let words = Words::new(Options::default(), Element::F32, &[4, 5]).write();
        let chunk: Vec<u8> = (0..160).collect();
        for bytes in [0, 79, 84, 160] {
            assert!(matches!(encode(&words, &chunk[..bytes]), Err(Error::InvalidArgument(_))), "{bytes}");
        }
        let stream = encode(&words, &chunk[..80]).unwrap();
        assert_eq!(decode(&words, &stream, |len| Ok(vec![0; len])).unwrap(), chunk[..80]);
    }
}
