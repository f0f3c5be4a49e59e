//! Providers are trusted only as far as they reproduce the engine.

use crate::engine::Engine;
use crate::known::Known;
use crate::network::{Accelerated, Source};
use crate::onnxruntime::Provider;
use crate::profile;
use crate::testing::{random_codes, random_graph, runtime};
use caesar_codec::network::{Network, Tensor};
use caesar_kernels::Isa;
use std::sync::Arc;

fn encode<T: Copy>(tensors: &[Tensor<T>], bytes_of: impl Fn(T) -> Vec<u8>) -> Vec<u8> {
    let mut bytes = (tensors.len() as u32).to_le_bytes().to_vec();
    for tensor in tensors {
        bytes.extend((tensor.shape.len() as u32).to_le_bytes());
        bytes.extend(tensor.shape.iter().flat_map(|&d| (d as u32).to_le_bytes()));
        bytes.extend(tensor.data.iter().flat_map(|&v| bytes_of(v)));
    }
    bytes
}

/// A random graph with true known answers, or ones that are off by one in one place.
fn source(seed: u64, spoiled: bool) -> (Source, usize) {
    let (file, outputs, channels) = random_graph(seed, 3);
    let engine = Engine::new(profile::check(&file, &outputs).unwrap(), Isa::PORTABLE);
    let inputs = [random_codes(seed, &[1, channels, 9, 10])];
    let mut answers = engine.run(&inputs).unwrap();
    if spoiled {
        *answers[0].data.last_mut().unwrap() += 1;
    }
    let bytes = [encode(&inputs, |v| vec![v]), encode(&answers, |v: i32| v.to_le_bytes().to_vec())].concat();
    (Source { file: file.into(), outputs, known: Arc::new(Known::parse(&bytes).unwrap()) }, channels)
}

#[test]
fn a_model_that_does_not_give_its_known_answers_is_refused() {
    let (source, _) = source(4, true);
    assert!(source.engine().err().unwrap().to_string().contains("known answers"));
}

#[test]
fn a_provider_that_fails_the_known_answers_is_not_used() {
    let Some(runtime) = runtime() else { return };
    let (source, _) = source(4, true);
    let why = source.accelerator(runtime, Provider::Cpu).err().unwrap();
    assert!(why.contains("known answers"), "{why}");
}

#[test]
fn a_provider_that_is_not_there_is_an_error() {
    let Some(runtime) = runtime() else { return };
    if !runtime.cuda {
        let (source, _) = source(4, false);
        assert!(source.accelerator(runtime, Provider::Cuda).is_err());
    }
}

#[test]
fn a_provider_that_departs_from_the_engine_is_dropped_and_the_result_stays_right() {
    let Some(runtime) = runtime() else { return };
    let (honest, channels) = source(4, false);
    // Another network with the same ends: as if the provider computed something else.
    let (other, _) = (5..).map(|seed| source(seed, false)).find(|(_, c)| *c == channels).unwrap();
    let wrong = other.accelerator(runtime, Provider::Cpu).unwrap();
    let network = Accelerated::with(honest.engine().unwrap(), Some(wrong));
    let input = [random_codes(9, &[1, channels, 12, 12])];
    assert_eq!(network.provider(), Some(Provider::Cpu));
    assert_eq!(network.run(&input).unwrap(), honest.engine().unwrap().run(&input).unwrap());
    assert_eq!(network.provider(), None);
}

#[test]
fn concurrent_callers_get_the_same_as_one() {
    let Some(runtime) = runtime() else { return };
    let (source, channels) = source(6, false);
    let network = Accelerated::with(source.engine().unwrap(), Some(source.accelerator(runtime, Provider::Cpu).unwrap()));
    let input = [random_codes(2, &[2, channels, 16, 17])];
    let expected = source.engine().unwrap().run(&input).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..8).for_each(|_| assert_eq!(network.run(&input).unwrap(), expected)));
        }
    });
    assert_eq!(network.provider(), Some(Provider::Cpu));
}

#[test]
fn known_answers_cut_anywhere_are_errors() {
    let inputs = [random_codes(1, &[1, 2, 3, 4])];
    let outputs = [Tensor { shape: vec![2], data: vec![7, -8] }];
    let bytes = [encode(&inputs, |v| vec![v]), encode(&outputs, |v: i32| v.to_le_bytes().to_vec())].concat();
    assert!(Known::parse(&bytes).is_ok());
    (0..bytes.len()).for_each(|end| assert!(Known::parse(&bytes[..end]).is_err()));
    // Dimensions that multiply to more than there is, or to more than a usize.
    for dim in [u32::MAX, 1 << 20] {
        let mut forged = bytes.clone();
        forged[8..24].copy_from_slice(&[dim.to_le_bytes(); 4].concat());
        assert!(Known::parse(&forged).is_err());
    }
}
