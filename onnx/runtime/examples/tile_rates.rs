//! Ratio and speed of a closed-loop method on tiles of lattice integers.
//!
//! usage: tile_rates interpolation|srn-sz LIST [fast|balanced|best] [filter]
//!
//! Every line of LIST: `name planes rows columns bin_bits masked peer_bytes …`; beside LIST lie `name.i32`
//! (little-endian lattice integers) and, where masked is 1, `name.mask` (one byte a point).

use caesar_codec::Effort;
use caesar_codec::lattice::Tile;
use caesar_codec::method::{interpolation, srn_sz};
use caesar_codec::threads::Share;
use caesar_kernels::Team;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: tile_rates interpolation|srn-sz LIST [fast|balanced|best] [filter]";
    let learned = match arguments.next().ok_or(usage)?.as_str() {
        "interpolation" => false,
        "srn-sz" => true,
        _ => return Err(usage.into()),
    };
    let list = arguments.next().ok_or(usage)?;
    let effort = match arguments.next().as_deref() {
        Some("fast") => Effort::Fast,
        Some("best") => Effort::Best,
        _ => Effort::Balanced,
    };
    let model = caesar_onnx::models().preferred(srn_sz::role(effort)).filter(|_| learned);
    if learned && model.is_none() {
        return Err("no model of this effort".into());
    }
    let threads = Share::take().threads();
    let filter = arguments.next().unwrap_or_default();
    let folder = Path::new(&list).parent().unwrap_or(Path::new("."));
    let mut gains: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for line in std::fs::read_to_string(&list)?.lines().filter(|l| l.contains(&filter)) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [name, planes, rows, columns, bin_bits, masked, peer, ..] = words[..] else {
            return Err(format!("too few words: {line}").into());
        };
        let shape = [planes.parse()?, rows.parse()?, columns.parse::<usize>()?];
        let bin_bits: u32 = bin_bits.parse()?;
        let raw = std::fs::read(folder.join(format!("{name}.i32")))?;
        let word = |b: &[u8]| i32::from_le_bytes(b.try_into().expect("four bytes"));
        let values: Vec<i32> = raw.chunks_exact(4).map(word).collect();
        let mask: Option<Vec<bool>> = match masked {
            "1" => Some(std::fs::read(folder.join(format!("{name}.mask")))?.into_iter().map(|b| b != 0).collect()),
            _ => None,
        };
        let tile = Tile { shape, values: &values, mask: mask.as_deref(), bin_bits };
        let (coded, written) = timed(|| match &model {
            Some(model) => Team::run(threads, |team| srn_sz::encode(&tile, effort, &**model, team)),
            None => Ok(Some(interpolation::encode(&tile, effort))),
        });
        let Some(coded) = coded? else {
            println!("{name:52} packed: left to interpolation");
            continue;
        };
        let (decoded, read) = timed(|| match &model {
            Some(model) => Team::run(threads, |team| srn_sz::decode(&coded.bytes, shape, tile.mask, bin_bits, &**model, team)),
            None => interpolation::decode(&coded.bytes, shape, tile.mask, bin_bits),
        });
        let decoded = decoded?;
        assert!(decoded == coded.decoded, "{name}: the decoder sees other values than the encoder");
        let half = 1i64 << bin_bits >> 1;
        let kept = (0..values.len()).filter(|&i| mask.as_ref().is_none_or(|m| !m[i]));
        let worst = kept.map(|i| (i64::from(values[i]) - i64::from(decoded[i])).abs()).max();
        assert!(worst.unwrap_or(0) <= half, "{name}: {worst:?} is more than half a bin");
        let points = values.len() as f64;
        let gain = peer.parse::<f64>()? / coded.bytes.len() as f64;
        let bound = name.rsplit_once('@').map_or("", |(_, bound)| bound);
        gains.entry(bound.into()).or_default().push(gain);
        println!(
            "{name:52} {:9} bytes {:7.4} bit/point  vs peer {gain:6.3}  write {:6.1} read {:6.1} ns/point",
            coded.bytes.len(),
            coded.bytes.len() as f64 * 8.0 / points,
            written.as_nanos() as f64 / points,
            read.as_nanos() as f64 / points,
        );
    }
    for (bound, gains) in gains {
        let mean = (gains.iter().map(|g| g.ln()).sum::<f64>() / gains.len() as f64).exp();
        let worst = gains.iter().copied().fold(f64::INFINITY, f64::min);
        println!("{bound:8} vs peer: mean {mean:.3}, worst {worst:.3} of {}", gains.len());
    }
    Ok(())
}

/// The result of `work` and the time it took, at the fastest of some runs.
fn timed<T>(work: impl Fn() -> T) -> (T, Duration) {
    let run = || {
        let start = Instant::now();
        let result = work();
        (result, start.elapsed())
    };
    let (result, mut least) = run();
    for _ in 1..RUNS {
        least = least.min(run().1);
    }
    (result, least)
}
