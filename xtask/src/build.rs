//! The plugins and the command, where they are used from.

use crate::{setup, step};
use anyhow::Result;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// The directory for `HDF5_PLUGIN_PATH`.
pub fn plugin_path(sh: &Shell) -> PathBuf {
    sh.current_dir().join("target/release/plugin")
}

/// The directory for `ADIOS2_PLUGIN_PATH`.
pub fn operator_path(sh: &Shell) -> PathBuf {
    sh.current_dir().join("target/release/adios2")
}

pub fn caesar(sh: &Shell) -> PathBuf {
    sh.current_dir().join("target/release/caesar")
}

pub fn all(sh: &Shell) -> Result<()> {
    // The operator goes with ADIOS2's builds by GCC.
    let linux = cfg!(target_os = "linux");
    if linux {
        setup::tools(sh, setup::COMPILER)?;
    }
    let operator: &[&str] = if linux { &["--package", "caesar-adios"] } else { &[] };
    step("build", || {
        cmd!(sh, "cargo build --release --target-dir target --package h5z-caesar --package caesar-cli {operator...}").run()?;
        // HDF5 opens every file of the directory until one fits, so the plugin has one for itself.
        lay_out(sh, "h5zcaesar", &plugin_path(sh), "HDF5_PLUGIN_PATH")?;
        if linux { lay_out(sh, "caesar_operator", &operator_path(sh), "ADIOS2_PLUGIN_PATH") } else { Ok(()) }
    })
}

fn lay_out(sh: &Shell, library: &str, folder: &Path, variable: &str) -> Result<()> {
    let library = format!("{DLL_PREFIX}{library}{DLL_SUFFIX}");
    sh.create_dir(folder)?;
    // A process may have the old one mapped: a new file, then a new name.
    sh.copy_file(Path::new("target/release").join(&library), folder.join("new"))?;
    std::fs::rename(folder.join("new"), folder.join(library))?;
    eprintln!("export {variable}={}", folder.display());
    Ok(())
}
