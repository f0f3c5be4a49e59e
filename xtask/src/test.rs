//! Every test there is, on whatever this machine lacks being fetched first.

use crate::setup::{self, CMAKE, FORTRAN, INSPECTION, STOCK_TOOLS};
use crate::{build, step};
use anyhow::Result;
use xshell::{Shell, cmd};

const FUZZ_SECONDS: &str = "60";

pub fn run(sh: &Shell) -> Result<()> {
    for tools in [STOCK_TOOLS, INSPECTION, CMAKE, FORTRAN] {
        setup::tools(sh, tools)?;
    }
    build::all(sh)?;
    let models = setup::python(sh, "models", &["numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.31.1", "pytest==9.2.0"])?;
    let hdf5_1 = setup::python(sh, "hdf5-1.14", &["h5py==3.14.0", "numpy==2.4.6", "pytest==9.2.0"])?;
    let hdf5_2 = setup::hdf5_2(sh)?;
    let adios2 = setup::adios2(sh)?;

    let _runtime = sh.push_env("CAESAR_ORT_LIB", setup::onnx_runtime(sh, &models)?);
    step("Rust tests, fuzzing among them", || {
        let _seconds = sh.push_env("CAESAR_FUZZ_SECONDS", FUZZ_SECONDS);
        Ok(cmd!(sh, "cargo test --workspace --target-dir target").run()?)
    })?;
    step("HDF5 by its C interface", || {
        let _plugin = sh.push_env("HDF5_PLUGIN_PATH", build::plugin_path(sh));
        let _library = sh.push_env("CAESAR_HDF5_LIBRARY", "libhdf5_serial.so.103");
        Ok(cmd!(sh, "cargo test --package h5z-caesar --test hdf5_library --target-dir target -- --ignored").run()?)
    })?;
    if cmd!(sh, "cargo clippy --version").quiet().ignore_stdout().ignore_stderr().run().is_ok() {
        step("clippy", || Ok(cmd!(sh, "cargo clippy --workspace --all-targets --target-dir target -- --deny warnings").run()?))?;
    }
    for environment in [&hdf5_1, &hdf5_2] {
        let name = environment.file_name().unwrap_or_default().to_string_lossy();
        step(&format!("stock tools and h5py on {name}"), || Ok(cmd!(sh, "{environment}/bin/python -m pytest -q tests").run()?))?;
    }
    step("stock ADIOS2, and a simulation", || Ok(cmd!(sh, "{adios2}/bin/python -m pytest -q adios-operator/tests").run()?))?;
    step("models", || {
        let _folder = sh.push_dir("onnx");
        Ok(cmd!(sh, "{models}/bin/python -m pytest -q caesar_models").run()?)
    })
}
