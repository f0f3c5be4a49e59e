//! ONNX Runtime gives the same answers as the engine. `CAESAR_ORT_LIB` names the library; without one there is nothing to
//! compare and the test says so.

use caesar_codec::network::{Models, Tensor};
use caesar_onnx::{Device, Library, Settings, Store, doctor};
use std::path::Path;

#[test]
fn known_answers_and_fresh_inputs_agree_with_the_engine() {
    let Some(path) = std::env::var_os("CAESAR_ORT_LIB").filter(|p| p != "none") else {
        println!("SKIPPED: CAESAR_ORT_LIB names no ONNX Runtime");
        return;
    };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models");
    let settings = |library| Settings { device: Device::Cpu, library, model_path: vec![fixtures.clone()] };
    let store = Store::new(settings(Library::At(path.into())));
    let report = doctor::report_on(&store);
    assert!(report.runtime.is_ok(), "{:?}", report.runtime);
    for model in &report.models {
        for graph in &model.graphs {
            assert!(graph.providers.iter().any(|(name, _)| name.contains("ONNX Runtime")), "{graph:?}");
            assert!(graph.providers.iter().all(|(_, result)| result.is_ok()), "{graph:?}");
        }
    }
    let alone = Store::new(settings(Library::None)).preferred("test").unwrap();
    let both = store.preferred("test").unwrap();
    for (h, w) in [(1, 1), (3, 64), (33, 17)] {
        let data = (0..5 * h * w).map(|i| (i * i % 251) as u8).collect();
        let input = [Tensor { shape: vec![2, 5, h, w], data: [data, vec![200; 5 * h * w]].concat() }];
        let expected = alone.graph("residual").unwrap().run(&input).unwrap();
        // Once beside the engine, once alone.
        for _ in 0..2 {
            assert_eq!(both.graph("residual").unwrap().run(&input).unwrap(), expected);
        }
    }
}
