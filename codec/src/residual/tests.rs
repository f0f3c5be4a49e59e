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
    let errors = Errors { tile };
    errors.square(decoded) as f64 / tile.values.len() as f64
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

#[test]
fn a_target_of_zero_is_exact() {
    let values = wave([1, 20, 20], 900.0, 2.0);
    let tile = Tile { shape: [1, 20, 20], values: &values, mask: None, bin_bits: 4 };
    let (_, decoded) = round_trip(&tile, &[7; 400], Target::MeanSquare(0.0));
    assert_eq!(decoded, values);
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
        let errors = Errors { tile: &tile };
        let (_, decoded) = round_trip(&tile, &prediction, Target::Pointwise);
        prop_assert!(errors.largest(&decoded) <= 1 << bin_bits >> 1);
        let (_, decoded) = round_trip(&tile, &prediction, Target::MeanSquare(limit));
        prop_assert!(errors.square(&decoded) <= errors.total(limit));
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
