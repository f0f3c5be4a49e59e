//! What lies in the bytes: one stored struct a file, each with `read` and `write` beside each other.
//! `docs/format.md` is the specification.

pub mod bytes;
mod decimal;
mod element;
pub mod exceptions;
pub mod header;
pub mod tile;

use crate::error::{Error, Result, corrupt};
use bytes::{Reader, put_varint};
use header::Header;
use tile::Entry;

/// Bytes of the checksum at the end.
const SUM: usize = 4;

/// A parsed stream: checked checksums, tiles still encoded.
pub struct Stream<'a> {
    pub header: Header,
    pub tiles: Vec<(Entry, &'a [u8])>,
}

impl<'a> Stream<'a> {
    /// header | tile table | tiles | CRC32C of all before
    pub fn write(header: &Header, tiles: &[(Entry, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + tiles.iter().map(|(_, bytes)| bytes.len() + 16).sum::<usize>());
        header.write(&mut out);
        for (i, (entry, bytes)) in tiles.iter().enumerate() {
            entry.write(&mut out);
            if i + 1 < tiles.len() {
                put_varint(&mut out, bytes.len() as u64);
            }
        }
        tiles.iter().for_each(|(_, bytes)| out.extend_from_slice(bytes));
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out
    }

    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let header = Header::read(&mut reader)?;
        let count = header.plan.count();
        // A tile takes six bytes at least, the last one with the checksum: a table that cannot be there is not allocated.
        if count > reader.rest().len() / 6 {
            return Err(Error::InsufficientData(format!("a table of {count} tiles announced")));
        }
        let line = |i| Ok((Entry::read(&mut reader)?, if i + 1 < count { Some(reader.length()?) } else { None }));
        let table = (0..count).map(line).collect::<Result<Vec<_>>>()?;
        let mut tile = |length: Option<usize>| reader.take(length.unwrap_or(reader.rest().len().saturating_sub(SUM)));
        let tiles = table.into_iter().map(|(entry, length)| Ok((entry, tile(length)?))).collect::<Result<Vec<_>>>()?;
        let before = &bytes[..bytes.len() - reader.rest().len()];
        if reader.u32()? != crc32c::crc32c(before) {
            return corrupt("the checksum is wrong");
        }
        if !reader.rest().is_empty() {
            return corrupt("bytes after the end");
        }
        Ok(Stream { header, tiles })
    }
}
