//! The kernels compute what the graphs say.

use crate::settings::{Device, Library, Settings};
use crate::store::Store;
use caesar_codec::network::{Model, Models, Tensor};
use caesar_kernels::{Isa, OUTPUTS, Predictor, References, Row};

#[test]
fn kernels_and_graphs_of_every_model_agree() {
    let settings = |library| Settings { device: Device::Cpu, library, model_path: Vec::new() };
    let libraries = [Some(Library::None), std::env::var_os("CAESAR_ORT_LIB").map(|path| Library::At(path.into()))];
    for library in libraries.into_iter().flatten() {
        let store = Store::new(settings(library));
        for role in ["srn-sz/fast", "srn-sz/balanced", "srn-sz/best"] {
            if let Some(model) = store.preferred(role) {
                check(&*model);
            }
        }
    }
}

fn check(model: &dyn Model) {
    let mut seed = 1u32;
    let mut numbers = |bits: u32, count: usize| -> Vec<i32> {
        let mut next = || {
            seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
            seed as i32 >> (32 - bits)
        };
        (0..count).map(|_| next()).collect()
    };
    for phase in ["centre", "right", "below"] {
        for references in ["alone", "referred"] {
            for level in ["fine", "coarse"] {
                let name = format!("{phase}-{references}-{level}");
                let graph = model.graph(&name).unwrap();
                let layers: [_; 3] = graph.dense().unwrap().to_vec().try_into().unwrap();
                let taps: Vec<i16> = model.table(&format!("filters-{name}")).unwrap().iter().map(|&t| t as i16).collect();
                let predictor = Predictor::new(layers, &taps).unwrap();
                for bits in [6, 12, 20, 32] {
                    let n = 77;
                    let own: Vec<Vec<i32>> = (0..if phase == "below" { 28 } else { 24 }).map(|_| numbers(bits, n)).collect();
                    let mean: [Vec<i32>; 13] = std::array::from_fn(|_| numbers(bits, n));
                    let (misfit, linear) = (numbers(bits, n), numbers(bits, n));
                    let activity = numbers(4, n).into_iter().map(|k| k.unsigned_abs() as i16).collect::<Vec<_>>();
                    let own: Vec<&[i32]> = own.iter().map(|row| &row[..]).collect();
                    let references = References { mean: mean.each_ref().map(|row| &row[..]), misfit: &misfit, difference: None };
                    let row = Row {
                        own: &own,
                        references: name.contains("referred").then_some(references),
                        activity: [&activity; 4],
                        width: 256,
                        level: usize::from(level == "coarse"),
                    };
                    let mut inputs = vec![0; predictor.inputs() * n];
                    predictor.inputs_row(Isa::best(), &row, &linear, &mut inputs);
                    let input = Tensor { shape: vec![1, predictor.inputs(), 1, n], data: inputs };
                    let sums = graph.run(&[input]).unwrap().remove(0);
                    assert_eq!(sums.data.len(), OUTPUTS * n);
                    let (mut by_graph, mut by_kernel) = (linear.clone(), linear.clone());
                    let (mut classes, mut classes_too) = (vec![0; n], vec![0; n]);
                    predictor.finish_row(Isa::best(), &row, &sums.data, &mut by_graph, &mut classes);
                    predictor.predict_row(Isa::best(), &row, &mut by_kernel, &mut classes_too);
                    assert_eq!((by_graph, classes), (by_kernel, classes_too), "{name}");
                }
            }
        }
    }
}
