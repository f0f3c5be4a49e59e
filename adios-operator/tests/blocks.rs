//! Blocks of any type, shape and content, and damaged ones.

use caesar_codec::Options;
use caesar_operator::block::Array;
use proptest::prelude::*;

/// An array of any type and its bytes: smooth values, or any bits at all.
fn arrays() -> impl Strategy<Value = (Array, Vec<u8>)> {
    (0..12usize, prop::collection::vec(0..7usize, 0..5), any::<bool>(), any::<u64>()).prop_map(|(number, shape, smooth, seed)| {
        let array = Array::new(number, &shape).unwrap();
        let mut state = seed;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        let size = if number % 2 == 0 { 4 } else { 8 };
        let value = |i: usize| (i as f64 * 0.1).sin();
        let bytes = match (smooth && number < 4, size) {
            (true, 4) => (0..array.bytes() / 4).flat_map(|i| (value(i) as f32).to_ne_bytes()).collect(),
            (true, _) => (0..array.bytes() / 8).flat_map(|i| value(i).to_ne_bytes()).collect(),
            _ => (0..array.bytes()).map(|_| random()).collect(),
        };
        (array, bytes)
    })
}

fn options(text: &str) -> Options {
    text.parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn lossless_is_bit_for_bit((array, bytes) in arrays()) {
        let block = array.encode(&bytes, &options("lossless")).unwrap();
        prop_assert!(block.len() <= array.bound());
        prop_assert_eq!(&Array::of(&block).unwrap(), &array);
        prop_assert_eq!(array.decode(&block).unwrap(), bytes);
    }

    #[test]
    fn no_bound_makes_a_block_larger_than_announced((array, bytes) in arrays(), text in "(abs|rel|pw_rel|nrmse|patch_nrmse)=1e-[0-9]") {
        let block = array.encode(&bytes, &options(&text)).unwrap();
        prop_assert!(block.len() <= array.bound());
        prop_assert_eq!(Array::of(&block).unwrap().decode(&block).unwrap().len(), bytes.len());
    }

    /// Every part of a complex number keeps the bound, whatever the parts before and after it.
    #[test]
    fn pairs_keep_the_bound(pairs in prop::collection::vec(-1e3..1e3f64, 0..200)) {
        let pairs = &pairs[..pairs.len() / 2 * 2];
        let bytes: Vec<u8> = pairs.iter().flat_map(|v| v.to_ne_bytes()).collect();
        let array = Array::new(3, &[pairs.len() / 2]).unwrap();
        let copy = array.decode(&array.encode(&bytes, &options("abs=0.5")).unwrap()).unwrap();
        for (value, near) in pairs.iter().zip(copy.chunks_exact(8)) {
            prop_assert!((value - f64::from_ne_bytes(near.try_into().unwrap())).abs() <= 0.5);
        }
    }

    #[test]
    fn damage_is_noticed((array, bytes) in arrays(), place in any::<prop::sample::Index>(), bit in 0..8u32, cut in any::<bool>()) {
        let mut block = array.encode(&bytes, &options("abs=1e-2")).unwrap();
        let place = place.index(block.len());
        if cut { block.truncate(place) } else { block[place] ^= 1 << bit }
        prop_assert!(Array::of(&block).and_then(|array| array.decode(&block)).is_err());
    }

    #[test]
    fn any_bytes_are_an_error_at_worst(bytes in prop::collection::vec(any::<u8>(), 0..300), start in prop::sample::select(vec!["", "CAE\u{1}", "PAIR", "PAIRCAE\u{1}"])) {
        prop_assert!(Array::of(&[start.as_bytes(), &bytes].concat()).is_err());
    }
}
