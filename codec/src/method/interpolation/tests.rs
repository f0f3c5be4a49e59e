//! What must be true of the method for whoever uses it.

use super::{decode, encode};
use crate::lattice::Tile;
use crate::method::closed_loop::testing::{assert_kept, cases, shapes, values};
use crate::options::Effort;
use proptest::prelude::*;

fn check(tile: &Tile, effort: Effort) -> usize {
    let coded = encode(tile, effort);
    assert_kept(tile, &coded, &decode(&coded.bytes, tile.shape, tile.mask, tile.bin_bits).unwrap());
    coded.bytes.len()
}

proptest! {
    #[test]
    fn within_half_a_bin(case in cases()) {
        check(&case.tile(), case.effort);
    }

    #[test]
    fn any_bytes_decode_to_something_or_an_error(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        shape in shapes(),
        masked: bool,
        bin_bits in 0u32..=31,
    ) {
        let points = shape.iter().product::<usize>();
        let mask: Vec<bool> = (0..points).map(|i| i % 3 == 0).collect();
        for first in [0, 0x40, 0x80, 0xff] {
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            if let Ok(values) = decode(&bytes, shape, masked.then_some(&mask[..]), bin_bits) {
                prop_assert_eq!(values.len(), points);
            }
        }
    }
}

#[test]
fn a_stream_cut_short_is_an_error() {
    let shape = [3, 20, 30];
    let field: Vec<i32> = (0..1800).map(|i| values(1, 7, i)).collect();
    let coded = encode(&Tile { shape, values: &field, mask: None, bin_bits: 4 }, Effort::Balanced);
    assert!(decode(&coded.bytes[..coded.bytes.len() / 2], shape, None, 4).is_err());
}

/// A wave in space and time with land where the wave is not.
fn ocean(shape: [usize; 3], land: i32) -> (Vec<i32>, Vec<bool>) {
    let [_, rows, columns] = shape;
    let at = |i: usize| [i / (rows * columns), i / columns % rows, i % columns].map(|x| x as f64);
    let points = 0..shape.iter().product::<usize>();
    let is_land = |[_, y, x]: [f64; 3]| y + 12.0 * (x / 15.0).sin() > rows as f64 * 0.6;
    let mask: Vec<bool> = points.clone().map(|i| is_land(at(i))).collect();
    let wave = |[t, y, x]: [f64; 3]| 60_000.0 * ((x + t) / 17.0).sin() * (y / 23.0).cos() + 900.0 * (x * y + t).sin();
    let value = |i: usize| if mask[i] { land } else { wave(at(i)) as i32 };
    (points.map(value).collect(), mask)
}

#[test]
fn land_costs_nothing() {
    let shape = [6, 120, 130];
    let (field, mask) = ocean(shape, 0);
    let all_ocean: Vec<i32> = ocean([6, 120, 130], 0).0;
    let masked = check(&Tile { shape, values: &field, mask: Some(&mask), bin_bits: 8 }, Effort::Balanced);
    let share = mask.iter().filter(|m| !**m).count() as f64 / mask.len() as f64;
    // The part without land, alone.
    let rows = 60;
    let part: Vec<i32> = all_ocean.chunks(120 * 130).flat_map(|frame| frame[..rows * 130].to_vec()).collect();
    let alone = check(&Tile { shape: [6, rows, 130], values: &part, mask: None, bin_bits: 8 }, Effort::Balanced) as f64 * share * 120.0 / rows as f64;
    assert!((masked as f64) < alone * 1.1, "{masked} bytes with land, {alone} of ocean");
}

#[test]
fn what_land_holds_does_not_matter() {
    let shape = [4, 50, 60];
    let sizes = [0, -1_000_000].map(|land| {
        let (field, mask) = ocean(shape, land);
        check(&Tile { shape, values: &field, mask: Some(&mask), bin_bits: 8 }, Effort::Balanced)
    });
    assert_eq!(sizes[0], sizes[1]);
}

#[test]
fn nothing_to_say_costs_next_to_nothing() {
    for shape in [[8, 64, 64], [1, 1, 30_000], [30_000, 1, 1]] {
        let points = shape.iter().product();
        assert!(check(&Tile { shape, values: &vec![12345; points], mask: None, bin_bits: 8 }, Effort::Balanced) < 120);
        assert!(check(&Tile { shape, values: &vec![0; points], mask: Some(&vec![true; points]), bin_bits: 8 }, Effort::Balanced) < 120);
    }
}

#[test]
fn packed_values_are_not_paid_for_twice() {
    let shape = [1, 150, 200];
    let smooth = |i: usize| ((i % 200) as f64 / 30.0).sin() * ((i / 200) as f64 / 40.0).cos() * 100.0;
    let coarse: Vec<i32> = (0..30_000).map(|i| smooth(i).round() as i32).collect();
    let packed: Vec<i32> = coarse.iter().map(|v| v * 40_000).collect();
    let exact = check(&Tile { shape, values: &coarse, mask: None, bin_bits: 0 }, Effort::Balanced);
    let fine = check(&Tile { shape, values: &packed, mask: None, bin_bits: 8 }, Effort::Balanced);
    assert!(fine as f64 <= exact as f64 * 1.1 + 300.0, "{fine} bytes, {exact} for the integers themselves");
}

/// As messages of GRIB are: each frame in steps from an origin of its own.
#[test]
fn frames_packed_one_by_one_cost_what_their_steps_do() {
    let [frames, points] = [6, 40 * 50];
    let steps = |i: usize| 100 + (i % 50 + i / points) as i32 + values(1, 3, i).rem_euclid(4);
    let packed: Vec<i32> = (0..frames * points).map(|i| (i / points * 311 % 877) as i32 + 877 * steps(i)).collect();
    let bytes = check(&Tile { shape: [frames, 40, 50], values: &packed, mask: None, bin_bits: 6 }, Effort::Balanced);
    // Two bits of noise; in bins of 64 they would be almost six.
    assert!(bytes * 8 < packed.len() * 3, "{bytes} bytes");
}
