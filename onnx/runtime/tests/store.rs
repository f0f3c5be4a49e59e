//! The model store as the codec sees it, on the embedded engine alone. The known answers in `fixtures` come from int64
//! arithmetic in numpy.

use caesar_codec::Error;
use caesar_codec::network::{ModelHash, Models, Tensor};
use caesar_onnx::{Device, Library, Settings, Store, doctor};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models")
}

fn store(folders: &[&Path]) -> Store {
    let model_path = folders.iter().map(|f| f.to_path_buf()).collect();
    Store::new(Settings { device: Device::Cpu, library: Library::None, model_path })
}

/// A copy of the fixture that a test may spoil.
fn copy() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let (from, to) = (fixtures().join("probe-1"), directory.path().join("probe-1"));
    std::fs::create_dir_all(to.join("known")).unwrap();
    for file in ["model.toml", "residual.onnx", "resampling.onnx", "known/residual.bin", "known/resampling.bin"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    (directory, to)
}

/// What keeps a spoiled model from being used.
fn refusal(spoil: impl FnOnce(&Path)) -> String {
    let (directory, folder) = copy();
    spoil(&folder);
    let store = store(&[directory.path()]);
    assert!(store.preferred("test").is_none());
    let models = doctor::report_on(&store).models;
    let mut tried = models.iter().filter(|m| m.id == "probe-1").flat_map(|m| &m.graphs).flat_map(|g| &g.providers);
    tried.find_map(|(_, result)| result.clone().err()).expect("a graph is refused")
}

fn edit(file: PathBuf, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(&file).unwrap();
    change(&mut bytes);
    std::fs::write(&file, bytes).unwrap();
}

#[test]
fn a_model_is_found_by_role_and_by_hash() {
    let store = store(&[&fixtures()]);
    let model = store.preferred("test").expect("the fixture has this role");
    assert_eq!(store.by_hash(&model.hash()).unwrap().hash(), model.hash());
    assert_eq!(model.table("steps").unwrap(), [1, -2, 3]);
    assert!(model.table("stairs").unwrap_err().to_string().contains("stairs"));
    assert!(model.graph("resampling").is_ok());
    assert!(model.graph("nothing").is_err());
    assert!(store.preferred("another role").is_none());
}

#[test]
fn a_folder_may_be_named_itself() {
    assert!(store(&[&fixtures().join("probe-1")]).preferred("test").is_some());
}

#[test]
fn a_missing_model_is_named_with_the_variable_to_set() {
    let missing = store(&[]).by_hash(&ModelHash([0xab; ModelHash::SIZE])).err().unwrap();
    assert_eq!(missing, Error::ModelMissing { hash: "ab".repeat(ModelHash::SIZE) });
    assert!(missing.to_string().contains("CAESAR_MODEL_PATH"));
}

#[test]
fn a_graph_that_is_not_the_one_listed_is_refused() {
    let why = refusal(|folder| edit(folder.join("resampling.onnx"), |bytes| bytes[100] ^= 1));
    assert!(why.contains("SHA-256"), "{why}");
}

#[test]
fn known_answers_that_do_not_come_out_refuse_the_model() {
    let why = refusal(|folder| edit(folder.join("known/residual.bin"), |bytes| *bytes.last_mut().unwrap() ^= 1));
    assert!(why.contains("known answers"), "{why}");
}

#[test]
fn an_absent_file_is_an_error() {
    let why = refusal(|folder| std::fs::remove_file(folder.join("known/resampling.bin")).unwrap());
    assert!(why.contains("known/resampling.bin"), "{why}");
}

#[test]
#[cfg(unix)]
fn a_file_without_end_is_an_error() {
    let why = refusal(|folder| {
        std::fs::remove_file(folder.join("resampling.onnx")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.join("resampling.onnx")).unwrap();
    });
    assert!(why.contains("allowed"), "{why}");
}

#[test]
fn a_manifest_cannot_name_files_outside_its_folder() {
    for outside in ["../residual.onnx", "/etc/passwd", "known/../../x"] {
        let (directory, folder) = copy();
        edit(folder.join("model.toml"), |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap().replace("\"residual.onnx\"", &format!("{outside:?}"));
            *bytes = text.into_bytes();
        });
        let models = doctor::report_on(&store(&[directory.path()])).models;
        assert!(models.iter().all(|m| m.id != "probe-1"), "{outside}");
    }
}

#[test]
fn damaged_manifests_do_not_stand_in_the_way_of_others() {
    let (directory, folder) = copy();
    let whole = std::fs::read(folder.join("model.toml")).unwrap();
    let hash = store(&[&fixtures()]).preferred("test").unwrap().hash();
    for end in 0..whole.len() {
        std::fs::write(folder.join("model.toml"), &whole[..end]).unwrap();
        let found = store(&[directory.path(), &fixtures()]);
        // A text cut between two graphs is still a manifest, but of another model: its hash is another.
        assert_eq!(found.by_hash(&hash).unwrap().hash(), hash, "cut at {end}");
        assert!(found.preferred("test").is_some(), "cut at {end}");
    }
}

#[test]
fn a_manifest_without_graphs_is_no_model() {
    let (directory, folder) = copy();
    std::fs::write(folder.join("model.toml"), "id = \"x\"\nrole = \"test\"\nversion = 1\nlicence = \"MIT\"\n[graphs]\n").unwrap();
    assert!(doctor::report_on(&store(&[directory.path()])).models.iter().all(|m| m.id != "x"));
}

#[test]
fn inputs_of_a_wrong_shape_are_errors() {
    let model = store(&[&fixtures()]).preferred("test").unwrap();
    let network = model.graph("residual").unwrap();
    assert!(network.run(&[]).is_err());
    assert!(network.run(&[Tensor { shape: vec![1, 4, 8, 8], data: vec![0; 256] }]).is_err());
    assert!(network.run(&[Tensor { shape: vec![2, 5, 8, 8], data: vec![0; 640] }]).is_ok());
}

#[test]
fn the_doctor_lists_what_is_here() {
    let nowhere = Path::new("/nonexistent/models");
    let report = doctor::report_on(&store(&[&fixtures(), nowhere]));
    assert!(report.runtime.is_err());
    assert_eq!(report.model_path, [(fixtures(), 1), (nowhere.to_path_buf(), 0)]);
    let probe = report.models.iter().find(|m| m.id == "probe-1").unwrap();
    assert_eq!((probe.role.as_str(), probe.graphs.len(), probe.folder.clone()), ("test", 2, Some(fixtures().join("probe-1"))));
    assert!(*probe.bytes.as_ref().unwrap() > 10_000);
    for graph in &probe.graphs {
        assert_eq!(graph.providers, [("embedded engine".to_string(), Ok(()))]);
    }
}

#[test]
fn models_compiled_in_work() {
    for model in doctor::report_on(&store(&[])).models {
        for graph in model.graphs {
            assert!(graph.providers.iter().all(|(_, result)| result.is_ok()), "{}: {graph:?}", model.id);
        }
    }
}
