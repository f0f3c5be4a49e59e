//! Values of a tile that are stored as they are (`docs/format.md`, "A tile under a bound").

use super::bytes::{Reader, put_varint};
use crate::error::{Result, corrupt};

/// Each exception, a place in the tile and a bit pattern: how many points lie between it and the one before, as a varint, then its bits.
pub fn write(exceptions: &[(usize, u64)], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = 0;
    for &(at, bits) in exceptions {
        put_varint(&mut out, (at - next) as u64);
        out.extend_from_slice(&bits.to_le_bytes()[..size]);
        next = at + 1;
    }
    out
}

/// Writes the exceptions of a tile, of `size` bytes each, to its place: runs of equal length.
pub fn read(part: &[u8], size: usize, place: &mut [&mut [u8]]) -> Result<()> {
    let len = place.first().map_or(0, |run| run.len()).max(1);
    let mut reader = Reader::new(part);
    let mut next = 0usize;
    while !reader.rest().is_empty() {
        let at = next.checked_add(reader.length()?);
        let byte = at.and_then(|at| at.checked_mul(size));
        let value = byte.and_then(|byte| place.get_mut(byte / len)?.get_mut(byte % len..)?.get_mut(..size));
        let (Some(at), Some(value)) = (at, value) else {
            return corrupt("an exception outside of its tile");
        };
        value.copy_from_slice(reader.take(size)?);
        next = at + 1;
    }
    Ok(())
}
