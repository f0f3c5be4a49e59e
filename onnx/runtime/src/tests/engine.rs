//! One graph, one result: with all instructions of the engine and on ONNX Runtime.

use crate::engine::Engine;
use crate::onnxruntime::{self, Provider};
use crate::profile::{self, OutputKind};
use crate::testing::{Builder, ConvSpec, Lcg, int, random_codes, random_graph, runtime};
use caesar_codec::Error;
use caesar_codec::network::{Network, Tensor, pixels_by_planes};
use caesar_kernels::Isa;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn all_instructions_and_onnx_runtime_agree(seed: u64, layers in 1..7usize, n in 1..3usize, h in 8..21usize, w in 8..40usize) {
        let (file, kinds, channels) = random_graph(seed, layers);
        let input = [random_codes(seed ^ 1, &[n, channels, h, w])];
        let run = |isa| Engine::new(profile::check(&file, &kinds).expect("random graphs keep to the profile"), isa).run(&input);
        let expected = run(Isa::PORTABLE);
        for isa in Isa::available() {
            prop_assert_eq!(&run(isa), &expected, "{}", isa);
        }
        if let (Some(runtime), Ok(expected)) = (runtime(), expected) {
            let mut session = onnxruntime::session(runtime, Provider::Cpu, &file).unwrap();
            prop_assert_eq!(onnxruntime::run(&mut session, &kinds, &input).unwrap(), expected);
        }
    }
}

proptest! {
    #[test]
    fn pixels_give_what_planes_give(seed: u64, layers in 1..7usize, n in 1..3usize, h in 8..24usize, w in 8..20usize, rows: [prop::sample::Index; 2]) {
        let (file, kinds, channels) = random_graph(seed, layers);
        let engine = Engine::new(profile::check(&file, &kinds).unwrap(), Isa::best());
        let pixels = random_codes(seed ^ 1, &[n, h, w, channels]);
        let [a, b] = rows.map(|row| row.index(h));
        for rows in [0..h, a.min(b)..a.max(b) + 1] {
            prop_assert_eq!(engine.run_pixels(pixels.clone(), rows.clone()).ok(), pixels_by_planes(&engine, &pixels, rows).ok());
        }
    }
}

/// Of a graph whose branches see less than all of its convolutions together.
#[test]
fn rows_of_branches_are_those_of_the_whole() {
    let (mut b, mut r) = (Builder::default(), Lcg(1));
    let codes = b.input(&[None, Some(4), None, None]);
    let x = b.dequantize(&codes, 5, 128);
    let branches = [3, 1, 3].map(|kernel| {
        let spec = ConvSpec { shape: [4, 4, kernel, kernel], weights: (0..16 * kernel * kernel).map(|_| r.below(60) as i8).collect(), pad: kernel / 2, ..r.conv(4, 5) };
        let y = b.conv(&x, &ConvSpec { bias: vec![7; 4], bits: vec![9; 4], ..spec });
        let y = b.quantize(&y, 2, 128);
        b.dequantize(&y, 2, 128)
    });
    let sum = b.node("Add", &[&branches[0], &branches[1]], vec![]);
    let sum = b.quantize(&sum, 2, 128);
    let sum = b.dequantize(&sum, 2, 128);
    let sum = b.node("Add", &[&branches[2], &sum], vec![]);
    let sum = b.quantize(&sum, 2, 128);
    b.output(&sum, true);
    let engine = Engine::new(profile::check(&b.file(), &[OutputKind::Codes]).unwrap(), Isa::best());
    assert_eq!(engine.reach(), Some(2));
    let pixels = random_codes(1, &[1, 20, 9, 4]);
    let whole = engine.run_pixels(pixels.clone(), 0..20).unwrap();
    for rows in [0..5, 1..4, 2..5, 5..9, 7..18, 8..19, 12..20] {
        assert_eq!(engine.run_pixels(pixels.clone(), rows.clone()), Ok(whole.clone().rows(rows.clone()).unwrap()), "{rows:?}");
    }
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let (file, kinds, channels) = random_graph(3, 4);
    let engine = Engine::new(profile::check(&file, &kinds).unwrap(), Isa::best());
    let tensor = |shape: &[usize], len: usize| Tensor { shape: shape.to_vec(), data: vec![0u8; len] };
    let fits = [1, channels, 9, 9];
    assert!(engine.run(&[tensor(&fits, channels * 81)]).is_ok());
    for inputs in [
        vec![],
        vec![tensor(&fits, channels * 81); 2],
        vec![tensor(&fits, channels * 81 - 1)],
        vec![tensor(&[1, channels + 1, 9, 9], (channels + 1) * 81)],
        vec![tensor(&[1, channels, 81], channels * 81)],
        vec![tensor(&[usize::MAX, channels, usize::MAX, 2], 0)],
        vec![tensor(&[0, channels, 9, 9], 0)],
        vec![tensor(&[1, channels, 0, 9], 0)],
        vec![tensor(&[1, channels, 9, 0], 0)],
        vec![tensor(&[0, channels, 1 << 31, 1 << 31], 0)],
    ] {
        assert!(engine.run(&inputs).is_err(), "{:?}", inputs.iter().map(|i| &i.shape).collect::<Vec<_>>());
    }
}

#[test]
fn a_graph_that_doubles_its_tensors_meets_a_limit() {
    let mut b = Builder::default();
    let mut codes = b.input(&[None, Some(1), None, None]);
    for _ in 0..40 {
        codes = b.node("Concat", &[&codes, &codes], vec![int("axis", 1)]);
    }
    b.output(&codes, true);
    let engine = Engine::new(profile::check(&b.file(), &[OutputKind::Codes]).unwrap(), Isa::best());
    assert!(matches!(engine.run(&[random_codes(1, &[1, 1, 64, 64])]), Err(Error::LimitsExceeded(_))));
}

/// Limits come before a finer unit, in which what lies beyond them would not fit 32 bits.
#[test]
fn sums_are_clipped_before_they_are_scaled() {
    let mut b = Builder::default();
    let codes = b.input(&[None, Some(1), None, None]);
    let x = b.dequantize(&codes, 0, 0);
    let spec = ConvSpec { shape: [1; 4], weights: vec![1], bias: vec![0], in_bits: 0, bits: vec![0], stride: 1, pad: 0 };
    let sum = b.conv(&x, &spec);
    let sum = b.clip(&sum, 0.0, 1.0);
    let codes = b.quantize(&sum, 24, 0);
    b.output(&codes, true);
    let engine = Engine::new(profile::check(&b.file(), &[OutputKind::Codes]).unwrap(), Isa::best());
    let codes = engine.run(&[Tensor { shape: vec![1, 1, 1, 4], data: vec![0, 1, 127, 128] }]).unwrap().remove(0);
    assert_eq!(codes.data, [0, 255, 255, 255]);
}
