//! The plugin and the command, where they are used from.

use crate::{setup, step};
use anyhow::Result;
use std::path::PathBuf;
use xshell::{Shell, cmd};

/// The directory for `HDF5_PLUGIN_PATH`.
pub fn plugin_path(sh: &Shell) -> PathBuf {
    sh.current_dir().join("target/release/plugin")
}

pub fn caesar(sh: &Shell) -> PathBuf {
    sh.current_dir().join("target/release/caesar")
}

pub fn all(sh: &Shell) -> Result<()> {
    setup::tools(sh, setup::COMPILER)?;
    step("build", || {
        cmd!(sh, "cargo build --release --target-dir target --package h5z-caesar --package caesar-cli").run()?;
        // HDF5 opens every file of the directory until one fits, so the plugin has one for itself.
        let folder = plugin_path(sh);
        sh.create_dir(&folder)?;
        // A process may have the old one mapped: a new file, then a new name.
        sh.copy_file("target/release/libh5zcaesar.so", folder.join("new"))?;
        std::fs::rename(folder.join("new"), folder.join("libh5zcaesar.so"))?;
        eprintln!("export HDF5_PLUGIN_PATH={}", folder.display());
        Ok(())
    })
}
