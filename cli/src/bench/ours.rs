//! Our own codec: a library call, as the filter makes it, with the whole field as one chunk.

use super::clock::{RUNS, fastest};
use super::field::Field;
use super::report::{Measured, Row};
use anyhow::{Result, ensure};
use caesar_codec::threads::Share;
use caesar_codec::{Codec, Limits, Options};
use caesar_onnx::doctor::running;

pub fn measure(field: &Field, options: Options) -> Row {
    Row::new(field, options.bound, options.method.name(), options.effort.name(), attempt(field, &options))
}

/// A stream, and the field as it comes back from it.
pub fn encode(field: &Field, options: &Options) -> Result<(Vec<u8>, Vec<u8>)> {
    let share = Share::take();
    let codec = codec(field, &share);
    let stream = codec.encode(&field.layout, &field.bytes, options)?;
    let decoded = codec.decode(&stream)?.bytes;
    Ok((stream, decoded))
}

fn codec(field: &Field, share: &Share) -> Codec {
    let limits = Limits { max_decoded_bytes: field.bytes.len() };
    Codec::new(caesar_onnx::models()).threads(share.threads()).limits(limits).fills(field.fills.clone())
}

fn attempt(field: &Field, options: &Options) -> Result<Measured> {
    let share = Share::take();
    let codec = codec(field, &share);
    let (stream, write) = fastest(RUNS, || Ok(codec.encode(&field.layout, &field.bytes, options)?))?;
    let (decoded, read) = fastest(RUNS, || Ok(codec.decode(&stream)?.bytes))?;
    let compared = field.compare(&decoded, options.bound);
    let lost = compared.broken + compared.unmasked;
    ensure!(lost == 0, "{lost} values that must stay as they are differ: please report it");
    let mut networks = Vec::new();
    for hash in caesar_codec::inspect(&stream)?.tiles.iter().filter_map(|tile| tile.model) {
        let network = running(&hash).map_or_else(|| hash.to_string(), |found| format!("{} on {}", found.id, found.providers.join(", ")));
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    Ok(Measured { stored: stream.len(), compared, write: Some(write), read: Some(read), networks })
}
