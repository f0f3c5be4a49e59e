//! The learned methods with the models that are compiled in: bytes to bytes, on every engine that is here.

use caesar_codec::method::{caesar_v, srn_sz};
use caesar_codec::network::{Models, Tensor};
use caesar_codec::{Bound, Codec, Effort, Element, Layout, MethodChoice, Options, Patches, inspect};
use caesar_onnx::{Device, Library, Settings, Store};
use std::ops::Range;
use std::sync::Arc;

fn codec(library: Library) -> Codec {
    Codec::new(Arc::new(Store::new(Settings { device: Device::Cpu, library, model_path: Vec::new() })))
}

/// The library that `CAESAR_ORT_LIB` names; without it the engine is compared with itself.
fn onnx_runtime() -> Library {
    std::env::var_os("CAESAR_ORT_LIB")
        .filter(|path| path != "none")
        .map_or(Library::None, |path| Library::At(path.into()))
}

/// Vortices that drift and a little noise.
fn field(shape: &[usize]) -> (Layout, Vec<f32>) {
    let layout = Layout::new(Element::F32, shape);
    let &[.., rows, columns] = shape else { panic!("a plane at least") };
    let mut state = 1u32;
    let points = layout.len().unwrap();
    let value = |i: usize| {
        let (t, y, x) = (i / (rows * columns), i / columns % rows, i % columns);
        let (t, y, x) = (t as f32, y as f32, x as f32);
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        let noise = (state >> 16) as f32 / 65536.0 - 0.5;
        250.0 + 20.0 * ((x + t) / 17.0).sin() * ((y - 0.5 * t) / 23.0).cos() + (x * y / 900.0).sin() * 4.0 + noise * 0.2
    };
    (layout, (0..points).map(value).collect())
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn values(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

const LEARNED: [MethodChoice; 2] = [MethodChoice::CaesarV, MethodChoice::SrnSz];

#[test]
fn there_is_a_model_for_every_role() {
    let store = Store::new(Settings { device: Device::Cpu, library: Library::None, model_path: Vec::new() });
    for effort in [Effort::Balanced, Effort::Best] {
        for role in [caesar_v::role([8, 64, 64], effort), caesar_v::role([1, 64, 64], effort), srn_sz::role(effort)] {
            assert!(store.preferred(role).is_some(), "{role}");
        }
    }
}

#[test]
fn bounds_hold() {
    let codec = codec(Library::None);
    for shape in [&[8, 64, 64][..], &[11, 70, 99], &[2, 5, 40, 50], &[130, 77], &[1, 1], &[700]] {
        let (layout, field) = if shape.len() == 1 {
            let (_, field) = field(&[1, shape[0]]);
            (Layout::new(Element::F32, shape), field)
        } else {
            field(shape)
        };
        let (low, high) = field.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let range = f64::from(high - low);
        let patches = Patches::new(shape);
        let bounds = ["rel=1e-2", "rel=1e-4", "nrmse=1e-2", "nrmse=1e-3", "patch_nrmse=1e-2", "patch_nrmse=1e-4"];
        for (bound, method) in bounds.into_iter().flat_map(|bound| LEARNED.map(|method| (bound, method))) {
            let options = Options { method, ..bound.parse().unwrap() };
            let stream = codec.encode(&layout, &bytes(&field), &options).unwrap();
            let decoded = values(&codec.decode(&stream).unwrap().bytes);
            let errors = || field.iter().zip(&decoded).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
            let limit = options.bound.value() * range;
            if bound.starts_with("rel") {
                assert!(errors().all(|e| e <= limit), "{shape:?} {options}");
            } else if bound.starts_with("patch") {
                let mut sums = vec![(0.0, 0.0); patches.count()];
                errors().zip(patches.of_points()).for_each(|(e, patch)| sums[patch] = (sums[patch].0 + e * e, sums[patch].1 + 1.0));
                assert!(sums.into_iter().all(|(sum, points)| f64::sqrt(sum / points) <= limit), "{shape:?} {options}");
            } else {
                let square = errors().map(|e| e * e).sum::<f64>() / field.len() as f64;
                assert!(square.sqrt() <= limit, "{shape:?} {options}");
            }
        }
    }
}

/// Packed data under a mean target tighter than their steps: positions of steps are all there is to code.
#[test]
fn a_mean_target_finds_packed_data() {
    let codec = codec(Library::None);
    let (layout, field) = field(&[3, 96, 120]);
    let packed: Vec<f32> = field.iter().map(|v| (v * 20.0).round() / 20.0).collect();
    let size = |method| {
        let options = Options { method, ..Options::new(Bound::Nrmse(2e-5)) };
        codec.encode(&layout, &bytes(&packed), &options).unwrap().len()
    };
    let (auto, alone) = (size(MethodChoice::Auto), size(MethodChoice::Interpolation));
    assert!(auto <= alone + alone / 50, "{auto} bytes, {alone} by interpolation alone");
}

/// Of several lattices and methods the smallest is kept, whatever was tried last.
#[test]
fn under_a_mean_target_auto_is_never_larger_than_caesar_v() {
    let codec = codec(Library::None);
    let layout = Layout::new(Element::F32, [2, 90, 100]);
    let mut state = 7u32;
    let mut noise = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    for _ in 0..16 {
        let mut values: Vec<f32> = (0..18_000).map(|_| noise() + noise() + noise()).collect();
        // Twice smoothed.
        for i in (101..18_000).chain(101..18_000) {
            values[i] = 0.4 * values[i] + 0.45 * (values[i - 1] + values[i - 100]) - 0.2 * values[i - 101];
        }
        let size = |method| codec.encode(&layout, &bytes(&values), &Options { method, ..Options::new(Bound::Nrmse(1e-2)) }).unwrap().len();
        let (auto, alone) = (size(MethodChoice::Auto), size(MethodChoice::CaesarV));
        assert!(auto <= alone, "{auto} instead of {alone}");
    }
}

/// In noise there is nothing that mixed contexts could learn.
#[test]
fn best_effort_is_no_larger_in_noise() {
    let mut state = 7u32;
    let mut noise = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let values: Vec<f32> = (0..128 * 128).map(|_| (0..12).map(|_| noise()).sum()).collect();
    let layout = Layout::new(Element::F32, [128, 128]);
    let [best, balanced] = [Effort::Best, Effort::Balanced].map(|effort| {
        let options = Options { method: MethodChoice::SrnSz, effort, ..Options::new(Bound::Relative(1e-2)) };
        codec(Library::None).encode(&layout, &bytes(&values), &options).unwrap().len()
    });
    assert!(best <= balanced + balanced / 500, "{best} and {balanced} bytes");
}

#[test]
fn every_engine_and_number_of_threads_gives_the_same_bytes() {
    let (layout, field) = field(&[16, 140, 150]);
    let bounds = ["rel=1e-2", "rel=1e-3,effort=fast", "nrmse=5e-3,effort=best", "patch_nrmse=5e-3"];
    for (bound, method) in bounds.into_iter().flat_map(|bound| LEARNED.map(|method| (bound, method))) {
        let options = Options { method, ..bound.parse().unwrap() };
        let streams: Vec<Vec<u8>> = [Library::None, onnx_runtime()]
            .into_iter()
            .flat_map(|library| [1, 2].map(|threads| codec(library.clone()).threads(threads)))
            .map(|codec| codec.encode(&layout, &bytes(&field), &options).unwrap())
            .collect();
        assert!(streams.iter().all(|s| *s == streams[0]));
        let decoded: Vec<Vec<u8>> = [Library::None, onnx_runtime()]
            .into_iter()
            .flat_map(|library| [1, 2].map(|threads| codec(library.clone()).threads(threads)))
            .map(|codec| codec.decode(&streams[0]).unwrap().bytes)
            .collect();
        assert!(decoded.iter().all(|d| *d == decoded[0]));
        let inspection = inspect(&streams[0]).unwrap();
        assert!(inspection.tiles.iter().all(|t| t.method == method && t.model.is_some()));
    }
}

#[test]
fn without_its_model_a_stream_names_the_model() {
    let (layout, field) = field(&[8, 64, 64]);
    for method in LEARNED {
        let options = Options { method, ..Options::new(Bound::Relative(1e-2)) };
        let stream = codec(Library::None).encode(&layout, &bytes(&field), &options).unwrap();
        let model = inspect(&stream).unwrap().tiles[0].model.unwrap();
        let refused = Codec::classical().decode(&stream).unwrap_err().to_string();
        assert!(refused.contains(&model.to_string()) && refused.contains("CAESAR_MODEL_PATH"), "{refused}");
    }
}

#[test]
fn a_network_sees_no_further_than_it_says() {
    let models = Store::new(Settings { device: Device::Cpu, library: Library::None, model_path: Vec::new() });
    for (role, channels) in [("caesar-v/8", 48), ("caesar-v/1", 16), ("caesar-v-best/8", 48), ("caesar-v-best/1", 16)] {
        let network = models.preferred(role).unwrap().graph("decoder").unwrap();
        let (reach, rows, row, made) = (network.reach().unwrap(), 40, 19 * channels, 19 * 16);
        let data: Vec<u8> = (0..rows * row).map(|i| (i as u32).wrapping_mul(2654435761).to_be_bytes()[0]).collect();
        let of = |seen: Range<usize>, wanted: Range<usize>| {
            let shape = vec![1, seen.len(), 19, channels];
            let pixels = Tensor { shape, data: data[seen.start * row..seen.end * row].to_vec() };
            network.run_pixels(pixels, wanted.start - seen.start..wanted.end - seen.start).unwrap().data
        };
        let whole = of(0..rows, 0..rows);
        for wanted in [0..5usize, 3..9, 15..20, 35..40] {
            for more in [reach, reach + 2] {
                let seen = wanted.start.saturating_sub(more)..(wanted.end + more).min(rows);
                assert!(of(seen, wanted.clone()) == whole[wanted.start * made..wanted.end * made], "{role} {wanted:?}");
            }
        }
    }
}
