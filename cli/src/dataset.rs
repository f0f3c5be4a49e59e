//! A data set of an HDF5, netCDF-4 or classic netCDF file: its layout, its values, its chunks.

use crate::classic;
use crate::hdf5::{self, Reading};
use anyhow::{Context, Result, ensure};
use caesar_codec::{ByteOrder, Inspection, Kind, Layout};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// A filter of a data set's pipeline.
#[derive(Debug, Clone)]
pub struct Filter {
    pub id: u16,
    pub name: String,
}

/// Attributes that declare a fill value: netCDF's, and an older one.
pub(crate) const FILLS: [&str; 2] = ["_FillValue", "missing_value"];

pub struct DataSet {
    /// Path within the file, without a leading slash.
    pub name: String,
    /// Numbers are handed out in little-endian order whatever the file has.
    pub layout: Layout,
    /// Extents of a chunk.
    pub chunk: Option<Vec<usize>>,
    /// In the order in which they are applied on writing.
    pub filters: Vec<Filter>,
    /// Bit patterns of the values that are declared as fills of floats: HDF5's own, which stands where nothing was written, and those
    /// of the attributes.
    pub fills: Vec<u64>,
    /// A netCDF coordinate variable or a bare dimension.
    pub is_scale: bool,
    /// The attribute of that name.
    pub units: Option<String>,
    pub(crate) source: Source,
}

pub(crate) enum Source {
    Hdf5(Box<hdf5::Handle>),
    Classic(classic::Handle),
    /// References and sequences of variable length, which mean something within their file only; text of classic netCDF.
    Opaque,
}

/// One chunk, decoded; a data set that is not chunked is a single one.
pub struct Chunk {
    pub start: Vec<usize>,
    /// All of it, padding beyond the data set's edge included.
    pub bytes: Vec<u8>,
    /// Bit i set: the host left out filter i of the pipeline.
    pub filter_mask: u32,
    /// What the filter read, when it was ours.
    pub stream: Option<Stream>,
}

pub struct Stream {
    /// Length in bytes.
    pub stored: usize,
    pub inspection: Inspection,
}

/// FILE, or FILE:NAME where no file has that whole name.
pub fn target(target: &Path) -> (&Path, Option<&str>) {
    match target.to_str().and_then(|words| words.rsplit_once(':')) {
        Some((file, name)) if !target.exists() => (Path::new(file), Some(name)),
        _ => (target, None),
    }
}

/// All data sets of a file in the order of their names.
pub fn open(path: &Path, reading: Reading) -> Result<Vec<DataSet>> {
    let mut magic = [0; 3];
    let file = File::open(path).and_then(|mut file| file.read(&mut magic));
    file.with_context(|| format!("cannot open {}", path.display()))?;
    let is_classic = &magic == b"CDF";
    ensure!(!is_classic || reading == Reading::Values, "{}: classic netCDF has no filters; nccopy -k nc4 makes a file that can", path.display());
    let mut sets = if is_classic { classic::open(path) } else { hdf5::open(path, reading) }
        .with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(!sets.is_empty(), "{} has no data sets: it is empty, or its directory is damaged", path.display());
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sets)
}

/// Chunks, one after the other.
type Chunks<'a> = Box<dyn Iterator<Item = Result<Chunk>> + 'a>;

impl DataSet {
    /// Whether the values can be compared with those of another file at all.
    pub fn is_comparable(&self) -> bool {
        !matches!(self.source, Source::Opaque)
    }

    /// Whether our filter is in the pipeline.
    pub fn is_ours(&self) -> bool {
        self.filters.iter().any(|filter| filter.id == hdf5::FILTER)
    }

    /// The extents of the part of a chunk that lies within the data set; the rest is padding.
    pub fn within(&self, start: &[usize]) -> Vec<usize> {
        let shape = &self.layout.shape;
        let chunk = self.chunk.as_ref().unwrap_or(shape);
        (0..shape.len()).map(|axis| chunk[axis].min(shape[axis] - start[axis])).collect()
    }

    /// All values.
    pub fn read(&self) -> Result<Vec<u8>> {
        let bytes = match &self.source {
            Source::Hdf5(handle) => handle.read()?,
            Source::Classic(handle) => return handle.read(&self.name),
            Source::Opaque => vec![],
        };
        Ok(self.little_endian(bytes))
    }

    /// The values in a box of floats.
    pub fn read_box(&self, start: &[usize], count: &[usize]) -> Result<Vec<u8>> {
        ensure!(self.layout.element.is_bounded(), "parts are read of floats only");
        match &self.source {
            Source::Hdf5(handle) => handle.read_box(self.layout.element.size, start, count),
            Source::Classic(handle) => handle.read_box(&self.name, self.layout.element.size, start, count),
            Source::Opaque => Ok(vec![]),
        }
    }

    /// How many chunks the extent has, and those of them that were written; none of what is not in chunks.
    pub fn stored(&self) -> Result<(usize, Chunks<'_>)> {
        let (Source::Hdf5(handle), Some(chunk)) = (&self.source, &self.chunk) else {
            return Ok((0, Box::new(std::iter::empty())));
        };
        let along = self.layout.shape.iter().zip(chunk).map(|(extent, chunk)| extent.div_ceil((*chunk).max(1)));
        Ok((along.fold(1, usize::saturating_mul), Box::new(handle.stored(&self.layout)?)))
    }

    /// Every chunk of the extent; those that were never written consist of fill values.
    pub fn chunks(&self) -> Result<Chunks<'_>> {
        match (&self.source, &self.chunk) {
            (Source::Hdf5(handle), Some(shape)) => {
                let chunks = handle.chunks(&self.layout, shape)?;
                Ok(Box::new(chunks.map(|chunk| chunk.map(|c| Chunk { bytes: self.little_endian(c.bytes), ..c }))))
            }
            _ => {
                let start = vec![0; self.layout.shape.len()];
                let whole = Chunk { start, bytes: self.read()?, filter_mask: 0, stream: None };
                Ok(Box::new(std::iter::once(Ok(whole))))
            }
        }
    }

    pub(crate) fn little_endian(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let element = self.layout.element;
        if element.order == ByteOrder::Big && element.kind != Kind::Opaque && element.size > 1 {
            bytes.chunks_exact_mut(element.size).for_each(<[u8]>::reverse);
        }
        bytes
    }
}
