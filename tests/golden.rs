//! Streams of every format version that was ever released decode to the values they decoded to on the day they were written.
//!
//! A missing golden file of the current version is written, and the test fails once, so that nobody forgets to commit it.

use caesar_codec::{ByteOrder, Codec, Element, Kind, Layout, inspect};
use caesar_onnx::{Device, Library, Settings, Store};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// A field from integers and exact quotients alone, the same on every machine: a bump that drifts, a ramp, some
/// hash noise.
fn field(frames: usize, rows: usize, columns: usize, noise: f64) -> Vec<f64> {
    (0..frames * rows * columns)
        .map(|i| {
            let (t, y, x) = (i / (rows * columns), i / columns % rows, i % columns);
            let (dy, dx) = (y as f64 - 9.0 - t as f64 / 2.0, x as f64 - 14.0 - t as f64);
            let hash = (i as u32).wrapping_mul(2654435761) >> 8;
            300.0 / (8.0 + (dy * dy + dx * dx) / 8.0) + y as f64 / 16.0 + noise * f64::from(hash) / 16777216.0
        })
        .collect()
}

struct Golden {
    name: &'static str,
    layout: Layout,
    bytes: Vec<u8>,
    spec: &'static str,
}

fn goldens() -> Vec<Golden> {
    let f32s = |shape: &[usize], values: &[f64]| {
        let bytes = values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect();
        (Layout::new(Element::F32, shape), bytes)
    };
    let golden = |name, (layout, bytes): (Layout, Vec<u8>), spec| Golden { name, layout, bytes, spec };
    let stack = field(11, 40, 52, 0.05);
    let plane = field(1, 130, 150, 0.02);
    let mut ocean = stack.clone();
    for (i, v) in ocean.iter_mut().enumerate() {
        match (i / 52 % 40, i % 52) {
            (y, x) if y < 9 && x > 30 => *v = 9.969209968386869e36,
            (20, 20) => *v = f64::NAN,
            (21, 20) => *v = -0.0,
            _ => (),
        }
    }
    // Calm, and ripples in some places: blocks of several sizes.
    let ripple = |i: usize| if (i % 88 / 24 + i / 88 % 48 / 16) % 3 == 1 { (i % 88 * 5 + i / 88 % 48 * 3) % 7 } else { 0 };
    let patchy: Vec<f64> = field(34, 48, 88, 0.0).iter().enumerate().map(|(i, &v)| v + ripple(i) as f64).collect();
    // Signs that nobody expects.
    let noise: Vec<f64> = (1..=12000u32).map(|i| f64::from((i.wrapping_mul(2654435761) ^ i.wrapping_mul(40503) << 7).wrapping_mul(2246822519) >> 12)).collect();
    let big: Vec<u8> = plane.iter().flat_map(|v| (v - 12.0).to_be_bytes()).collect();
    let big = || (Layout::new(Element { order: ByteOrder::Big, ..Element::F64 }, [130, 150]), big.clone());
    // Packed once: steps of 1/8 around 40, and a few values at unequal distances.
    let packed: Vec<f64> = stack.iter().map(|v| 40.0 + (v * 8.0).round() / 8.0).collect();
    let few: Vec<f64> = stack.iter().map(|v| (v / 3.0).round()).map(|n| n * n + n / 8.0).collect();
    // Each frame packed for itself, as a message of GRIB: in steps of 0.2 or 0.4 from an origin of its own.
    let messages: Vec<f64> = packed.iter().enumerate().map(|(i, v)| v * [1.6, 3.2][i / 2080 % 2] + (i / 2080 * 7 % 11) as f64 / 60.0).collect();
    // As HDF5 pads a chunk, and more kinds of NaN than have a class.
    let padded: Vec<f64> = stack.iter().enumerate().map(|(i, &v)| if i < 8 * 2080 && i % 52 < 47 { v } else { 0.0 }).collect();
    let nans: Vec<u8> = stack.iter().enumerate().flat_map(|(i, &v)| if i % 99 == 0 { 0x7fc0_0000 | i as u32 } else { (v as f32).to_bits() }.to_le_bytes()).collect();
    let texts: Vec<u8> = (0..300).flat_map(|i| [b"north"[i % 5], b'a' + (i / 7 % 26) as u8, b'.']).collect();
    let counts: Vec<u8> = (0..4000u32).flat_map(|i| ((i / 7 * 3) as u16).to_le_bytes()).collect();
    vec![
        golden("abs", f32s(&[11, 40, 52], &stack), "abs=1e-2"),
        golden("fast", f32s(&[11, 40, 52], &stack), "rel=1e-3,effort=fast"),
        golden("best", f32s(&[11, 40, 52], &stack), "rel=1e-4,method=interpolation,effort=best"),
        golden("plane", f32s(&[130, 150], &plane), "abs=1e-3"),
        golden("line", f32s(&[19500], &plane), "abs=1e-3"),
        golden("batch", f32s(&[2, 3, 5, 13, 50], &plane), "rel=1e-2"),
        golden("ocean", f32s(&[11, 40, 52], &ocean), "abs=1e-2"),
        golden("interpolation-ocean", f32s(&[11, 40, 52], &ocean), "abs=1e-2,method=interpolation"),
        golden("padded", f32s(&[11, 40, 52], &padded), "rel=1e-3"),
        golden("nans", (Layout::new(Element::F32, [11, 40, 52]), nans), "abs=1e-1"),
        golden("tiles", f32s(&[2, 40, 100, 120], &field(80, 100, 120, 0.0)), "abs=1,effort=fast"),
        golden("pw-rel-big-f64", big(), "pw_rel=1e-3"),
        golden("nrmse", f32s(&[11, 40, 52], &stack), "nrmse=1e-3"),
        golden("grid", f32s(&[11, 40, 52], &packed), "abs=1e-2"),
        golden("messages", f32s(&[11, 40, 52], &messages), "abs=1e-2"),
        golden("palette", f32s(&[11, 40, 52], &few), "abs=1e-3"),
        golden("caesar-v", f32s(&[11, 40, 52], &stack), "abs=5e-1,method=caesar-v"),
        golden("caesar-v-plane", f32s(&[130, 150], &plane), "abs=2e-1,method=caesar-v"),
        golden("caesar-v-psnr", f32s(&[11, 40, 52], &stack), "psnr=50,method=caesar-v"),
        golden("caesar-v-short", f32s(&[3, 65, 100], &plane), "nrmse=1e-2,method=caesar-v"),
        golden("caesar-v-patches", f32s(&[11, 40, 52], &ocean), "patch_nrmse=1e-2,method=caesar-v"),
        golden("caesar-v-ocean", f32s(&[11, 40, 52], &ocean), "nrmse=1e-2,method=caesar-v"),
        golden("caesar-v-line", f32s(&[19500], &plane), "nrmse=1e-2,method=caesar-v"),
        golden("caesar-v-pw-rel", big(), "pw_rel=1e-2,method=caesar-v"),
        golden("caesar-v-noise", f32s(&[100, 120], &noise), "nrmse=5e-2,method=caesar-v"),
        golden("caesar-v-layers", f32s(&[34, 48, 88], &patchy), "nrmse=1e-2,method=caesar-v"),
        golden("caesar-v-signs", f32s(&[34, 48, 88], &patchy), "nrmse=1e-4,method=caesar-v"),
        golden("caesar-v-best", f32s(&[11, 40, 52], &stack), "nrmse=3e-3,method=caesar-v,effort=best"),
        golden("srn-sz", f32s(&[11, 40, 52], &stack), "abs=1e-2,method=srn-sz"),
        golden("srn-sz-plane", f32s(&[130, 150], &plane), "abs=1e-3,method=srn-sz"),
        golden("srn-sz-ocean", f32s(&[11, 40, 52], &ocean), "abs=5e-3,method=srn-sz"),
        golden("srn-sz-fast", f32s(&[11, 40, 52], &stack), "abs=1e-2,method=srn-sz,effort=fast"),
        golden("srn-sz-best", f32s(&[11, 40, 52], &stack), "abs=1e-2,method=srn-sz,effort=best"),
        golden("srn-sz-symbols", f32s(&[8, 128, 130], &field(8, 128, 130, 0.05)), "abs=2e-2,method=srn-sz"),
        golden("srn-sz-messages", f32s(&[11, 40, 52], &messages), "abs=1e-2,method=srn-sz"),
        golden("lossless", big(), "lossless"),
        golden("texts", (Layout::new(Element { kind: Kind::Opaque, size: 3, order: ByteOrder::Little }, [300]), texts), "abs=1"),
        golden("integers", (Layout::new(Element { kind: Kind::Unsigned, size: 2, order: ByteOrder::Little }, [40, 100]), counts), "abs=1"),
    ]
}

#[test]
fn golden_files_decode() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    fs::create_dir_all(&folder).unwrap();
    // As the environment says, and with the embedded engine alone.
    let codec = Codec::new(caesar_onnx::models());
    let settings = Settings { device: Device::Cpu, library: Library::None, model_path: Vec::new() };
    let engine = Codec::new(Arc::new(Store::new(settings)));
    let mut missing = Vec::new();
    for golden in goldens() {
        let path = folder.join(format!("v1-{}.caesar", golden.name));
        if !path.exists() {
            let stream = codec.encode(&golden.layout, &golden.bytes, &golden.spec.parse().unwrap()).unwrap();
            let decoded = codec.decode(&stream).unwrap();
            let sum = crc32c::crc32c(&decoded.bytes);
            fs::write(&path, &stream).unwrap();
            fs::write(path.with_extension("crc32c"), format!("{sum:08x}\n")).unwrap();
            missing.push(golden.name);
        }
        let stream = fs::read(&path).unwrap();
        let sum = fs::read_to_string(path.with_extension("crc32c")).unwrap();
        for codec in [codec.clone(), codec.clone().threads(2), engine.clone()] {
            let decoded = codec.decode(&stream).unwrap_or_else(|e| panic!("{}: {e}", golden.name));
            assert_eq!(decoded.layout, golden.layout, "{}", golden.name);
            assert_eq!(format!("{:08x}", crc32c::crc32c(&decoded.bytes)), sum.trim(), "{}", golden.name);
        }
        if let Some(learned) = ["caesar-v", "srn-sz"].into_iter().find(|method| golden.name.starts_with(method)) {
            let tiles = inspect(&stream).unwrap().tiles;
            let as_meant = tiles.iter().all(|tile| tile.method.name() == learned && tile.model.is_some());
            assert!(as_meant, "{} does not hold what it is for", golden.name);
        }
    }
    assert!(missing.is_empty(), "written for the first time, to be committed: {missing:?}");
}
