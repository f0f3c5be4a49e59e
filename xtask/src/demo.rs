//! Real fields through stock tools: pack, read back, check every value, print a table.

use crate::setup::{self, STOCK_TOOLS, Tool};
use crate::{build, step};
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Instant;
use xshell::{Shell, cmd};

/// Public-domain climatologies of NOAA, from the example data of the Ferret package.
const PACKAGE: &str = "ferret-datasets";
const FILES: [(&str, &[&str]); 2] =
    [("coads_climatology.cdf", &["SST", "AIRT", "UWND", "VWND"]), ("levitus_climatology.cdf", &["TEMP", "SALT"])];
const UNPACKING: &[Tool] = &[("dpkg", "dpkg"), ("h5diff", "hdf5-tools")];

/// One way to pack a file: the tool and the bound in the grammar of `caesar args`.
struct Packing {
    tool: &'static str,
    bound: &'static str,
}

const PACKINGS: [Packing; 4] = [
    Packing { tool: "h5repack", bound: "rel=1e-3" },
    Packing { tool: "h5repack", bound: "rel=1e-5" },
    Packing { tool: "h5repack", bound: "rel=1e-3,method=caesar-v" },
    Packing { tool: "nccopy", bound: "abs=0.01" },
];

/// What `caesar verify --json` says of a data set.
#[derive(Deserialize)]
struct Verified {
    shape: Vec<usize>,
    ratio: Option<f64>,
    max_error: Option<f64>,
    error_over_bound: Option<f64>,
    faults: Vec<String>,
}

pub fn run(sh: &Shell) -> Result<()> {
    setup::tools(sh, STOCK_TOOLS)?;
    setup::tools(sh, UNPACKING)?;
    build::all(sh)?;
    let folder = sh.current_dir().join("target/demo");
    let data = step("data", || fetch(sh, &folder))?;
    let _plugin = sh.push_env("HDF5_PLUGIN_PATH", build::plugin_path(sh));

    println!(
        "\n{:<8} {:<8} {:<24} {:>9} {:>9} {:>7} {:>11} {:>8} {:>7}",
        "data set", "tool", "bound", "bytes", "packed", "ratio", "error/bound", "write s", "read s"
    );
    for (file, variables) in FILES {
        // HDF5's tools read netCDF-4 only; without an unlimited dimension a variable is one piece.
        let plain = folder.join(file).with_extension("nc");
        let classic = data.join(file);
        cmd!(sh, "nccopy -k nc4 -u {classic} {plain}").quiet().run()?;
        for name in variables {
            for packing in &PACKINGS {
                pack_and_check(sh, &plain, name, packing)?;
            }
        }
    }
    println!("\nEvery value was compared with its original, by caesar verify and by h5diff, which reads through the plugin.");
    Ok(())
}

/// The folder of the package's data files, downloaded and unpacked but not installed.
fn fetch(sh: &Shell, folder: &Path) -> Result<PathBuf> {
    let data = folder.join("usr/share/ferret-vis/data");
    if data.is_dir() {
        return Ok(data);
    }
    sh.create_dir(folder)?;
    let _folder = sh.push_dir(folder);
    let download = || cmd!(sh, "apt-get download {PACKAGE}").quiet().ignore_stderr().run();
    if download().is_err() {
        setup::update_package_lists(sh)?;
        download()?;
    }
    let archive = sh.read_dir(folder)?.into_iter().find(|path| path.extension().is_some_and(|e| e == "deb"));
    let archive = archive.context("apt-get download left no package")?;
    cmd!(sh, "dpkg -x {archive} .").run()?;
    Ok(data)
}

/// Packs one variable, compares every value with the original, and prints a line of the table.
fn pack_and_check(sh: &Shell, plain: &Path, name: &str, packing: &Packing) -> Result<()> {
    let Packing { tool, bound } = packing;
    let caesar = build::caesar(sh);
    let packed = plain.with_extension("packed.nc");
    let command = command(sh, name, packing)?;
    let arguments = command.iter().map(|word| match word.as_str() {
        "in.h5" | "in.nc" => plain.as_os_str(),
        "out.h5" | "out.nc" => packed.as_os_str(),
        word => word.as_ref(),
    });
    let start = Instant::now();
    cmd!(sh, "{tool} {arguments...}").quiet().run()?;
    let written = start.elapsed().as_secs_f64();

    let line = cmd!(sh, "{caesar} verify --json --dataset {name} {plain} {packed} {bound}").quiet().ignore_status().read()?;
    let checked: Verified = serde_json::from_str(&line)?;
    ensure!(checked.faults.is_empty(), "{name} in {}: {}", packed.display(), checked.faults.join("; "));
    let (Some(ratio), Some(error), Some(used)) = (checked.ratio, checked.max_error, checked.error_over_bound) else {
        bail!("caesar verify gives no numbers for {name}");
    };
    // h5diff subtracts in single precision, so it gets a little more room.
    let delta = (error * (1.0 + 1e-6)).to_string();
    let start = Instant::now();
    cmd!(sh, "h5diff -d {delta} {plain} {packed} /{name}").quiet().run()?;
    let read = start.elapsed().as_secs_f64();
    let bytes = checked.shape.iter().product::<usize>() * size_of::<f32>();
    println!(
        "{name:<8} {tool:<8} {bound:<24} {bytes:>9} {:>9.0} {ratio:>7.2} {used:>11.6} {written:>8.2} {read:>7.2}",
        bytes as f64 / ratio
    );
    Ok(())
}

/// The arguments of the very line that `caesar args` prints for the tool.
fn command(sh: &Shell, name: &str, packing: &Packing) -> Result<Vec<String>> {
    let Packing { tool, bound } = packing;
    let caesar = build::caesar(sh);
    let lines = cmd!(sh, "{caesar} args --dataset {name} {bound}").quiet().read()?;
    let arguments = lines.lines().find_map(|line| line.trim().strip_prefix(tool)?.strip_prefix(' '));
    let arguments = arguments.with_context(|| format!("caesar args prints no line for {tool}"))?;
    Ok(arguments.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect())
}
