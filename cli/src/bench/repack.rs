//! A field through a foreign HDF5 filter and back, by h5repack.
//!
//! Each run is a process of its own: a filter that crashes takes nothing along, and this command needs no HDF5 library.

use super::clock::{RUNS, fastest};
use crate::dataset;
use crate::hdf5::{Reading, stored_bytes};
use crate::tool;
use anyhow::{Context, Result, ensure};
use caesar_codec::Element;
use hdf5_writer::{DatasetBuilder, Hdf5Builder, WriteOptions};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// h5repack copies what is larger in pieces, and a chunk that is written in pieces is compressed anew for each.
const LARGEST: usize = 128 << 20;
/// A file system in memory, and the bytes that the largest field wants there.
const MEMORY: &str = "/dev/shm";
const ROOM: u64 = 8 * LARGEST as u64;
/// The data set in every file here.
const NAME: &str = "v";

/// To write and to read.
pub type Seconds = [f64; 2];

/// What came out of a filter.
pub struct Passed {
    /// Bytes.
    pub stored: usize,
    pub values: Vec<u8>,
    pub seconds: Seconds,
}

/// `h5repack 1.10.8`, or why there is none.
pub fn version() -> Result<String> {
    let said = tool::run(Command::new("h5repack").arg("-V"))?;
    Ok(said.trim().to_lowercase().replace(": version", ""))
}

/// A folder for the files on the way.
pub struct Workshop {
    folder: TempDir,
}

impl Workshop {
    /// One for a process; in memory where there is room, since disks take their time when they like.
    pub fn new() -> Result<Workshop> {
        let room = fs4::available_space(MEMORY).unwrap_or(0);
        let in_memory = tempfile::tempdir_in(MEMORY).ok().filter(|_| room > ROOM);
        let folder = in_memory.map_or_else(tempfile::tempdir, Ok).context("cannot make a temporary directory")?;
        let path = folder.path().to_owned();
        // Whoever has no patience leaves nothing behind.
        ctrlc::set_handler(move || {
            let _ = std::fs::remove_dir_all(&path);
            std::process::exit(130);
        })?;
        Ok(Workshop { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The plain file of these extents.
    fn laid(&self, extents: &[usize]) -> PathBuf {
        self.path(&format!("{}.h5", chunk(extents)))
    }

    /// Puts little-endian floats into a plain file, known by their extents from now on.
    pub fn lay(&self, extents: &[usize], element: Element, values: &[u8]) -> Result<()> {
        let shape: Vec<u64> = extents.iter().map(|&extent| extent as u64).collect();
        let dataset = match element.size {
            4 => DatasetBuilder::typed::<f32>(NAME, shape),
            _ => DatasetBuilder::typed::<f64>(NAME, shape),
        };
        let file = Hdf5Builder::new().dataset(dataset.raw_data(values)).into_plan()?.encode(WriteOptions::default())?;
        let path = self.laid(extents);
        std::fs::write(&path, file).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Chunked and back without any filter. Everything else is measured against this, so it is measured well.
    pub fn plain(&self, extents: &[usize]) -> Result<Seconds> {
        self.there_and_back(extents, "NONE", 5 * RUNS)
    }

    /// Through a filter and back; `bytes` of values. The time is that of the fastest of so many runs.
    pub fn pass(&self, extents: &[usize], filter: u16, words: &[u32], bytes: usize, runs: usize) -> Result<Passed> {
        ensure!(bytes <= LARGEST, "not measured on more than {} MiB at once: h5repack would cut the chunk in pieces", LARGEST >> 20);
        let words = words.iter().map(u32::to_string).collect::<Vec<_>>();
        let seconds = self.there_and_back(extents, &format!("UD={filter},0,{},{}", words.len(), words.join(",")), runs)?;
        let stored = stored_bytes(&self.path("packed.h5"), NAME, filter, bytes)?;
        let copies = dataset::open(&self.path("out.h5"), Reading::Values)?;
        let values = copies.first().context("h5repack left out the data set")?.read()?;
        ensure!(values.len() == bytes, "{} bytes came back of {bytes}", values.len());
        Ok(Passed { stored, values, seconds })
    }

    fn there_and_back(&self, extents: &[usize], filter: &str, runs: usize) -> Result<Seconds> {
        let (_, write) = fastest(runs, || self.copy(&self.laid(extents), "packed.h5", &format!("CHUNK={}", chunk(extents)), filter))?;
        let (_, read) = fastest(runs, || self.copy(&self.path("packed.h5"), "out.h5", "CONTI", "NONE"))?;
        Ok([write, read])
    }

    fn copy(&self, from: &PathBuf, to: &str, layout: &str, filter: &str) -> Result<String> {
        let options = ["-l", &format!("{NAME}:{layout}"), "-f", &format!("{NAME}:{filter}")].map(String::from);
        tool::run(Command::new("h5repack").args(options).arg(from).arg(self.path(to)))
    }
}

fn chunk(extents: &[usize]) -> String {
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}
