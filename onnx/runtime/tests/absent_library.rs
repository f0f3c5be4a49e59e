//! A library that is not there: the engine runs, nothing panics.

use caesar_codec::network::Models;
use caesar_onnx::{Device, Library, Settings, Store, doctor};
use std::path::Path;

#[test]
fn the_engine_runs_instead() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models");
    let library = Library::At("/nonexistent/libonnxruntime.so".into());
    let store = Store::new(Settings { device: Device::Cuda, library, model_path: vec![fixtures] });
    let model = store.preferred("test").expect("usable without ONNX Runtime");
    assert!(model.graph("residual").is_ok());
    let why = doctor::report_on(&store).runtime.unwrap_err();
    assert!(why.contains("/nonexistent/libonnxruntime.so"), "{why}");
}
