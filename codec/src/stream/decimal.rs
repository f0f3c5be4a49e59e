//! The number of a bound: the decimal as which it was asked for (`docs/format.md`, "Header").

use super::bytes::{Reader, put_varint};
use crate::error::{Result, corrupt};

/// The shortest digits that stand for a finite number that is not negative, none of them an idle zero, and the power of ten they count.
fn shortest(number: f64) -> (u64, i64) {
    let text = format!("{:e}", number.abs());
    let parts = text.split_once('e').and_then(|(digits, exponent)| {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        Some((format!("{whole}{fraction}").parse().ok()?, exponent.parse::<i64>().ok()? - fraction.len() as i64))
    });
    parts.expect("a finite number has a decimal of at most 17 digits")
}

pub fn write(number: f64, out: &mut Vec<u8>) {
    let (digits, exponent) = shortest(number);
    put_varint(out, digits);
    put_varint(out, (exponent << 1 ^ exponent >> 63) as u64);
}

pub fn read(reader: &mut Reader) -> Result<f64> {
    let (digits, zigzag) = (reader.varint()?, reader.varint()?);
    let exponent = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    match format!("{digits}e{exponent}").parse::<f64>() {
        Ok(number) if number.is_finite() && shortest(number) == (digits, exponent) => Ok(number),
        _ => corrupt(format!("{digits}e{exponent} is not the shortest form of a number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes_of(number: f64) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(number, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn every_number_comes_back(bits in 0..f64::INFINITY.to_bits(), digits in 0u64..100_000, exponent in -330i32..303) {
            for number in [f64::from_bits(bits), format!("{digits}e{exponent}").parse().unwrap()] {
                let bytes = bytes_of(number);
                let mut reader = Reader::new(&bytes);
                prop_assert_eq!(read(&mut reader).unwrap().to_bits(), number.to_bits());
                prop_assert!(reader.rest().is_empty());
            }
        }

        /// What is read is written in the same bytes.
        #[test]
        fn no_number_has_two_forms(digits: u64, few in 0u64..1000, exponent: u64, small in 0u64..700) {
            for (digits, exponent) in [(digits, exponent), (few, small), (digits, small), (few, exponent)] {
                let mut bytes = Vec::new();
                put_varint(&mut bytes, digits);
                put_varint(&mut bytes, exponent);
                if let Ok(number) = read(&mut Reader::new(&bytes)) {
                    prop_assert_eq!(bytes_of(number), bytes);
                }
            }
        }
    }

    #[test]
    fn what_people_ask_for_is_short() {
        for (number, bytes) in [(1e-2, &[1, 3][..]), (80.0, &[8, 2]), (2.5e-4, &[25, 9]), (0.0, &[0, 0]), (-0.0, &[0, 0]), (1.0, &[1, 0]), (5e-324, &[5, 135, 5])] {
            assert_eq!(bytes_of(number), bytes, "{number}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        // 10e-3, 0e1, 0e-1, more digits than a number has, 1e309, 1e-325, far exponents, digits beyond 64 bits, an idle byte.
        let seventeen = [&[0x80; 8][..], &[1, 0]].concat();
        let endless = [&[0xff; 9][..], &[3, 0]].concat();
        let far = |first: u8| [&[1, first][..], &[0xff; 8], &[1]].concat();
        for bytes in [vec![10, 5], vec![0, 2], vec![0, 1], seventeen, vec![1, 0xea, 4], vec![1, 0x89, 5], far(0xff), far(0xfe), endless, vec![0x81, 0, 3]] {
            assert!(read(&mut Reader::new(&bytes)).is_err(), "{bytes:?}");
        }
    }
}
