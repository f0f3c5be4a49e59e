//! The checker: what it refuses and why, and that no bytes make it panic.

use crate::engine::Engine;
use crate::profile::{self, OutputKind};
use crate::proto::{Model, data_type};
use crate::testing::{Builder, ConvSpec, int, ints, random_codes, random_graph};
use caesar_codec::network::Network;
use caesar_kernels::Isa;
use proptest::prelude::*;
use prost::Message;

fn spec() -> ConvSpec {
    ConvSpec { shape: [2, 3, 3, 3], weights: vec![1; 54], bias: vec![5, -5], in_bits: 6, bits: vec![7, 8], stride: 1, pad: 1 }
}

/// One convolution between quantisations, changed by `change`; the reason why it is refused.
fn refused(change: impl FnOnce(&mut ConvSpec, &mut [i32; 2], &mut [u8; 2]), edit: impl FnOnce(&mut Builder)) -> String {
    let (mut spec, mut bits, mut zeros) = (spec(), [6, 3], [128, 0]);
    change(&mut spec, &mut bits, &mut zeros);
    let mut b = Builder::default();
    let input = b.input(&[None, Some(3), None, None]);
    let x = b.dequantize(&input, bits[0], zeros[0]);
    let sum = b.conv(&x, &spec);
    let codes = b.quantize(&sum, bits[1], zeros[1]);
    b.output(&codes, true);
    edit(&mut b);
    match profile::check(&b.file(), &[OutputKind::Codes]) {
        Err(why) => why,
        Ok(_) => "nothing".into(),
    }
}

fn node<'a>(b: &'a mut Builder, op: &str) -> &'a mut crate::proto::Node {
    b.graph.node.iter_mut().find(|n| n.op_type == op).expect("the graph has one")
}

#[test]
fn a_graph_of_the_profile_is_accepted() {
    assert_eq!(refused(|_, _, _| (), |_| ()), "nothing");
}

#[test]
fn each_rule_has_its_reason() {
    let cases = [
        (refused(|s, _, _| s.weights[3] = -65, |_| ()), "[-64, 63]"),
        (refused(|s, _, _| s.weights[3] = 64, |_| ()), "[-64, 63]"),
        (refused(|s, _, _| s.bias[0] = 1 << 24, |_| ()), "2^24"),
        (refused(|s, _, _| s.bits = vec![7, 33], |_| ()), "power of two"),
        (refused(|s, _, _| s.bits = vec![-8, 24], |_| ()), "too far apart"),
        (refused(|_, bits, _| bits[0] = 7, |_| ()), "scale of the bias"),
        (refused(|_, bits, _| bits[1] = -30, |_| ()), "too far"),
        (refused(|_, _, zeros| zeros[0] = 127, |_| ()), "zero point"),
        (refused(|_, _, zeros| zeros[1] = 1, |_| ()), "zero point"),
        (refused(|s, _, _| s.pad = 3, |_| ()), "beyond the kernel"),
        (refused(|s, _, _| s.stride = 3, |_| ()), "strides"),
        (refused(|_, _, _| (), |b| node(b, "Conv").attribute.push(int("group", 3))), "groups"),
        (refused(|_, _, _| (), |b| node(b, "Conv").attribute.push(ints("dilations", &[2, 2]))), "dilations"),
        (refused(|_, _, _| (), |b| node(b, "Conv").attribute.push(int("fast", 1))), "attribute fast"),
        (refused(|_, _, _| (), |b| node(b, "Conv").op_type = "ConvTranspose".into()), "outside the profile"),
        (refused(|_, _, _| (), |b| node(b, "Conv").domain = "com.microsoft".into()), "domain"),
        (refused(|_, _, _| (), |b| b.graph.initializer[0].raw_data = 0.3f32.to_le_bytes().to_vec().into()), "power of two"),
        (refused(|_, _, _| (), |b| b.graph.initializer[0].data_location = 1), "another file"),
        (refused(|_, _, _| (), |b| b.graph.initializer[0].float_data = vec![1.0 / 64.0]), "two ways"),
        (refused(|_, _, _| (), |b| b.graph.initializer[0].dims = vec![i64::MAX, i64::MAX]), "impossible dimensions"),
        (refused(|_, _, _| (), |b| b.graph.initializer[0].dims = vec![1 << 40]), "announces"),
        (
            refused(|_, _, _| (), |b| {
                let bias = b.floats(&[0.0; 3], &[3]);
                node(b, "Conv").input[2] = bias;
            }),
            "3 biases",
        ),
        (refused(|_, _, _| (), |b| b.graph.node.swap(0, 1)), "nothing"),
        (refused(|_, _, _| (), |b| b.graph.node.reverse()), "before it is defined"),
        (refused(|_, _, _| (), |b| b.graph.output.clear()), "0 outputs"),
        (refused(|_, _, _| (), |b| b.graph.input.push(b.graph.input[0].clone())), "defined twice"),
        (
            refused(|_, _, _| (), |b| {
                let tensor = b.graph.input[0].r#type.as_mut().and_then(|t| t.tensor_type.as_mut());
                tensor.expect("inputs are tensors").elem_type = data_type::FLOAT;
            }),
            "u8 is the only one",
        ),
    ];
    for (i, (found, expected)) in cases.iter().enumerate() {
        assert!(found.contains(expected), "case {i}: {found:?} instead of {expected:?}");
    }
}

#[test]
fn runtimes_would_merge_requantised_codes() {
    let mut b = Builder::default();
    let input = b.input(&[None, Some(3), None, None]);
    let x = b.dequantize(&input, 6, 128);
    let codes = b.quantize(&x, 5, 128);
    b.output(&codes, true);
    assert!(profile::check(&b.file(), &[OutputKind::Codes]).unwrap_err().contains("requantises"));
}

/// Whatever the sums that it is a limit of.
#[test]
fn what_a_lower_limit_gives_is_within_bounds() {
    for (low, reason) in [(1024.0, "24 bits"), (65536.0, "30 bits")] {
        let mut b = Builder::default();
        let input = b.input(&[None, Some(3), None, None]);
        let x = b.dequantize(&input, 6, 128);
        let sum = b.conv(&x, &spec());
        let high = b.clip(&sum, low, 1e9);
        let twice = b.node("Add", &[&high, &high], vec![]);
        b.output(&twice, false);
        let why = profile::check(&b.file(), &[OutputKind::Integer { scale_bits: 14 }]).unwrap_err();
        assert!(why.contains(reason), "{why}");
    }
}

#[test]
fn a_convolution_reads_codes() {
    let mut b = Builder::default();
    let input = b.input(&[None, Some(3), None, None]);
    let x = b.dequantize(&input, 6, 128);
    let first = b.conv(&x, &ConvSpec { shape: [3, 3, 3, 3], weights: vec![1; 81], bias: vec![0; 3], bits: vec![7; 3], ..spec() });
    let second = b.conv(&first, &spec());
    b.output(&second, false);
    let why = profile::check(&b.file(), &[OutputKind::Integer { scale_bits: 20 }]).unwrap_err();
    assert!(why.contains("quantise it first"), "{why}");
}

#[test]
fn outputs_must_be_what_the_manifest_says() {
    let (file, kinds, _) = random_graph(5, 3);
    let [OutputKind::Integer { scale_bits }, codes] = kinds[..] else { panic!("{kinds:?}") };
    let why = |kinds: &[OutputKind]| profile::check(&file, kinds).err().unwrap_or_default();
    assert_eq!(why(&kinds), "");
    assert!(why(&[OutputKind::Integer { scale_bits: scale_bits - 1 }, codes]).contains("does not fit"));
    assert!(why(&[OutputKind::Integer { scale_bits: i32::MAX }, codes]).contains("does not fit"));
    assert!(why(&[OutputKind::Integer { scale_bits: i32::MIN }, codes]).contains("does not fit"));
    assert!(why(&[codes, codes]).contains("a float"));
    assert!(why(&[kinds[0], kinds[0]]).contains("u8"));
    assert!(why(&kinds[..1]).contains("2 outputs"));
}

#[test]
fn a_file_cut_anywhere_is_refused_or_still_a_graph() {
    let (file, kinds, channels) = random_graph(11, 3);
    for end in 0..file.len() {
        // Protobuf puts fields in any order: a cut between two may leave a smaller graph, which then must also run.
        run_if_accepted(&file[..end], &kinds, channels);
    }
    assert!(profile::check(&file[..file.len() / 2], &kinds).is_err());
}

fn run_if_accepted(file: &[u8], kinds: &[OutputKind], channels: usize) {
    if let Ok(graph) = profile::check(file, kinds) {
        // Whatever the checker accepts, the engine computes or refuses for its shapes; debug arithmetic would panic.
        let _ = Engine::new(graph, Isa::PORTABLE).run(&[random_codes(1, &[1, channels, 8, 8])]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_never_panic(seed in 0..20u64, flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u32), 1..4)) {
        let (mut file, kinds, channels) = random_graph(seed, 3);
        for (at, bit) in flips {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        run_if_accepted(&file, &kinds, channels);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = profile::check(&bytes, &[OutputKind::Codes]);
    }

    /// Numbers of the graph replaced, with the file still a valid protobuf.
    #[test]
    fn forged_numbers_never_panic(
        seed in 0..20u64,
        at in any::<prop::sample::Index>(),
        value in prop_oneof![any::<i64>(), -3..20i64],
    ) {
        let (file, kinds, channels) = random_graph(seed, 4);
        let mut model = Model::decode(&file[..]).unwrap();
        let graph = model.graph.as_mut().unwrap();
        let attributes = graph.node.iter_mut().flat_map(|n| &mut n.attribute);
        let ints = attributes.flat_map(|a| std::iter::once(&mut a.i).chain(&mut a.ints));
        let dims = graph.initializer.iter_mut().flat_map(|t| &mut t.dims);
        let mut numbers: Vec<&mut i64> = ints.chain(dims).collect();
        let at = at.index(numbers.len());
        *numbers[at] = value;
        run_if_accepted(&model.encode_to_vec(), &kinds, channels);
    }
}
