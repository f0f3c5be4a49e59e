//! What the networks of SRN-SZ are trained on: samples of the targets of tiles of lattice integers.
//!
//! usage: srn_samples LIST OUT [all]
//!
//! LIST and its files as for `tile_rates` (onnx/runtime/examples). OUT gets records of 64 little-endian i32 (`srn_sz::samples::Sample`), OUT.index a line for
//! each tile: `name records points`. Without `all` only every sixth row of level 0 and every second of level 1 is written.

use caesar_codec::lattice::Tile;
use caesar_codec::method::srn_sz::samples::samples;
use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [list, out, rest @ ..] = &arguments[..] else { return Err("usage: srn_samples LIST OUT [all]".into()) };
    let all = rest.first().is_some_and(|word| word == "all");
    let folder = Path::new(list).parent().unwrap_or(Path::new("."));
    let mut records = std::io::BufWriter::new(std::fs::File::create(out)?);
    let mut index = std::fs::File::create(format!("{out}.index"))?;
    for line in std::fs::read_to_string(list)?.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, planes, rows, columns, bin_bits, masked, ..] = words[..] else {
            return Err(format!("too few words: {line}").into());
        };
        let shape = [planes.parse()?, rows.parse()?, columns.parse::<usize>()?];
        let raw = std::fs::read(folder.join(format!("{name}.i32")))?;
        let values: Vec<i32> = raw.as_chunks().0.iter().map(|&word| i32::from_le_bytes(word)).collect();
        let mask: Option<Vec<bool>> = match masked {
            "1" => Some(std::fs::read(folder.join(format!("{name}.mask")))?.into_iter().map(|b| b != 0).collect()),
            _ => None,
        };
        let tile = Tile { shape, values: &values, mask: mask.as_deref(), bin_bits: bin_bits.parse()? };
        let (mut count, mut result) = (0, Ok(()));
        samples(&tile, |row, sample| {
            let every = [6, 2, 1][sample[48].clamp(0, 2) as usize];
            if (all || row % every == every / 2) && result.is_ok() {
                count += 1;
                result = sample.iter().try_for_each(|number| records.write_all(&number.to_le_bytes()));
            }
        });
        result?;
        writeln!(index, "{name} {count} {}", values.len())?;
    }
    Ok(())
}
