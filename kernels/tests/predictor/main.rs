//! The predictor against the method's formulas, one target at a time, and every instruction set against the portable code.

mod formulas;
mod random;

use caesar_kernels::{Dense, Isa, OUTPUTS, Predictor};
use proptest::prelude::*;
use random::{Contents, Network, Surroundings};

fn cases() -> impl Strategy<Value = (Network, Surroundings)> {
    let size = || (1..=8usize).prop_map(|n| 16 * n);
    let contents = prop_oneof![Just(Contents::Smooth), Just(Contents::Any), Just(Contents::Extreme), Just(Contents::Zero)];
    let row = (0..3usize, any::<bool>(), 1..=200usize, 0..=20u32, 0..20usize, contents);
    (any::<u64>(), size(), size(), row).prop_map(|(seed, first, second, (references, below, targets, bits, level, contents))| {
        let random = &mut random::Random(seed);
        let network = Network::new(random, references > 0, [first, second]);
        (network, Surroundings::new(random, references, if below { 28 } else { 24 }, targets, bits, level, contents))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_instruction_set_computes_the_formulas((network, surroundings) in cases()) {
        let predictor = network.predictor().unwrap();
        let expected = formulas::predict(&network, &surroundings);
        let n = surroundings.prediction.len();
        surroundings.with_row(|row| {
            for isa in Isa::available() {
                let mut classes = vec![255; n];
                let mut prediction = surroundings.prediction.clone();
                predictor.predict_row(isa, row, &mut prediction, &mut classes);
                prop_assert_eq!(&prediction, &expected.prediction, "prediction, {}", isa);
                prop_assert_eq!(&classes, &expected.classes, "classes, {}", isa);

                // In parts, with the dense layers computed elsewhere.
                let mut inputs = vec![255; predictor.inputs() * n];
                predictor.inputs_row(isa, row, &surroundings.prediction, &mut inputs);
                prop_assert_eq!(&inputs, &expected.inputs, "inputs, {}", isa);
                let (mut prediction, mut classes) = (surroundings.prediction.clone(), vec![255; n]);
                predictor.finish_row(isa, row, &expected.sums, &mut prediction, &mut classes);
                prop_assert_eq!(&prediction, &expected.prediction, "finished prediction, {}", isa);
                prop_assert_eq!(&classes, &expected.classes, "finished classes, {}", isa);
            }
            Ok(())
        })?;
    }

    /// Sums may come from anywhere: no contents disturb the last step, and all sets agree.
    #[test]
    fn any_sums_are_finished_alike((network, surroundings) in cases(), seed in any::<u64>()) {
        let predictor = network.predictor().unwrap();
        let n = surroundings.prediction.len();
        let random = &mut random::Random(seed);
        let sums: Vec<i32> = (0..OUTPUTS * n).map(|_| random.extreme()).collect();
        surroundings.with_row(|row| {
            let finish = |isa| {
                let (mut prediction, mut classes) = (surroundings.prediction.clone(), vec![0; n]);
                predictor.finish_row(isa, row, &sums, &mut prediction, &mut classes);
                (prediction, classes)
            };
            let expected = finish(Isa::PORTABLE);
            prop_assert!(expected.1.iter().all(|&class| class <= 67));
            for isa in Isa::available() {
                prop_assert_eq!(&finish(isa), &expected, "{}", isa);
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_row_without_targets() {
    let random = &mut random::Random(1);
    let network = Network::new(random, true, [16, 16]).predictor().unwrap();
    let surroundings = Surroundings::new(random, 2, 28, 0, 8, 0, Contents::Any);
    for isa in Isa::available() {
        surroundings.with_row(|row| network.predict_row(isa, row, &mut [], &mut []));
    }
}

/// A network like any other after a change.
fn changed(references: bool, change: impl FnOnce(&mut Network)) -> Result<Predictor, String> {
    let mut network = Network::new(&mut random::Random(7), references, [32, 48]);
    change(&mut network);
    network.predictor()
}

fn layer(inputs: usize, outputs: usize, shifts: bool) -> Dense {
    Dense { weights: vec![0; inputs * outputs], bias: vec![0; outputs], shifts: vec![6; if shifts { outputs } else { 0 }] }
}

#[test]
fn whatever_could_be_inexact_is_refused() {
    assert!(changed(false, |_| ()).is_ok());
    assert!(changed(true, |_| ()).is_ok());
    let refused = |change: fn(&mut Network)| changed(true, change).unwrap_err();

    // Weights and sums.
    refused(|n| n.layers[0].weights[5] = 64);
    refused(|n| n.layers[1].weights[5] = -65);
    refused(|n| n.layers[2].weights[5] = 127);
    for layer in 0..3 {
        // Of one channel, all weights and what is then left for the bias.
        let left_and = |more: i32, sign: i32| {
            changed(true, |n| {
                let inputs = n.layers[layer].weights.len() / n.layers[layer].bias.len();
                n.layers[layer].weights[..inputs].fill(sign as i8);
                n.layers[layer].bias[0] = sign * ((1 << 24) - 255 * inputs as i32 + more);
            })
        };
        for sign in [-1, 1] {
            assert!(left_and(0, sign).is_ok());
            left_and(1, sign).unwrap_err();
        }
    }
    refused(|n| n.layers[0].bias[0] = i32::MIN);
    refused(|n| n.layers[0].shifts[3] = 25);
    refused(|n| n.layers[1].shifts[3] = u32::MAX);

    // Shapes.
    refused(|n| { n.layers[0].weights.pop(); });
    refused(|n| { n.layers[1].bias.pop(); });
    refused(|n| { n.layers[1].shifts.pop(); });
    refused(|n| n.layers[2].shifts.push(0));
    refused(|n| n.layers[0] = layer(60, 0, true));
    refused(|n| n.layers[0] = layer(59, 32, true));
    refused(|n| n.layers[0] = layer(60, 40, true));
    refused(|n| n.layers[1] = layer(32, 144, true));
    refused(|n| n.layers[2] = layer(48, 11, false));

    // Filters.
    refused(|n| { n.filters.pop(); });
    refused(|n| n.filters.truncate(8 * 28));
    refused(|n| n.filters[..3].copy_from_slice(&[i16::MIN, i16::MAX, 2]));
    let most = |n: &mut Network| {
        n.filters[..46].fill(0);
        n.filters[..2].fill(i16::MIN);
    };
    assert!(changed(true, most).is_ok());
}
