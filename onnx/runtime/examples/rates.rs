//! Ratio, error and seconds of bounds and methods side by side on one field, through the whole codec.
//!
//! usage: rates FIELD.f32 FRAMES ROWS COLUMNS SPEC...
//!
//! FIELD.f32: little-endian float32 in row-major order; a SPEC is an option string, say `nrmse=1e-2,method=caesar-v`.

use caesar_codec::{Codec, Element, Layout, MethodChoice, Options, inspect};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, frames, rows, columns, specs @ ..] = &arguments[..] else {
        return Err("usage: rates FIELD.f32 FRAMES ROWS COLUMNS SPEC...".into());
    };
    let bytes = std::fs::read(path)?;
    let layout = Layout::new(Element::F32, [frames.parse()?, rows.parse()?, columns.parse::<usize>()?]);
    let values = |bytes: &[u8]| -> Vec<f64> {
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")).into()).collect()
    };
    let original = values(&bytes);
    let (low, high) = original.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    let codec = Codec::new(caesar_onnx::models());
    for spec in specs {
        let options: Options = spec.parse()?;
        let start = Instant::now();
        let stream = codec.encode(&layout, &bytes, &options)?;
        let written = start.elapsed();
        let start = Instant::now();
        let decoded = values(&codec.decode(&stream)?.bytes);
        let read = start.elapsed();
        let errors = || original.iter().zip(&decoded).map(|(a, b)| (a - b).abs()).filter(|e| e.is_finite());
        let worst = errors().fold(0.0, f64::max);
        let rmse = (errors().map(|e| e * e).sum::<f64>() / original.len() as f64).sqrt();
        let tiles = inspect(&stream)?.tiles;
        let learned = tiles.iter().filter(|t| t.method == MethodChoice::CaesarV).count();
        println!(
            "{spec:40} ratio {:9.2}  largest error {:.2e}  nrmse {:.2e} of the range  {learned} of {} tiles caesar-v  write {written:.2?}  read {read:.2?}",
            bytes.len() as f64 / stream.len() as f64,
            worst / (high - low),
            rmse / (high - low),
            tiles.len(),
        );
    }
    Ok(())
}
