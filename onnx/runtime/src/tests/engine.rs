//! One graph, one result: on every path of the engine and on ONNX Runtime.

use crate::engine::{Engine, Failure, Path};
use crate::onnxruntime::{self, Provider};
use crate::profile::{self, OutputKind};
use crate::testing::{Builder, int, random_codes, random_graph, runtime};
use caesar_codec::network::{Tensor, pixels_by_planes};
use proptest::prelude::*;

#[test]
fn the_portable_path_is_always_there_and_comes_last() {
    assert_eq!(Path::available().last(), Some(&Path::Portable));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_path_and_onnx_runtime_agree(seed: u64, layers in 1..7usize, n in 1..3usize, h in 8..21usize, w in 8..40usize) {
        let (file, kinds, channels) = random_graph(seed, layers);
        let input = [random_codes(seed ^ 1, &[n, channels, h, w])];
        let run = |path| Engine::new(profile::check(&file, &kinds).expect("random graphs keep to the profile"), path).run(&input);
        let expected = run(Path::Portable);
        for path in Path::available() {
            prop_assert_eq!(&run(path), &expected, "{:?}", path);
        }
        if let (Some(runtime), Ok(expected)) = (runtime(), expected) {
            let mut session = onnxruntime::session(runtime, Provider::Cpu, &file).unwrap();
            prop_assert_eq!(onnxruntime::run(&mut session, &kinds, &input).unwrap(), expected);
        }
    }
}

proptest! {
    #[test]
    fn pixels_give_what_planes_give(seed: u64, layers in 1..7usize, n in 1..3usize, h in 8..12usize, w in 8..20usize) {
        let (file, kinds, channels) = random_graph(seed, layers);
        let engine = Engine::new(profile::check(&file, &kinds).unwrap(), Path::best());
        let pixels = random_codes(seed ^ 1, &[n, h, w, channels]);
        prop_assert_eq!(engine.run_pixels(&pixels).ok(), pixels_by_planes(&engine, &pixels).ok());
    }
}

#[test]
fn inputs_that_do_not_fit_are_errors() {
    let (file, kinds, channels) = random_graph(3, 4);
    let engine = Engine::new(profile::check(&file, &kinds).unwrap(), Path::best());
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
    let engine = Engine::new(profile::check(&b.file(), &[OutputKind::Codes]).unwrap(), Path::best());
    assert!(matches!(engine.run(&[random_codes(1, &[1, 1, 64, 64])]), Err(Failure::Limit(_))));
}
