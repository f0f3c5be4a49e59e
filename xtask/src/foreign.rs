//! The plugin on other processors and systems, under emulation: its own tests, and stock tools on a file that was written here.

use crate::{build, setup, step};
use anyhow::Result;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

pub fn run(sh: &Shell) -> Result<()> {
    setup::tools(sh, setup::EMULATORS)?;
    build::all(sh)?;
    let hdf5 = setup::hdf5_2(sh)?;
    let folder = sh.create_dir("target/foreign")?;
    linux(sh, &folder, &hdf5, "arm64", "aarch64")?;
    linux(sh, &folder, &hdf5, "s390x", "s390x")?;
    windows(sh, &folder, &hdf5)
}

/// Debian's tools of an architecture, under QEMU.
fn linux(sh: &Shell, folder: &Path, hdf5: &Path, architecture: &str, processor: &str) -> Result<()> {
    let target = format!("{processor}-unknown-linux-gnu");
    let (variable, root, qemu) = (target.replace('-', "_").to_uppercase(), folder.join(architecture), format!("qemu-{processor}-static"));
    cmd!(sh, "rustup target add {target}").run()?;
    if !root.join("usr/bin/h5repack").exists() {
        step(&format!("h5repack for {architecture}"), || {
            sh.remove_path(&root)?;
            Ok(cmd!(sh, "mmdebstrap --variant=extract --include=hdf5-tools --architectures={architecture} bookworm {root}").run()?)
        })?;
    }
    let _linker = sh.push_env(format!("CARGO_TARGET_{variable}_LINKER"), format!("{processor}-linux-gnu-gcc"));
    let _runner = sh.push_env(format!("CARGO_TARGET_{variable}_RUNNER"), format!("{qemu} -L {}", root.display()));
    step(&format!("plugin for {architecture}"), || {
        cmd!(sh, "cargo build --release --target-dir target --target {target} --package h5z-caesar").run()?;
        let (plugin, h5repack) = (alone(sh, &target, "libh5zcaesar.so")?, root.join("usr/bin/h5repack"));
        Ok(cmd!(sh, "{hdf5}/bin/python tests/foreign.py {plugin} {qemu} -L {root} {h5repack}").run()?)
    })?;
    step(&format!("Rust tests on {architecture}"), || {
        cmd!(sh, "cargo test --release --target-dir target --target {target} --package caesar-kernels --package h5z-caesar").run()?;
        // Whole tiles by all engines would take an hour.
        Ok(cmd!(sh, "cargo test --release --target-dir target --target {target} --package caesar-onnx --lib").run()?)
    })
}

/// HDF5's library of a wheel, under Wine.
fn windows(sh: &Shell, folder: &Path, hdf5: &Path) -> Result<()> {
    const TARGET: &str = "x86_64-pc-windows-gnu";
    cmd!(sh, "rustup target add {TARGET}").run()?;
    let libraries = folder.join("windows/h5py");
    if !libraries.join("bcryptprimitives.dll").exists() {
        step("HDF5 for Windows", || {
            // Wine of Debian 12 lacks what newer HDF5 libraries call, and a function of Rust's standard library.
            let _folder = sh.push_dir(sh.create_dir(folder.join("windows"))?);
            cmd!(sh, "{hdf5}/bin/pip download --quiet --no-deps --only-binary=:all: --platform win_amd64 --python-version 3.11 h5py==3.11.0").run()?;
            cmd!(sh, "python3 -m zipfile -e h5py-3.11.0-cp311-cp311-win_amd64.whl .").run()?;
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bcryptprimitives.c");
            Ok(cmd!(sh, "x86_64-w64-mingw32-gcc -shared -o {libraries}/bcryptprimitives.dll {source} -ladvapi32").run()?)
        })?;
    }
    let in_wine = |path: &Path| format!("Z:{}", path.display()).replace('/', "\\");
    let _runner = sh.push_env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_RUNNER", "wine");
    let _quiet = sh.push_env("WINEDEBUG", "-all");
    let _path = sh.push_env("WINEPATH", in_wine(&libraries));
    let _library = sh.push_env("CAESAR_HDF5_LIBRARY", in_wine(&libraries.join("hdf5.dll")));
    step("plugin for Windows", || {
        cmd!(sh, "cargo build --release --target-dir target --target {TARGET} --package h5z-caesar --package caesar-cli").run()?;
        let _plugin = sh.push_env("HDF5_PLUGIN_PATH", in_wine(&alone(sh, TARGET, "h5zcaesar.dll")?));
        cmd!(sh, "wine target/{TARGET}/release/caesar.exe doctor").run()?;
        Ok(cmd!(sh, "cargo test --release --target-dir target --target {TARGET} --package h5z-caesar --test hdf5_library -- --ignored").run()?)
    })?;
    step("Rust tests on Windows", || {
        let packages = ["caesar-kernels", "caesar-codec", "caesar-onnx", "h5z-caesar", "caesar-cli"].map(|package| ["--package", package]);
        let packages = packages.as_flattened();
        Ok(cmd!(sh, "cargo test --release --target-dir target --target {TARGET} {packages...}").run()?)
    })
}

/// A folder with nothing but the plugin: HDF5 opens every file of it.
fn alone(sh: &Shell, target: &str, plugin: &str) -> Result<PathBuf> {
    let release = sh.current_dir().join("target").join(target).join("release");
    let folder = sh.create_dir(release.join("plugin"))?;
    sh.copy_file(release.join(plugin), &folder)?;
    Ok(folder)
}
