//! The two element types a bound is kept for, binary32 and binary64, behind one trait.

use std::borrow::Cow;
use zerocopy::{FromBytes, Immutable};

/// A float of the stored type: what the bound is checked in.
pub trait Value: Copy + Send + Sync + PartialEq + std::fmt::Debug + pco::data_types::Number + FromBytes + Immutable {
    const SIZE: usize;
    /// No less than the largest relative rounding error of the type, as the cast from f64 makes it.
    const ROUNDING: f64;
    fn from_f64(x: f64) -> Self;
    fn to_f64(self) -> f64;
    /// The bit pattern, in the low bits.
    fn bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
    fn read(le_bytes: &[u8]) -> Self;
    fn write(self, le_bytes: &mut [u8]);
}

macro_rules! value {
    ($type:ty, $bits:ty, $rounding:expr) => {
        impl Value for $type {
            const SIZE: usize = size_of::<$type>();
            const ROUNDING: f64 = $rounding;
            fn from_f64(x: f64) -> Self {
                x as $type
            }
            fn to_f64(self) -> f64 {
                self.into()
            }
            fn bits(self) -> u64 {
                self.to_bits().into()
            }
            fn from_bits(bits: u64) -> Self {
                <$type>::from_bits(bits as $bits)
            }
            fn read(le_bytes: &[u8]) -> Self {
                <$type>::from_le_bytes(le_bytes.try_into().expect("one element"))
            }
            fn write(self, le_bytes: &mut [u8]) {
                le_bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    };
}

value!(f32, u32, 1.0 / (1u64 << 24) as f64);
value!(f64, u64, 1.0 / (1u64 << 52) as f64);

/// Little-endian bytes as values: where they lie, if that is where values may.
pub fn values_of<V: Value>(le_bytes: &[u8]) -> Cow<'_, [V]> {
    match <[V]>::ref_from_bytes(le_bytes) {
        Ok(values) if cfg!(target_endian = "little") => Cow::Borrowed(values),
        _ => le_bytes.chunks_exact(V::SIZE).map(V::read).collect(),
    }
}

/// Values to little-endian bytes.
pub fn bytes_of<V: Value>(values: &[V]) -> Vec<u8> {
    let mut bytes = vec![0; values.len() * V::SIZE];
    write_values(values, &mut bytes);
    bytes
}

/// Values to as many little-endian bytes.
pub fn write_values<V: Value>(values: &[V], bytes: &mut [u8]) {
    for (chunk, value) in bytes.chunks_exact_mut(V::SIZE).zip(values) {
        value.write(chunk);
    }
}

/// Reverses the bytes of every element of `size` bytes: big-endian to little-endian and back.
pub fn swap_bytes(bytes: &mut [u8], size: usize) {
    if size > 1 {
        bytes.chunks_exact_mut(size).for_each(|element| element.reverse());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_anywhere() {
        let values: Vec<f64> = (0..9).map(|i| f64::from(i) * 0.3).collect();
        for at in 0..9 {
            let bytes = [&vec![7; at][..], &bytes_of(&values)].concat();
            assert_eq!(*values_of::<f64>(&bytes[at..]), values);
        }
        assert!(values_of::<f32>(&[]).is_empty());
    }
}
