//! Serves the training of CAESAR-V's decoder networks (`onnx/caesar_models`): what transform and latents make of crops.
//!
//! Standard input, little-endian, again and again: side of a block, T, H, W as u32, then T·H·W values as i32 in 2^-15 step.
//! Standard output: as many i32 in 1/64 step.

use caesar_codec::method::caesar_v::training::image;
use std::io::{self, Read, Write};

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut head = [0; 16];
    while input.read_exact(&mut head).is_ok() {
        let [side, shape @ ..]: [usize; 4] = std::array::from_fn(|i| integer(&head[4 * i..]) as usize);
        let mut bytes = vec![0; 4 * shape.iter().product::<usize>()];
        input.read_exact(&mut bytes)?;
        let values: Vec<i32> = bytes.chunks_exact(4).map(integer).collect();
        for value in image(&values, shape, side) {
            output.write_all(&value.to_le_bytes())?;
        }
        output.flush()?;
    }
    Ok(())
}

fn integer(bytes: &[u8]) -> i32 {
    i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
