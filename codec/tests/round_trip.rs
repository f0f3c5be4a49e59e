//! What must be true of every array: the bound holds in the stored type, what is not a number comes back bit for bit, the
//! stream is never much larger than the data, and threads change nothing.

use caesar_codec::{Bound, ByteOrder, Codec, Effort, Element, Kind, Layout, MethodChoice, Options, Patches};
use proptest::prelude::*;

fn f32_bytes(values: &[f32], order: ByteOrder) -> Vec<u8> {
    values.iter().flat_map(|v| if order == ByteOrder::Big { v.to_be_bytes() } else { v.to_le_bytes() }).collect()
}

fn f64_bytes(values: &[f64], order: ByteOrder) -> Vec<u8> {
    values.iter().flat_map(|v| if order == ByteOrder::Big { v.to_be_bytes() } else { v.to_le_bytes() }).collect()
}

fn f64_values(bytes: &[u8], order: ByteOrder) -> Vec<f64> {
    let (chunks, _) = bytes.as_chunks::<8>();
    chunks.iter().map(|&b| if order == ByteOrder::Big { f64::from_be_bytes(b) } else { f64::from_le_bytes(b) }).collect()
}

fn f32_values(bytes: &[u8], order: ByteOrder) -> Vec<f64> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks.iter().map(|&b| (if order == ByteOrder::Big { f32::from_be_bytes(b) } else { f32::from_le_bytes(b) }).into()).collect()
}

/// Encodes, decodes and checks everything a user relies on; returns the stream.
fn check(layout: &Layout, bytes: &[u8], options: &Options) -> Vec<u8> {
    let codec = Codec::classical();
    let stream = codec.encode(layout, bytes, options).unwrap();
    assert!(stream.len() <= bytes.len() + bytes.len() / 100 + 96, "{} bytes for {}", stream.len(), bytes.len());
    let decoded = codec.clone().threads(2).decode(&stream).unwrap();
    assert_eq!(&decoded.layout, layout);
    assert_eq!(codec.threads(3).encode(layout, bytes, options).unwrap(), stream, "threads changed the stream");
    if options.bound == Bound::Lossless || layout.element.kind != Kind::Float {
        assert_eq!(decoded.bytes, bytes);
        return stream;
    }
    let read = if layout.element.size == 4 { f32_values } else { f64_values };
    let (x, y) = (read(bytes, layout.element.order), read(&decoded.bytes, layout.element.order));
    let ordinary = |v: &&f64| v.abs() < 1e35;
    let range = x.iter().filter(ordinary).fold(f64::NEG_INFINITY, |a, &b| a.max(b))
        - x.iter().filter(ordinary).fold(f64::INFINITY, |a, &b| a.min(b));
    let range = range.max(0.0);
    let patches = Patches::new(&layout.shape);
    let mut of_patches = vec![(0.0, 0.0); patches.count()];
    let mut square = 0.0;
    for (i, ((a, b), patch)) in x.iter().zip(&y).zip(patches.of_points()).enumerate() {
        if a.is_nan() || a.abs() >= 1e35 || (*a == 0.0 && a.is_sign_negative()) {
            assert_eq!(a.to_bits(), b.to_bits(), "a special value changed at {i}");
            continue;
        }
        square += (a - b) * (a - b) / x.len() as f64;
        let (sum, points) = of_patches[patch];
        of_patches[patch] = (sum + (a - b) * (a - b), points + 1.0);
        let bound = match options.bound {
            Bound::Absolute(bound) => bound,
            Bound::Relative(bound) => bound * range,
            Bound::PointwiseRelative(bound) => bound * a.abs(),
            _ => continue,
        };
        assert!((a - b).abs() <= bound, "{a} became {b} at {i}, bound {bound}");
    }
    let allowed = match options.bound {
        Bound::Nrmse(bound) | Bound::PatchNrmse(bound) => bound * range,
        Bound::Psnr(decibel) | Bound::PatchPsnr(decibel) => range * 10f64.powf(-decibel / 20.0),
        _ => return stream,
    };
    if let Bound::PatchNrmse(_) | Bound::PatchPsnr(_) = options.bound {
        for (patch, (sum, points)) in of_patches.into_iter().enumerate() {
            let rmse = (sum / f64::max(points, 1.0)).sqrt();
            assert!(rmse <= allowed, "patch {patch} of {:?}: {rmse} above {allowed}", layout.shape);
        }
        return stream;
    }
    assert!(square.sqrt() <= allowed * (1.0 + 1e-9), "root mean square {} above {allowed}", square.sqrt());
    stream
}

/// Waves, noise, plateaus, fills and oddities mixed at will.
fn values(len: usize) -> impl Strategy<Value = Vec<f64>> {
    let odd = prop::sample::select(vec![
        f64::NAN, f64::from_bits(0xfff8_0000_dead_0000), f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 9.969209968386869e36, 1e20, -1e30, 1e-40, -1e-310, 3e38, -3e38,
    ]);
    (prop::num::f64::NORMAL.prop_map(|s| s.abs().log2().clamp(-60.0, 60.0).exp2()), -1e3f64..1e3, 0f64..1.0, prop::collection::vec((0..len.max(1), odd), 0..6), any::<u64>(), 0u32..4).prop_map(
        move |(scale, offset, noise, odds, seed, packed)| {
            let mut state = seed | 1;
            let mut x: Vec<f64> = (0..len)
                .map(|i| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let random = (state >> 33) as f64 / (1u64 << 31) as f64 - 0.5;
                    let x = (i as f64 * 0.07).sin() + (i as f64 * 0.011).cos() * 3.0 + noise * random;
                    // Some data were packed as integers once, or hold few values.
                    scale * (offset + if packed == 0 { (x * 3.0).round() / 3.0 } else { x })
                })
                .collect();
            for (at, value) in odds {
                let run = (at % 7 + 1).min(len - at.min(len));
                x[at.min(len)..at.min(len) + run].fill(value);
            }
            x
        },
    )
}

fn bound() -> impl Strategy<Value = Bound> {
    (0u32..8, -9f64..1.0).prop_map(|(mode, exponent)| {
        Bound::from_mode(mode, if mode == 5 || mode == 7 { (1.0 - exponent) * 12.0 } else { 10f64.powf(exponent) }).unwrap()
    })
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..14, 0..5)
}

fn options() -> impl Strategy<Value = Options> {
    let method = prop::sample::select(vec![MethodChoice::Auto, MethodChoice::Interpolation, MethodChoice::CaesarV]);
    let effort = prop::sample::select(vec![Effort::Fast, Effort::Balanced, Effort::Best]);
    (bound(), method, effort).prop_map(|(bound, method, effort)| Options { bound, method, effort, fill: None })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_floats((shape, values) in shape().prop_flat_map(|s| { let n = s.iter().product(); (Just(s), values(n)) }), options in options(), double: bool, big: bool) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let (size, bytes) = if double {
            (8, f64_bytes(&values, order))
        } else {
            (4, f32_bytes(&values.iter().map(|&v| v as f32).collect::<Vec<_>>(), order))
        };
        check(&Layout::new(Element { kind: Kind::Float, size, order }, shape), &bytes, &options);
    }

    #[test]
    fn a_stream_tells_what_was_asked(bits in 0..f64::INFINITY.to_bits(), mode in 0u32..8, method in prop::sample::select(&[0u32, 1, 4, 5, 6][..]), effort in 0u32..3) {
        let bound = Bound::from_mode(mode, f64::from_bits(bits)).unwrap();
        let (method, effort) = (MethodChoice::from_number(method).unwrap(), Effort::from_number(effort).unwrap());
        let options = Options { bound, method, effort, fill: None };
        let stream = Codec::classical().encode(&Layout::new(Element::F32, [2]), &f32_bytes(&[1.0, 2.0], ByteOrder::Little), &options).unwrap();
        let told = caesar_codec::inspect(&stream).unwrap().options;
        prop_assert_eq!((told, told.to_string()), (options, options.to_string()));
    }

    /// Every bit pattern is a value somebody has.
    #[test]
    fn any_bits(words in prop::collection::vec(any::<u32>(), 0..300), options in options(), kind in 0usize..4, size in 1usize..9) {
        let kind = [Kind::Float, Kind::Signed, Kind::Unsigned, Kind::Opaque][kind];
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let bytes = &bytes[..bytes.len() / size * size];
        let layout = Layout::new(Element { kind, size, order: ByteOrder::Little }, [bytes.len() / size]);
        let stream = Codec::classical().encode(&layout, bytes, &options).unwrap();
        prop_assert!(stream.len() <= bytes.len() + bytes.len() / 100 + 512);
        let decoded = Codec::classical().decode(&stream).unwrap();
        prop_assert_eq!(decoded.bytes.len(), bytes.len());
        if kind != Kind::Float || options.bound == Bound::Lossless {
            prop_assert_eq!(&decoded.bytes[..], bytes);
        }
    }

    /// A box of a decoded array is the box decoded.
    #[test]
    fn any_box(shape in prop::collection::vec(1usize..30, 0..5), corner: [u8; 4], options in options()) {
        let n: usize = shape.iter().product();
        let values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.01).sin()).collect();
        let layout = Layout::new(Element::F32, shape.clone());
        let codec = Codec::classical();
        let stream = codec.encode(&layout, &f32_bytes(&values, ByteOrder::Little), &options).unwrap();
        let whole = codec.decode(&stream).unwrap().bytes;
        let start: Vec<usize> = shape.iter().zip(corner).map(|(&n, c)| usize::from(c) % n).collect();
        let count: Vec<usize> = shape.iter().zip(&start).zip(corner).map(|((&n, &s), c)| 1 + usize::from(c / 3) % (n - s)).collect();
        let part = codec.decode_region(&stream, &start, &count).unwrap();
        let mut expected = Vec::new();
        for i in 0..n {
            let mut rest = i;
            let inside = (0..shape.len()).rev().all(|d| {
                let at = rest % shape[d];
                rest /= shape[d];
                (start[d]..start[d] + count[d]).contains(&at)
            });
            if inside {
                expected.extend_from_slice(&whole[i * 4..i * 4 + 4]);
            }
        }
        prop_assert_eq!(part, expected);
    }
}

#[test]
fn degenerate_bounds_have_answers() {
    let wave: Vec<f32> = (0..900).map(|i| 280.0 + (i as f32 * 0.1).sin()).collect();
    let constant = vec![273.15f32; 900];
    let denormal: Vec<f32> = (0..900).map(|i| f32::from_bits(i % 50)).collect();
    let extreme: Vec<f32> = (0..900).map(|i| if i % 2 == 0 { f32::MAX } else { f32::MIN } / 4.0 * (i as f32 / 900.0)).collect();
    for values in [wave, constant, denormal, extreme] {
        for spec in ["rel=1e-3", "rel=0", "abs=0", "abs=1e-30", "abs=1e-45", "abs=1e30", "abs=1e300", "pw_rel=0", "pw_rel=1e-9", "pw_rel=5", "nrmse=0", "nrmse=10", "nrmse=1e-9", "psnr=0", "psnr=300", "psnr=1e6", "patch_nrmse=0", "patch_nrmse=10", "patch_nrmse=1e-9", "patch_psnr=0", "patch_psnr=300"] {
            check(&Layout::new(Element::F32, [30, 30]), &f32_bytes(&values, ByteOrder::Little), &spec.parse().unwrap());
        }
    }
    let huge: Vec<f64> = (0..900).map(|i| if i % 2 == 0 { f64::MAX } else { f64::MIN }).collect();
    for spec in ["rel=1e-3", "abs=1e300", "pw_rel=1e-3", "nrmse=1e-2", "patch_nrmse=1e-2"] {
        let layout = Layout::new(Element::F64, [900]);
        let stream = Codec::classical().encode(&layout, &f64_bytes(&huge, ByteOrder::Little), &spec.parse().unwrap()).unwrap();
        assert_eq!(Codec::classical().decode(&stream).unwrap().bytes, f64_bytes(&huge, ByteOrder::Little), "{spec}");
    }
}

/// Squares of such numbers are none.
#[test]
fn means_of_huge_and_tiny_values() {
    for scale in [1e-200, 1e160] {
        let values: Vec<f64> = (0..900).map(|i| (f64::from(i) * 0.1).sin() * scale).collect();
        for spec in ["nrmse=1e-2", "patch_nrmse=1e-2", "psnr=40"] {
            let layout = Layout::new(Element::F64, [30, 30]);
            let stream = Codec::classical().encode(&layout, &f64_bytes(&values, ByteOrder::Little), &spec.parse().unwrap()).unwrap();
            let decoded = f64_values(&Codec::classical().decode(&stream).unwrap().bytes, ByteOrder::Little);
            assert!(values.iter().zip(&decoded).all(|(a, b)| (a - b).abs() <= 0.2 * scale), "{spec}, {scale}");
        }
    }
}

#[test]
fn bounds_from_loose_to_tight() {
    let field: Vec<f32> = (0..64 * 96).map(|i| ((i % 96) as f32 * 0.1).sin() * 40.0 + (i / 96) as f32 * 0.3).collect();
    let bytes = f32_bytes(&field, ByteOrder::Little);
    let mut last = 0;
    for exponent in 1..=7 {
        let options = Options::new(Bound::Relative(10f64.powi(-exponent)));
        let len = check(&Layout::new(Element::F32, [64, 96]), &bytes, &options).len();
        assert!(len >= last, "a tighter bound is not smaller");
        last = len;
    }
    assert!(last < bytes.len());
}

#[test]
fn constants_come_back_as_they_were() {
    for bound in ["abs=1e-2", "pw_rel=1e-2", "nrmse=1e-2"] {
        for len in [1, 500] {
            let (layout, bytes) = (Layout::new(Element::F64, [len]), f64_bytes(&vec![0.1; len], ByteOrder::Little));
            let stream = Codec::classical().encode(&layout, &bytes, &format!("{bound},method=interpolation").parse().unwrap()).unwrap();
            let decoded = f64_values(&Codec::classical().decode(&stream).unwrap().bytes, ByteOrder::Little);
            assert!(decoded.iter().all(|v| (v - 0.1).abs() < 1e-16), "{bound}: {len} times {}", decoded[0]);
        }
    }
}

/// Doubles between doubles, at bounds that let a stream say them in short and at bounds that do not.
#[test]
fn ends_of_ranges_in_short_and_in_full() {
    for scale in [1.0, 1e-300, 1e300] {
        for low in [0.0, 0.1] {
            let values: Vec<f64> = (0..3000).map(|i| scale * (low + f64::from(i % 100) / 123.0)).collect();
            let layout = Layout::new(Element::F64, [30, 100]);
            let bytes = f64_bytes(&values, ByteOrder::Little);
            for bound in [1e-2, 1e-5, 1e-7] {
                let stream = check(&layout, &bytes, &Options { bound: Bound::Relative(bound), ..Options::default() });
                let decoded = f64_values(&Codec::classical().decode(&stream).unwrap().bytes, ByteOrder::Little);
                let beyond = decoded.iter().map(|&v| (scale * low - v).max(v - values[99])).fold(0.0, f64::max);
                assert!(beyond <= bound * (values[99] - values[0]) / 128.0, "{beyond:e} beyond the range at {bound:e}");
                assert!(low > 0.0 || decoded.iter().all(|&v| v >= 0.0));
            }
        }
    }
}

#[test]
fn arrays_of_several_tiles() {
    let shape = [40, 300, 310];
    let field: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|i| {
            let (t, y, x) = (i / 93000, i / 310 % 300, i % 310);
            if (y / 60 + x / 70) % 4 == 0 { f32::NAN } else { (x as f32 * 0.05 + t as f32 * 0.02).sin() + (y as f32 * 0.03).cos() }
        })
        .collect();
    let bytes = f32_bytes(&field, ByteOrder::Little);
    for spec in ["abs=1e-3", "nrmse=1e-3,effort=fast", "patch_nrmse=1e-3,effort=fast", "lossless,effort=fast", "pw_rel=1e-2,effort=fast"] {
        check(&Layout::new(Element::F32, shape), &bytes, &spec.parse().unwrap());
    }
}

/// Whole numbers above, their eighths below: one large tile would take all for eighths.
#[test]
fn best_effort_cuts_where_values_are_packed() {
    let (rows, columns) = (1300, 1300);
    let value = |i: usize| {
        let hash = (i as u32).wrapping_mul(2654435761) >> 16;
        if i / columns < 650 { (hash % 5) as f32 } else { (hash % 40) as f32 / 8.0 }
    };
    let bytes = f32_bytes(&(0..rows * columns).map(value).collect::<Vec<_>>(), ByteOrder::Little);
    let layout = Layout::new(Element::F32, [rows, columns]);
    let [best, balanced] = ["best", "balanced"].map(|effort| {
        let options = format!("abs=1e-2,effort={effort}").parse().unwrap();
        Codec::classical().threads(2).encode(&layout, &bytes, &options).unwrap().len()
    });
    assert!(best <= balanced, "{best} and {balanced} bytes");
}

#[test]
fn empty_arrays_and_wrong_lengths() {
    let codec = Codec::classical();
    let layout = Layout::new(Element::F32, [3, 0, 5]);
    for shape in [vec![3, 0, 5], vec![0, 4096, 16384], vec![1 << 40, 0], vec![0]] {
        let layout = Layout::new(Element::F32, shape);
        let stream = codec.encode(&layout, &[], &"abs=1".parse().unwrap()).unwrap();
        assert_eq!(codec.decode(&stream).unwrap().layout, layout);
        let nothing = vec![0; layout.shape.len()];
        assert_eq!(codec.decode_region(&stream, &nothing, &layout.shape).unwrap(), []);
    }
    assert!(codec.encode(&Layout::new(Element { size: 0, ..Element::F32 }, [3]), &[], &Options::default()).is_err());
    assert!(codec.encode(&Layout::new(Element::F32, [3]), &[0; 8], &Options::default()).is_err());
    assert!(codec.encode(&layout, &[], &"abs=1,method=ae-sz".parse().unwrap()).unwrap_err().to_string().contains("ae-sz"));
}

/// More kinds of NaN than there are classes leave none for zeros below zero and fills, which need one.
#[test]
fn many_kinds_of_nan() {
    let value = |i: u32| match i % 9 {
        0 => f32::from_bits(0x7fc0_0000 | i),
        1 => -0.0,
        2 => 0.0,
        3 if i > 300 => 1e20,
        _ => (i as f32 * 0.01).sin(),
    };
    let values: Vec<f32> = (0..900).map(value).collect();
    let bytes = f32_bytes(&values, ByteOrder::Little);
    let layout = Layout::new(Element::F32, [30, 30]);
    for spec in ["abs=1e-3", "pw_rel=1e-2", "nrmse=1e-3"] {
        check(&layout, &bytes, &spec.parse().unwrap());
        let decoded = Codec::classical().decode(&Codec::classical().encode(&layout, &bytes, &spec.parse().unwrap()).unwrap()).unwrap();
        for (i, (before, after)) in values.iter().zip(decoded.bytes.as_chunks().0).enumerate() {
            let exact = i % 9 < 3 && (i % 9 != 2 || spec.starts_with("pw_rel")) || *before == 1e20;
            assert!(!exact || before.to_bits() == u32::from_le_bytes(*after), "{before} at {i}, {spec}");
        }
    }
}

/// What HDF5 pads a chunk with is kept, and neither widens the range nor has a share in the mean.
#[test]
fn a_margin_is_no_part_of_the_field() {
    let shape = [3, 40, 50];
    for (inside, padding) in [([3, 33, 50], 0.0), ([1, 40, 50], 0.0), ([2, 40, 1], -1e4), ([1, 1, 1], 0.0), ([0, 0, 0], 7.0)] {
        let value = |i: usize| {
            let [t, y, x] = [i / 2000, i / 50 % 40, i % 50];
            let is_inside = t < inside[0] && y < inside[1] && x < inside[2];
            is_inside.then(|| 273.0 + (x as f32 * 0.3).sin() * (y as f32 * 0.2).cos() + t as f32)
        };
        let field: Vec<Option<f32>> = (0..6000).map(value).collect();
        let values: Vec<f32> = field.iter().map(|v| v.unwrap_or(padding)).collect();
        let range = field.iter().flatten().fold(f32::MIN, |a, &b| a.max(b)) - field.iter().flatten().fold(f32::MAX, |a, &b| a.min(b));
        for spec in ["rel=1e-2", "nrmse=1e-2", "psnr=40", "patch_nrmse=1e-2", "abs=1e-2", "lossless"] {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let layout = Layout::new(Element { order, ..Element::F32 }, shape);
                let stream = check(&layout, &f32_bytes(&values, order), &spec.parse().unwrap());
                let codec = Codec::classical();
                let decoded = f32_values(&codec.decode(&stream).unwrap().bytes, order);
                let errors: Vec<f64> = field.iter().zip(&decoded).filter_map(|(v, &d)| v.map(|v| f64::from(v) - d)).collect();
                assert!(field.iter().zip(&decoded).all(|(v, &d)| v.is_some() || d == f64::from(padding)), "{spec} {inside:?}");
                let of_range = if spec.starts_with("abs") { 1.0 } else { f64::from(range.max(0.0)) };
                let error = match spec {
                    "rel=1e-2" | "abs=1e-2" => errors.iter().fold(0.0, |a: f64, e| a.max(e.abs())),
                    _ => (errors.iter().map(|e| e * e).sum::<f64>() / errors.len().max(1) as f64).sqrt(),
                };
                assert!(error <= 1e-2 * of_range, "{error} of {of_range}, {spec} {inside:?}");
                let [start, count] = [[1, 20, 0], [2, 20, 9]];
                let part = f32_values(&codec.decode_region(&stream, &start, &count).unwrap(), order);
                let expected: Vec<f64> = (0..360).map(|i| decoded[(i / 180 + 1) * 2000 + (i / 9 % 20 + 20) * 50 + i % 9]).collect();
                assert_eq!(part, expected, "{spec} {inside:?}");
            }
        }
    }
}

/// Of an array of many tiles, cut in every direction.
#[test]
fn boxes_across_tiles() {
    let layout = Layout::new(Element { order: ByteOrder::Big, ..Element::F32 }, [2, 40, 200, 210]);
    let values: Vec<f32> = (0..layout.len().unwrap()).map(|i| i as f32).collect();
    let codec = Codec::classical();
    let stream = codec.encode(&layout, &f32_bytes(&values, ByteOrder::Big), &"lossless,effort=fast".parse().unwrap()).unwrap();
    assert!(caesar_codec::inspect(&stream).unwrap().tiles.len() > 4);
    for (start, count) in [([0; 4], [2, 40, 200, 210]), ([0, 13, 90, 95], [2, 20, 30, 40]), ([1, 39, 0, 209], [1, 1, 200, 1]), ([0, 0, 199, 0], [2, 40, 1, 210])] {
        let part = f32_values(&codec.decode_region(&stream, &start, &count).unwrap(), ByteOrder::Big);
        let mut expected = Vec::new();
        for n in start[0]..start[0] + count[0] {
            for t in start[1]..start[1] + count[1] {
                for y in start[2]..start[2] + count[2] {
                    expected.extend((start[3]..start[3] + count[3]).map(|x| (((n * 40 + t) * 200 + y) * 210 + x) as f64));
                }
            }
        }
        assert!(part == expected, "{count:?} at {start:?}");
    }
}

#[test]
fn memory_of_another_size_is_refused() {
    let layout = Layout::new(Element::F32, [6, 7]);
    let bytes = f32_bytes(&(0..42).map(|i| i as f32).collect::<Vec<_>>(), ByteOrder::Little);
    let codec = Codec::classical();
    let stream = codec.encode(&layout, &bytes, &Options::default()).unwrap();
    // What lies in the memory before does not matter.
    let (found, exact) = codec.decode_into(&stream, |len| Ok(vec![0xaa; len])).unwrap();
    assert_eq!((found, exact), (layout, codec.decode(&stream).unwrap().bytes));
    for wrong in [0, 167, 169] {
        assert!(codec.decode_into(&stream, |_| Ok(vec![0; wrong])).is_err(), "{wrong} bytes");
    }
}
