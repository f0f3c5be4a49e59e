//! x86 registers of two widths. Their instructions shuffle and pack within 128 bits, four targets of ours.

pub mod tiles;
pub mod ymm;
pub mod zmm;

/// For a byte shuffle, from the first and second halves of four lanes to whole lanes.
const BRING_TOGETHER: [u16; 8] = words([0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15]);
/// For a byte shuffle, from the bytes of four lanes to whole lanes.
const TRANSPOSE: [u16; 8] = words([0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]);

const fn words(bytes: [u8; 16]) -> [u16; 8] {
    let mut words = [0; 8];
    let mut i = 0;
    while i < 8 {
        words[i] = u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]);
        i += 1;
    }
    words
}
