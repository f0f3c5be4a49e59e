//! `cargo xtask build`, `demo`, `test`, `foreign`: all the set-up that a fresh Debian 12 machine with Rust and Python needs.

mod build;
mod demo;
mod foreign;
mod in_situ;
mod setup;
mod test;

use anyhow::{Result, bail};
use std::path::Path;
use xshell::Shell;

const USAGE: &str = "\
cargo xtask build   the plugins in target/release/plugin (HDF5) and target/release/adios2, the command caesar in target/release
cargo xtask demo    packs real netCDF files with stock tools, reads them back, checks every value, prints a table; then a simulation that writes
                    through ADIOS2
cargo xtask test    sets up and runs everything: Rust, stock tools, h5py on two HDF5 versions, netCDF4, ADIOS2, models, fuzzing
cargo xtask foreign builds the plugin for ARM64, s390x (big-endian) and Windows, runs its tests and stock tools there under emulation, and compares
                    what they read of a file written here; wants rustup, and half an hour";

fn main() -> Result<()> {
    let sh = Shell::new()?;
    sh.change_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository"));
    match std::env::args().nth(1).as_deref() {
        Some("build") => build::all(&sh),
        Some("demo") => demo::run(&sh).and_then(|()| in_situ::run(&sh)),
        Some("test") => test::run(&sh),
        Some("foreign") => foreign::run(&sh),
        _ => bail!("{USAGE}"),
    }
}

/// Does one step under a headline, and tells how long it took.
fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("\n=== {name}");
    let start = std::time::Instant::now();
    let done = work()?;
    eprintln!("=== {name}: {:.0} s", start.elapsed().as_secs_f64());
    Ok(done)
}
