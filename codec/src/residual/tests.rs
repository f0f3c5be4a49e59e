use super::*;
use proptest::prelude::*;

fn round_trip(tile: &Tile, prediction: &[i32], target: Target) -> (Vec<u8>, Vec<i32>) {
    let mut coder = Encoder::new();
    let decoded = encode(&mut coder, tile, prediction.to_vec(), target).unwrap();
    let bytes = coder.finish();
    let mut coder = Decoder::new(&bytes);
    assert!(decode(&mut coder, prediction.to_vec(), tile.shape, tile.mask).unwrap() == decoded);
    coder.finish().unwrap();
    (bytes, decoded)
}

/// A wave that the prediction misses by a wave of another length.
fn wave(shape: [usize; 3], amplitude: f64, length: f64) -> Vec<i32> {
    let points = shape.iter().product::<usize>();
    (0..points)
        .map(|i| (amplitude * ((i % shape[2]) as f64 / length + (i / shape[2]) as f64 / 7.0).sin()) as i32)
        .collect()
}

fn mean_square(tile: &Tile, decoded: &[i32]) -> f64 {
    super::mean_square(tile, decoded)
}

#[test]
fn a_good_prediction_costs_a_byte() {
    let values = wave([2, 9, 11], 1000.0, 3.0);
    let prediction: Vec<i32> = values.iter().map(|v| v + 100).collect();
    let tile = Tile { shape: [2, 9, 11], values: &values, mask: None, bin_bits: 8 };
    for target in [Target::Pointwise, Target::MeanSquare(10_000.0)] {
        let (bytes, decoded) = round_trip(&tile, &prediction, target);
        assert!(bytes.len() <= 1, "{bytes:?}");
        assert_eq!(decoded, prediction);
    }
}

#[test]
fn a_mean_square_target_is_met_and_not_by_far() {
    let shape = [3, 61, 83];
    let values = wave(shape, 40_000.0, 5.0);
    let prediction = wave(shape, 39_000.0, 5.01);
    let tile = Tile { shape, values: &values, mask: None, bin_bits: 8 };
    let mut last = usize::MAX;
    for limit in [1e2, 1e3, 1e4, 1e5] {
        let (bytes, decoded) = round_trip(&tile, &prediction, Target::MeanSquare(limit));
        let reached = mean_square(&tile, &decoded);
        assert!(reached <= limit && reached > 0.5 * limit, "{reached} for {limit}");
        assert!(bytes.len() < last, "{} bytes after {last}", bytes.len());
        last = bytes.len();
    }
}

/// A prediction that is good but for a spot.
fn spot(shape: [usize; 3]) -> (Vec<i32>, Vec<i32>) {
    let values = wave(shape, 40_000.0, 5.0);
    let missed = |i: usize| if i % shape[2] < 20 && i / shape[2] % shape[1] < 20 { 3000 } else { 90 };
    let prediction = values.iter().zip(wave(shape, 1.0e3, 0.7)).enumerate().map(|(i, (v, w))| v + w * missed(i) / 1000).collect();
    (values, prediction)
}

#[test]
fn every_patch_keeps_its_target_and_good_ones_cost_next_to_nothing() {
    let shape = [3, 61, 83];
    let (values, prediction) = spot(shape);
    let mask: Vec<bool> = (0..values.len()).map(|i| (i % 83 + i / 83 % 61) % 23 < 7).collect();
    for mask in [None, Some(&mask[..])] {
        let tile = Tile { shape, values: &values, mask, bin_bits: 8 };
        let target = Target::PatchMeanSquare(90.0 * 90.0);
        let (bytes, decoded) = round_trip(&tile, &prediction, target);
        assert!(Errors::new(&tile, target).kept(&decoded));
        // Nine patches of a frame, by half of their coefficients.
        assert!(bytes.len() < 27 * 64, "{} bytes", bytes.len());
        let changed = |i: usize| decoded[i] != prediction[i];
        assert!((0..values.len()).filter(|&i| changed(i)).all(|i| i % 83 < 24 && i / 83 % 61 < 24));
    }
}

#[test]
fn what_masked_points_hold_costs_nothing() {
    let shape = [3, 61, 83];
    let (values, prediction) = spot(shape);
    let mask: Vec<bool> = (0..values.len()).map(|i| (i % 83 + i / 83 % 61) % 23 < 12).collect();
    let wild: Vec<i32> = prediction.iter().zip(&mask).enumerate().map(|(i, (&p, &m))| if m { i as i32 % 1000 * 50 } else { p }).collect();
    let tile = Tile { shape, values: &values, mask: Some(&mask), bin_bits: 8 };
    let [some, other] = [&prediction, &wild].map(|prediction| round_trip(&tile, prediction, Target::PatchMeanSquare(8100.0)).0);
    assert_eq!(some, other);
}

#[test]
fn a_target_of_zero_is_exact() {
    let values = wave([1, 20, 20], 900.0, 2.0);
    let tile = Tile { shape: [1, 20, 20], values: &values, mask: None, bin_bits: 4 };
    for target in [Target::MeanSquare(0.0), Target::PatchMeanSquare(0.0)] {
        let (_, decoded) = round_trip(&tile, &[7; 400], target);
        assert_eq!(decoded, values);
    }
}

proptest! {
    #[test]
    fn any_residual_any_mask(
        shape in prop::array::uniform3(1usize..12),
        seed: u64,
        bin_bits in 0u32..9,
        spread in 0u32..28,
        masked in 0u64..3,
        limit in 0f64..1e7,
    ) {
        let points = shape.iter().product::<usize>();
        let random = |i: usize, salt: u64| (i as u64 ^ seed ^ salt << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(seed | 1);
        let value = |i: usize, salt: u64| (random(i, salt) >> 36) as i32 >> (28 - spread.max(1));
        let values: Vec<i32> = (0..points).map(|i| value(i, 1)).collect();
        let prediction: Vec<i32> = (0..points).map(|i| value(i, 2)).collect();
        let mask: Vec<bool> = (0..points).map(|i| random(i, 3) >> 60 < masked * 8).collect();
        let tile = Tile { shape, values: &values, mask: (masked > 0).then_some(&mask[..]), bin_bits };
        for target in [Target::Pointwise, Target::MeanSquare(limit)] {
            let (_, decoded) = round_trip(&tile, &prediction, target);
            prop_assert!(Errors::new(&tile, target).kept(&decoded), "{:?}", target);
        }
        // Of patches a few points may be left to be repaired, for which less is paid than for coding them all.
        let target = Target::PatchMeanSquare(limit);
        let (bytes, decoded) = round_trip(&tile, &prediction, target);
        let repairs = Errors::new(&tile, target).repairs(&decoded);
        prop_assert!(repairs <= bytes.len(), "{} beside {} bytes", repairs, bytes.len());
    }

    #[test]
    fn hostile_bytes_decode_or_fail(bytes: Vec<u8>, shape in prop::array::uniform3(1usize..20)) {
        let prediction = vec![i32::MAX; shape.iter().product()];
        let mut coder = Decoder::new(&bytes);
        if let Ok(decoded) = decode(&mut coder, prediction.clone(), shape, None) {
            prop_assert_eq!(decoded.len(), prediction.len());
        }
    }
}
