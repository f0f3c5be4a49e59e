//! An array into a block and back, on slices (`docs/format.md`, "A block of ADIOS2").

use crate::order;
use caesar_codec::threads::Share;
use caesar_codec::{ByteOrder, Codec, Element, Error, Kind, Layout, Limits, Options, Result, inspect};

/// Comes before the stream of complex numbers.
const PAIR: &[u8; 4] = b"PAIR";

/// Most dimensions: a complex array has one more in its stream.
pub const MAX_RANK: usize = Layout::MAX_RANK - 1;

/// The types in the order of their numbers in `caesar.h`: kind, bytes of an element or of its part, parts.
const TYPES: [(Kind, usize, usize); 12] = [
    (Kind::Float, 4, 1),
    (Kind::Float, 8, 1),
    (Kind::Float, 4, 2),
    (Kind::Float, 8, 2),
    (Kind::Signed, 1, 1),
    (Kind::Signed, 2, 1),
    (Kind::Signed, 4, 1),
    (Kind::Signed, 8, 1),
    (Kind::Unsigned, 1, 1),
    (Kind::Unsigned, 2, 1),
    (Kind::Unsigned, 4, 1),
    (Kind::Unsigned, 8, 1),
];

const NATIVE: ByteOrder = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };

/// What a block holds: a type by its number in `caesar.h`, and extents, slowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    number: usize,
    shape: Vec<usize>,
}

impl Array {
    /// # Errors
    /// `InvalidArgument` for a number without a type and more than [`MAX_RANK`] extents, `LimitsExceeded` for more bytes than
    /// memory can have.
    pub fn new(number: usize, shape: &[usize]) -> Result<Array> {
        if number >= TYPES.len() {
            return Err(Error::InvalidArgument(format!("no type has the number {number}")));
        }
        if shape.len() > MAX_RANK {
            return Err(Error::InvalidArgument(format!("rank {} is above {MAX_RANK}", shape.len())));
        }
        let array = Array { number, shape: shape.to_vec() };
        array.layout().byte_len()?;
        Ok(array)
    }

    /// What a block says that it holds.
    pub fn of(block: &[u8]) -> Result<Array> {
        let (parts, stream) = split(block);
        let layout = inspect(stream)?.layout;
        let Element { kind, size, order } = layout.element;
        let number = TYPES.iter().position(|t| *t == (kind, size, parts)).filter(|_| order == NATIVE);
        let number = number.ok_or_else(|| Error::Compatibility(format!("its elements, {:?}, are none of a block", layout.element)))?;
        match (parts, &layout.shape[..]) {
            (1, shape) | (2, [2, shape @ ..]) => Array::new(number, shape),
            (_, shape) => Err(Error::Corruption(format!("pairs in an array of {shape:?}"))),
        }
    }

    pub fn number(&self) -> usize {
        self.number
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn bytes(&self) -> usize {
        self.layout().byte_len().expect("checked when it was made")
    }

    /// Bytes that a block of it never exceeds.
    pub fn bound(&self) -> usize {
        bound(self.bytes())
    }

    /// Whether the values look as if the extents were a Fortran program's, fastest first. Only floats are asked, of complex
    /// numbers the real parts. `bytes` are the array's.
    pub fn is_reversed(&self, bytes: &[u8]) -> bool {
        let (kind, size, parts) = TYPES[self.number];
        let count = bytes.len() / (size * parts);
        let part = |i: usize| &bytes[i * size * parts..][..size];
        match (kind, size) {
            (Kind::Float, 4) => order::is_reversed(&self.shape, count, |i| f32::from_ne_bytes(part(i).try_into().expect("4 bytes")).into()),
            (Kind::Float, _) => order::is_reversed(&self.shape, count, |i| f64::from_ne_bytes(part(i).try_into().expect("8 bytes"))),
            _ => false,
        }
    }

    /// Of the stream: all real parts come before all imaginary parts, as two items of one array.
    fn layout(&self) -> Layout {
        let (kind, size, parts) = TYPES[self.number];
        let shape = if parts == 1 { self.shape.clone() } else { [&[parts], &self.shape[..]].concat() };
        Layout::new(Element { kind, size, order: NATIVE }, shape)
    }

    /// # Errors
    /// None on any values: only a byte count that is not the array's, and options that [`Options::check`] refuses.
    pub fn encode(&self, bytes: &[u8], options: &Options) -> Result<Vec<u8>> {
        let share = Share::take();
        let codec = codec(&share);
        let (_, size, parts) = TYPES[self.number];
        if parts == 1 {
            return codec.encode(&self.layout(), bytes, options);
        }
        let stream = codec.encode(&self.layout(), &apart(bytes, size), options)?;
        Ok([PAIR, &stream[..]].concat())
    }

    /// The values, in the machine's byte order, of the block that this is the array [`Array::of`].
    ///
    /// # Errors
    /// As [`Codec::decode`].
    pub fn decode(&self, block: &[u8]) -> Result<Vec<u8>> {
        let share = Share::take();
        let limits = Limits { max_decoded_bytes: self.bytes() };
        let bytes = codec(&share).limits(limits).decode(split(block).1)?.bytes;
        let (_, size, parts) = TYPES[self.number];
        Ok(if parts == 1 { bytes } else { together(&bytes, size) })
    }
}

/// Bytes that a block of so many bytes of values never exceeds.
pub fn bound(bytes: usize) -> usize {
    bytes.saturating_add(bytes / 100).saturating_add(512 + PAIR.len())
}

fn codec(share: &Share) -> Codec {
    Codec::new(caesar_onnx::models()).threads(share.threads())
}

/// Parts of an element, and the stream.
fn split(block: &[u8]) -> (usize, &[u8]) {
    block.strip_prefix(PAIR).map_or((1, block), |stream| (2, stream))
}

/// Pairs of parts of `size` bytes into all first parts, then all second parts.
fn apart(pairs: &[u8], size: usize) -> Vec<u8> {
    let part = |second: usize| pairs.chunks_exact(2 * size).flat_map(move |pair| &pair[second * size..][..size]);
    part(0).chain(part(1)).copied().collect()
}

/// The inverse of [`apart`].
fn together(parts: &[u8], size: usize) -> Vec<u8> {
    let (first, second) = parts.split_at(parts.len() / 2);
    first.chunks_exact(size).zip(second.chunks_exact(size)).flat_map(|(a, b)| a.iter().chain(b)).copied().collect()
}
