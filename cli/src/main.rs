//! The command `caesar`: what to type for a bound, whether a file kept it, what lies in a file, how well methods do on it,
//! whether all is set up.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod classic;
mod compare;
mod dataset;
mod doctor;
mod hdf5;
mod inspect;
mod text;
mod tool;
mod verify;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::io::Write;
use std::panic::PanicHookInfo;
use std::process::ExitCode;

#[derive(Parser)]
#[command(version, about = "Error-bounded compression of HDF5 and netCDF files: arguments for stock tools, verification, inspection")]
#[command(after_help = "To decode a file for good, for readers without the plugin:\n  h5repack -f NONE in.h5 out.h5\n  nccopy -F none in.nc out.nc")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the h5repack, nccopy, h5py, xarray, CDO and ADIOS2 lines for a bound
    Args(args::Args),
    /// Compare every data set of two files; exit 1 when a bound is broken, a filter or a data set missing
    Verify(verify::Verify),
    /// Show what lies in the streams of a file: bounds, methods, models, bits
    Inspect(inspect::Inspect),
    /// Measure ratio, error and speed of every method on your own data, beside SZ3, SPERR and zfp
    Bench(bench::Bench),
    /// Tell whether plugin, runtime, models and environment are in order, and what to do
    Doctor(doctor::Doctor),
}

/// A panic hook under which output that cannot be written, to a full disk say, is an error like any other: `println!` panics.
fn output_may_fail(hook: Box<dyn Fn(&PanicHookInfo) + Send + Sync>) -> impl Fn(&PanicHookInfo) + Send + Sync {
    move |info| match info.payload().downcast_ref::<String>() {
        Some(words) if words.starts_with("failed printing to stdout") => {
            let _ = writeln!(std::io::stderr(), "caesar: {words}");
            std::process::exit(2);
        }
        _ => hook(info),
    }
}

/// Exit status: 0 all is well, 1 a check failed, 2 the command could not do its work.
fn main() -> ExitCode {
    // `caesar inspect FILE | head` ends like any other tool, not in a panic.
    sigpipe::reset();
    std::panic::set_hook(Box::new(output_may_fail(std::panic::take_hook())));
    let done: Result<bool> = match Cli::parse().command {
        Command::Args(args) => args.run().map(|()| true),
        Command::Verify(verify) => verify.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Bench(bench) => bench.run().map(|()| true),
        Command::Doctor(doctor) => doctor.run(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("caesar: {}", text::error(&error));
            ExitCode::from(2)
        }
    }
}
