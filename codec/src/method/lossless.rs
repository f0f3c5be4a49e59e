//! Bit for bit: pcodec on numbers, or zstd over shuffled bytes, whichever is smaller; raw bytes when neither helps.
//!
//! The first byte of the part says which: 0 raw, 1 pcodec, 2 zstd over shuffled bytes (all first bytes of the
//! elements, then all second bytes, …), 3 one element repeated.

use crate::codec::room_for;
use crate::error::{Result, corrupt};
use crate::field::{Element, Kind};
use crate::options::Effort;
use pco::ChunkConfig;
use pco::data_types::Number;

const RAW: u8 = 0;
const PCO: u8 = 1;
const SHUFFLED: u8 = 2;
const REPEATED: u8 = 3;

/// Encodes a tile's little-endian bytes. Never longer than the bytes plus one.
pub fn encode(bytes: &[u8], element: Element, effort: Effort) -> Vec<u8> {
    let Element { size, .. } = element;
    let first = &bytes[..size.min(bytes.len())];
    if bytes.len() > size && bytes.chunks_exact(size).all(|e| e == first) {
        return [&[REPEATED], first].concat();
    }
    let (pco_level, zstd_level) = match effort {
        Effort::Fast => (4, 1),
        Effort::Balanced => (8, 3),
        Effort::Best => (10, 19),
    };
    let shuffled = zstd::bulk::compress(&shuffle(bytes, size), zstd_level).ok().map(|part| (SHUFFLED, part));
    let numbers = with_numbers(element, NumbersTo { bytes, level: pco_level }).flatten().map(|part| (PCO, part));
    match shuffled.into_iter().chain(numbers).min_by_key(|(_, part)| part.len()) {
        Some((kind, part)) if part.len() < bytes.len() => [&[kind], &part[..]].concat(),
        _ => [&[RAW], bytes].concat(),
    }
}

/// Decodes a tile of `len` little-endian bytes.
pub fn decode(part: &[u8], element: Element, len: usize) -> Result<Vec<u8>> {
    let Element { size, .. } = element;
    room_for(len)?;
    let bytes = match part.split_first() {
        Some((&RAW, bytes)) => bytes.to_vec(),
        Some((&PCO, part)) => with_numbers(element, NumbersFrom { part, count: len / size }).flatten().unwrap_or_default(),
        Some((&SHUFFLED, part)) => unshuffle(&zstd::bulk::decompress(part, len).unwrap_or_default(), size),
        Some((&REPEATED, one)) if one.len() == size => one.repeat(len / size),
        _ => return corrupt("unknown kind of lossless part"),
    };
    if bytes.len() == len { Ok(bytes) } else { corrupt("a lossless part does not decode to its tile") }
}

fn shuffle(bytes: &[u8], size: usize) -> Vec<u8> {
    (0..size).flat_map(|i| bytes.iter().skip(i).step_by(size).copied()).collect()
}

fn unshuffle(bytes: &[u8], size: usize) -> Vec<u8> {
    let count = bytes.len() / size;
    let mut elements = vec![0; bytes.len()];
    // A damaged part may hold anything but whole elements; the caller looks at the length.
    for (i, plane) in bytes.chunks_exact(count.max(1)).take(size).enumerate() {
        for (element, &byte) in elements.chunks_exact_mut(size).zip(plane) {
            element[i] = byte;
        }
    }
    elements
}

/// Something to do with elements as numbers of a type that pcodec knows.
trait NumberTask {
    fn run<T: Number, const N: usize>(self, from: fn([u8; N]) -> T, to: fn(T) -> [u8; N]) -> Option<Vec<u8>>;
}

/// Runs a task with the number type of an element; `None` where pcodec has no such type.
fn with_numbers(element: Element, task: impl NumberTask) -> Option<Option<Vec<u8>>> {
    macro_rules! as_type {
        ($type:ty) => {
            Some(task.run(<$type>::from_le_bytes, <$type>::to_le_bytes))
        };
    }
    match (element.kind, element.size) {
        (Kind::Float, 4) => as_type!(f32),
        (Kind::Float, 8) => as_type!(f64),
        (Kind::Signed, 1) => as_type!(i8),
        (Kind::Signed, 2) => as_type!(i16),
        (Kind::Signed, 4) => as_type!(i32),
        (Kind::Signed, 8) => as_type!(i64),
        (Kind::Unsigned, 1) => as_type!(u8),
        (Kind::Unsigned | Kind::Float, 2) => as_type!(u16),
        (Kind::Unsigned, 4) => as_type!(u32),
        (Kind::Unsigned, 8) => as_type!(u64),
        _ => None,
    }
}

struct NumbersTo<'a> {
    bytes: &'a [u8],
    level: usize,
}

impl NumberTask for NumbersTo<'_> {
    fn run<T: Number, const N: usize>(self, from: fn([u8; N]) -> T, _: fn(T) -> [u8; N]) -> Option<Vec<u8>> {
        let numbers: Vec<T> = self.bytes.as_chunks::<N>().0.iter().map(|&b| from(b)).collect();
        pco::standalone::simple_compress(&numbers, &ChunkConfig::default().with_compression_level(self.level)).ok()
    }
}

struct NumbersFrom<'a> {
    part: &'a [u8],
    count: usize,
}

impl NumberTask for NumbersFrom<'_> {
    fn run<T: Number, const N: usize>(self, from: fn([u8; N]) -> T, to: fn(T) -> [u8; N]) -> Option<Vec<u8>> {
        let mut numbers = vec![from([0; N]); self.count];
        let progress = pco::standalone::simple_decompress_into(self.part, &mut numbers).ok()?;
        let whole = progress.finished && progress.n_processed == self.count;
        whole.then(|| numbers.into_iter().flat_map(to).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::ByteOrder;
    use proptest::prelude::*;

    fn element() -> impl Strategy<Value = Element> {
        let kind = prop::sample::select(vec![Kind::Float, Kind::Signed, Kind::Unsigned, Kind::Opaque]);
        (kind, 1usize..20).prop_map(|(kind, size)| Element { kind, size, order: ByteOrder::Little })
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(element in element(), count in 0usize..300, noise: Vec<u8>, smooth: bool) {
            let bytes: Vec<u8> = (0..count * element.size)
                .map(|i| if smooth { (i / element.size / 7) as u8 } else { noise.get(i % noise.len().max(1)).copied().unwrap_or(9) })
                .collect();
            let part = encode(&bytes, element, Effort::Balanced);
            prop_assert!(part.len() <= bytes.len() + 1);
            prop_assert_eq!(decode(&part, element, bytes.len()).unwrap(), bytes);
        }

        #[test]
        fn hostile_parts_are_errors_or_bytes(element in element(), part: Vec<u8>, count in 0usize..100) {
            if let Ok(bytes) = decode(&part, element, count * element.size) {
                prop_assert_eq!(bytes.len(), count * element.size);
            }
        }
    }
}
