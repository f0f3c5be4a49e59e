//! Do the programs on this machine compress through the plugin? Each packs a small file, and what it wrote is verified.

use super::Report;
use crate::{tool, verify};
use anyhow::{Context, Result};
use caesar_codec::Options;
use h5zcaesar::ID;
use hdf5_writer::{DatasetBuilder, Hdf5Builder, WriteOptions};
use std::path::Path;
use std::process::Command;

/// A program that may be here, how it tells its version (in a line that begins with `line`), and how it packs `in.h5`
/// into `out.h5` under abs=0.01.
struct Host {
    name: &'static str,
    version: &'static [&'static str],
    line: &'static str,
    pack: fn() -> Vec<String>,
}

/// 0.01 as two words, and as netCDF spells it.
const WORDS: &str = "1202590843,1065646817";
const BOUND: f64 = 0.01;

const HOSTS: [Host; 3] = [
    Host {
        name: "h5repack",
        version: &["h5repack", "-V"],
        line: "h5repack: ",
        pack: || ["h5repack", "-f", &format!("UD={ID},0,2,{WORDS}"), "in.h5", "out.h5"].map(String::from).into(),
    },
    Host {
        name: "nccopy",
        version: &["nccopy"],
        line: "netCDF library ",
        pack: || ["nccopy", "-F", &format!("*,{ID},{WORDS}"), "in.h5", "out.h5"].map(String::from).into(),
    },
    Host {
        name: "h5py",
        version: &["python3", "-c", "import h5py; print('h5py version', h5py.__version__, 'with hdf5', h5py.version.hdf5_version)"],
        line: "h5py ",
        pack: || {
            let script = format!(
                "import h5py\nx = h5py.File('in.h5')['field'][...]\n\
                 h5py.File('out.h5', 'w').create_dataset('field', data=x, chunks=x.shape, compression={ID}, compression_opts=({WORDS}))"
            );
            ["python3", "-c", &script].map(String::from).into()
        },
    },
];

pub fn examine(report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary directory")?;
    let shape = [4, 48, 64];
    let field: Vec<f32> = super::codec::field(shape);
    let dataset = DatasetBuilder::typed_data("field", shape.map(|extent| extent as u64), &field)?;
    let file = Hdf5Builder::new().dataset(dataset).into_plan()?.encode(WriteOptions::default())?;
    std::fs::write(folder.path().join("in.h5"), file)?;

    let mut tried = 0;
    for host in HOSTS {
        let Some(version) = version(&host) else { continue };
        tried += 1;
        let label = format!("{} {version}", host.name);
        match trial(&host, folder.path()) {
            Ok(()) => report.ok("host", format!("{label} packed a field within its bound")),
            Err(error) => report.error("host", format!("{label}: {error:#}"), "see the lines above on the plugin; then docs/cd-values.md"),
        }
    }
    if tried == 0 {
        report.warning("host", "neither h5repack nor nccopy nor h5py is on the PATH", "install hdf5-tools to try the plugin here");
    }
    Ok(())
}

fn trial(host: &Host, folder: &Path) -> Result<()> {
    let _ = std::fs::remove_file(folder.join("out.h5"));
    let pack = (host.pack)();
    tool::run(Command::new(&pack[0]).args(&pack[1..]).current_dir(folder))?;
    let bound = Options::new(caesar_codec::Bound::Absolute(BOUND));
    let faults = verify::faults(&folder.join("in.h5"), &folder.join("out.h5"), bound)?;
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("; "));
    Ok(())
}

/// A program's version in its own words; `None` when the program is not here.
fn version(host: &Host) -> Option<String> {
    let done = Command::new(host.version[0]).args(&host.version[1..]).output().ok()?;
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let line = said.lines().find_map(|line| line.strip_prefix(host.line))?;
    // netCDF appends the date of its build.
    Some(line.split(" of ").next().unwrap_or(line).to_lowercase())
}
