//! Lists the files of `onnx/models/*/` for `include_bytes!`. The folder may be empty or absent.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let models = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("set by cargo")).join("../models");
    // Also names a folder that does not exist yet: cargo looks again when it appears.
    println!("cargo::rerun-if-changed={}", models.display());
    let mut code = String::from("static BUILT_IN: &[BuiltIn] = &[\n");
    for folder in listed(&models).into_iter().filter(|f| f.join("model.toml").is_file()) {
        writeln!(code, "&[ // {}", name(&folder, &models)).expect("strings take everything");
        for file in files(&folder) {
            writeln!(code, "({:?}, include_bytes!({:?})),", name(&file, &folder), file.display().to_string()).expect("likewise");
        }
        code += "],\n";
    }
    code += "];\n";
    let target = Path::new(&std::env::var("OUT_DIR").expect("set by cargo")).join("built_in.rs");
    std::fs::write(target, code).expect("OUT_DIR is writable");
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> = entries.collect();
    paths.sort();
    paths
}

/// What a model consists of: its manifest, graphs and known answers, not notes or training logs beside them.
fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) = listed(folder).into_iter().partition(|p| p.is_dir());
    let belongs = |p: &PathBuf| p.extension().is_some_and(|e| e == "toml" || e == "onnx" || e == "bin");
    files.into_iter().filter(belongs).chain(folders.iter().flat_map(|f| crate::files(f))).collect()
}

fn name(path: &Path, base: &Path) -> String {
    path.strip_prefix(base).expect("below the base").components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}
