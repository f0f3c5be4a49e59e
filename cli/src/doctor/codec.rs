//! Does the codec in this command work on this machine, method by method?

use super::Report;
use caesar_codec::{Bound, Codec, Element, Layout, MethodChoice, Options};
use caesar_codec::threads::Share;
use caesar_onnx::doctor::running;

const METHODS: [MethodChoice; 5] =
    [MethodChoice::Lossless, MethodChoice::Interpolation, MethodChoice::SrnSz, MethodChoice::CaesarV, MethodChoice::Auto];
const BOUND: f64 = 1e-3;
const THREADS: &str = "CAESAR_NUM_THREADS";

pub fn examine(report: &mut Report) {
    report.ok("instructions", caesar_kernels::Isa::best().to_string());
    threads(report);
    let shape = [8, 64, 96];
    let field = field(shape);
    for method in METHODS {
        let options = Options { method, ..Options::new(Bound::Absolute(BOUND)) };
        let subject = format!("method {}", method.name());
        match attempt(&shape, &field, &options) {
            Ok(finding) => report.ok(&subject, finding),
            Err(error) => report.error(&subject, error, "this should never happen: please report it with the output of this command"),
        }
    }
}

fn threads(report: &mut Report) {
    let wanted = std::env::var_os(THREADS);
    let is_sound = wanted.is_none_or(|n| n.to_str().and_then(|n| n.parse().ok()).is_some_and(|n: usize| n > 0));
    let finding = format!("{} for a call", Share::take().threads());
    match is_sound {
        true => report.ok("threads", finding),
        false => report.warning("threads", format!("{finding}: {THREADS} is no number above 0"), "correct or remove it"),
    }
}

/// A smooth field with values between -2 and 2.
pub fn field([frames, rows, columns]: [usize; 3]) -> Vec<f32> {
    let wave = |n: usize, step: f32| (n as f32 * step).sin();
    let point = |t: usize, y: usize, x: usize| wave(3 * y + t, 0.031) + wave(2 * x + y, 0.047);
    let plane = move |t| (0..rows).flat_map(move |y| (0..columns).map(move |x| point(t, y, x)));
    (0..frames).flat_map(plane).collect()
}

/// Compresses a field and looks whether the bound was kept; what came out, or what went wrong.
fn attempt(shape: &[usize], field: &[f32], options: &Options) -> Result<String, String> {
    let bytes: Vec<u8> = field.iter().flat_map(|x| x.to_le_bytes()).collect();
    let codec = Codec::new(caesar_onnx::models());
    let layout = Layout::new(Element::F32, shape);
    let stream = codec.encode(&layout, &bytes, options).map_err(|e| e.to_string())?;
    let decoded = codec.decode(&stream).map_err(|e| e.to_string())?;
    let values = decoded.bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let errors = field.iter().zip(values).map(|(&x, y)| (f64::from(x) - f64::from(y)).abs());
    let error = errors.fold(0f64, f64::max);
    if decoded.bytes.len() != bytes.len() || error > BOUND {
        return Err(format!("an error of {error:e} breaks {options}"));
    }
    let tile = &caesar_codec::inspect(&stream).map_err(|e| e.to_string())?.tiles[0];
    let network = tile.model.and_then(|hash| running(&hash));
    let network = network.map(|network| format!("; {} on {}", network.id, network.providers.join(", "))).unwrap_or_default();
    let ratio = bytes.len() as f64 / stream.len() as f64;
    Ok(format!("keeps {} at ratio {ratio:.1}, with {}{network}", Options::new(options.bound), tile.method.name()))
}
