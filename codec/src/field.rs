//! An n-d array as its host hands it over: element type, byte order, shape.

use crate::error::{Error, Result};

/// What one element is. Only floats are compressed under a bound; the rest is lossless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Float,
    Signed,
    Unsigned,
    /// Any other fixed-size element: strings, compounds, half floats, 80-bit floats.
    Opaque,
}

impl Kind {
    /// By the numbers that streams and cd_values have for them.
    pub const ALL: [Kind; 4] = [Kind::Float, Kind::Signed, Kind::Unsigned, Kind::Opaque];

    pub fn number(self) -> u8 {
        self as u8
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteOrder {
    Little,
    Big,
}

/// The type of an element: its kind, its size in bytes, its byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    pub kind: Kind,
    pub size: usize,
    pub order: ByteOrder,
}

impl Element {
    pub const F32: Element = Element { kind: Kind::Float, size: 4, order: ByteOrder::Little };
    pub const F64: Element = Element { kind: Kind::Float, size: 8, order: ByteOrder::Little };

    /// Whether a bound means anything for this type: binary32 and binary64.
    pub fn is_bounded(self) -> bool {
        self.kind == Kind::Float && matches!(self.size, 4 | 8)
    }

    /// The bit pattern of a number, if this is a type that a bound means anything for.
    pub fn bits_of(self, number: f64) -> Option<u64> {
        let bits = if self.size == 4 { (number as f32).to_bits().into() } else { number.to_bits() };
        self.is_bounded().then_some(bits)
    }

    /// The number of a bit pattern, likewise.
    pub fn number_of(self, bits: u64) -> Option<f64> {
        let number = if self.size == 4 { f32::from_bits(bits as u32).into() } else { f64::from_bits(bits) };
        self.is_bounded().then_some(number)
    }
}

/// Element type and shape of an array in row-major order (last dimension fastest).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub element: Element,
    /// Extents, slowest first; empty for a scalar.
    pub shape: Vec<usize>,
}

impl Layout {
    /// Highest rank a stream can hold (HDF5's own limit).
    pub const MAX_RANK: usize = 32;

    pub fn new(element: Element, shape: impl Into<Vec<usize>>) -> Self {
        Layout { element, shape: shape.into() }
    }

    /// Number of elements. Errors when it, or the byte count, overflows, and for elements without bytes.
    pub fn len(&self) -> Result<usize> {
        if self.shape.len() > Self::MAX_RANK {
            return Err(Error::InvalidArgument(format!("rank {} is above {}", self.shape.len(), Self::MAX_RANK)));
        }
        if self.element.size == 0 {
            return Err(Error::InvalidArgument("elements of no bytes".into()));
        }
        let points = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        points
            .filter(|n| n.checked_mul(self.element.size).is_some_and(|bytes| bytes <= isize::MAX as usize))
            .ok_or_else(|| Error::LimitsExceeded(format!("shape {:?} overflows", self.shape)))
    }

    /// Number of bytes of the whole array.
    pub fn byte_len(&self) -> Result<usize> {
        Ok(self.len()? * self.element.size)
    }
}
