//! A tile in the stream: its entry in the tile table and the parts of its bytes
//! (`docs/format.md`, "Tile table" and "Tile").

use super::bytes::{Reader, put_section};
use crate::error::{Result, corrupt};
use crate::options::MethodChoice;

/// One line of the tile table, but for the length of the tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub method: MethodChoice,
    /// Place in the header's list of models, for methods that have one.
    pub model: u8,
    /// CRC32C of the decoded tile: little-endian elements in row-major order.
    pub decoded_crc: u32,
}

impl Entry {
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.method.number() as u8 | self.model << 4);
        out.extend_from_slice(&self.decoded_crc.to_le_bytes());
    }

    pub fn read(reader: &mut Reader) -> Result<Entry> {
        let code = reader.u8()?;
        let method = match MethodChoice::from_number(u32::from(code & 15)) {
            Ok(method) if method != MethodChoice::Auto => method,
            _ => return corrupt(format!("unknown method {}", code & 15)),
        };
        Ok(Entry { method, model: code >> 4, decoded_crc: reader.u32()? })
    }
}

/// The parts of a tile under a bound. Empty parts take no bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    /// Which points hold a special value, and which.
    pub mask: &'a [u8],
    /// Signs of a field whose logarithm is coded.
    pub signs: &'a [u8],
    /// Points that miss the bound, stored as they are.
    pub exceptions: &'a [u8],
    /// What the method wrote.
    pub method: &'a [u8],
}

impl<'a> Parts<'a> {
    pub fn write(&self) -> Vec<u8> {
        let side = [self.mask, self.signs, self.exceptions];
        let mut out = vec![side.iter().enumerate().map(|(i, part)| u8::from(!part.is_empty()) << i).sum()];
        side.iter().filter(|part| !part.is_empty()).for_each(|part| put_section(&mut out, part));
        out.extend_from_slice(self.method);
        out
    }

    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let present = reader.u8()?;
        if present > 7 {
            return corrupt("unknown parts in a tile");
        }
        let mut part = |i: u8| if present >> i & 1 == 1 { reader.section() } else { Ok(&[][..]) };
        let (mask, signs, exceptions) = (part(0)?, part(1)?, part(2)?);
        Ok(Parts { mask, signs, exceptions, method: reader.rest() })
    }
}
