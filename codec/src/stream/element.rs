//! The type of the elements (`docs/format.md`, "Header").

use super::bytes::{Reader, put_varint};
use crate::error::{Result, corrupt};
use crate::field::{ByteOrder, Element, Kind};

/// In the place of the logarithm of a size: the size follows.
const OTHER: u8 = 31;

/// The logarithm that tells a size, if one does.
fn power(size: usize) -> Option<u8> {
    let log = size.trailing_zeros() as u8;
    (size.is_power_of_two() && log < OTHER).then_some(log)
}

pub fn write(element: Element, out: &mut Vec<u8>) {
    let Element { kind, size, order } = element;
    let power = power(size);
    out.push(kind.number() | u8::from(order == ByteOrder::Big) << 2 | power.unwrap_or(OTHER) << 3);
    if power.is_none() {
        put_varint(out, size as u64);
    }
}

pub fn read(reader: &mut Reader) -> Result<Element> {
    let code = reader.u8()?;
    let kind = Kind::ALL[usize::from(code & 3)];
    let order = if code & 4 == 0 { ByteOrder::Little } else { ByteOrder::Big };
    let size = match code >> 3 {
        OTHER => match reader.length()? {
            0 => return corrupt("elements of no bytes"),
            size if power(size).is_some() => return corrupt(format!("elements of {size} bytes, told at length")),
            size => size,
        },
        log => 1 << log,
    };
    Ok(Element { kind, size, order })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_told_one_way() {
        let sizes = (0..usize::BITS).map(|log| 1usize << log).chain([3, 12, 80, (1 << 31) - 1, (1 << 31) + 1, usize::MAX]);
        for (size, kind) in sizes.flat_map(|size| Kind::ALL.map(|kind| (size, kind))) {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let element = Element { kind, size, order };
                let mut bytes = Vec::new();
                write(element, &mut bytes);
                assert_eq!(bytes.len() == 1, size.is_power_of_two() && size < 1 << 31);
                assert_eq!(read(&mut Reader::new(&bytes)).unwrap(), element);
                let mut at_length = vec![bytes[0] | OTHER << 3];
                put_varint(&mut at_length, size as u64);
                assert_eq!(read(&mut Reader::new(&at_length)).is_ok(), bytes == at_length, "{element:?}");
            }
        }
        assert!(read(&mut Reader::new(&[OTHER << 3, 0])).is_err());
    }
}
