//! Debian packages and Python environments, fetched only where they are missing.

use crate::step;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use xshell::{Shell, cmd};

/// A command and the Debian package that brings it.
pub type Tool = (&'static str, &'static str);

pub const COMPILER: &[Tool] = &[("cc", "gcc"), ("c++", "g++"), ("make", "make")];
pub const STOCK_TOOLS: &[Tool] = &[("h5repack", "hdf5-tools"), ("nccopy", "netcdf-bin"), ("ncdump", "netcdf-bin")];
pub const INSPECTION: &[Tool] = &[("nm", "binutils"), ("ldd", "libc-bin")];
pub const CMAKE: &[Tool] = &[("cmake", "cmake")];
pub const FORTRAN: &[Tool] = &[("gfortran", "gfortran")];
pub const EMULATORS: &[Tool] = &[
    ("qemu-aarch64-static", "qemu-user-static"),
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    ("s390x-linux-gnu-gcc", "gcc-s390x-linux-gnu"),
    ("mmdebstrap", "mmdebstrap"),
    ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
    ("wine", "wine64"),
];

fn is_here(command: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(command).is_file())
}

fn as_root(sh: &Shell) -> Result<&'static str> {
    Ok(if cmd!(sh, "id -u").read()? == "0" { "env" } else { "sudo" })
}

pub fn update_package_lists(sh: &Shell) -> Result<()> {
    let root = as_root(sh)?;
    Ok(cmd!(sh, "{root} apt-get update --quiet").run()?)
}

/// Installs the packages of the commands that are not here.
pub fn tools(sh: &Shell, wanted: &[Tool]) -> Result<()> {
    let missing = wanted.iter().filter(|(command, _)| !is_here(command)).map(|(_, package)| *package);
    packages(sh, missing.collect())
}

fn packages(sh: &Shell, mut names: Vec<&str>) -> Result<()> {
    names.dedup();
    if names.is_empty() {
        return Ok(());
    }
    let list = names.join(" ");
    step(&format!("apt-get install {list}"), || {
        update_package_lists(sh)?;
        let root = as_root(sh)?;
        let install = cmd!(sh, "{root} env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet {names...}");
        install.run().with_context(|| format!("these packages are needed: {list}"))
    })
}

/// A Python virtual environment under target/ with these requirements; made anew when they change.
pub fn python(sh: &Shell, name: &str, requirements: &[&str]) -> Result<PathBuf> {
    let folder = sh.current_dir().join("target/venv").join(name);
    let stamp = folder.join("requirements");
    let wanted = requirements.join("\n");
    if sh.read_file(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    if cmd!(sh, "python3 -c 'import ensurepip'").quiet().ignore_stderr().run().is_err() {
        packages(sh, vec!["python3-venv"])?;
    }
    step(&format!("Python environment {name}: {}", requirements.join(" ")), || {
        sh.remove_path(&folder)?;
        cmd!(sh, "python3 -m venv {folder}").run()?;
        cmd!(sh, "{folder}/bin/pip install --quiet --disable-pip-version-check {requirements...}").run()?;
        sh.write_file(stamp, wanted)?;
        Ok(folder)
    })
}

/// The environment with HDF5 2 and what reads it.
pub fn hdf5_2(sh: &Shell) -> Result<PathBuf> {
    python(sh, "hdf5-2", &[
        "h5py==3.16.0",
        "h5netcdf==1.8.2",
        "hdf5plugin==7.1.0",
        "netCDF4==1.7.5.1.post1",
        "numpy==2.4.6",
        "pytest==9.2.0",
        "xarray==2026.9.0",
    ])
}

/// The environment with ADIOS2: its wheel brings headers, libraries and CMake files as well.
pub fn adios2(sh: &Shell) -> Result<PathBuf> {
    python(sh, "adios2", &["adios2==2.12.1.1001", "hdf5plugin==7.1.0", "h5py==3.16.0", "matplotlib==3.11.2", "numpy==2.4.6", "pytest==9.2.0"])
}

/// The ONNX Runtime library inside the onnxruntime wheel of an environment.
pub fn onnx_runtime(sh: &Shell, environment: &PathBuf) -> Result<PathBuf> {
    let where_it_is = "import onnxruntime, pathlib; print(pathlib.Path(onnxruntime.__file__).parent / 'capi')";
    let folder = cmd!(sh, "{environment}/bin/python -c {where_it_is}").quiet().read()?;
    let library = |path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("libonnxruntime.so"));
    match sh.read_dir(&folder)?.into_iter().find(library) {
        Some(library) => Ok(library),
        None => bail!("no libonnxruntime.so in {folder}"),
    }
}
