//! HDF5 files, read without the HDF5 library: our own chunks go to the codec, which sees each stream on the way.

use crate::compare::Value;
use crate::dataset::{Chunk, DataSet, FILLS, Filter, Source, Stream};
use anyhow::{Context, Result, anyhow};
use caesar_codec::threads::Share;
use caesar_codec::{ByteOrder, Codec, Element, Kind, Layout};
use h5zcaesar::ID;
use hdf5_reader::error::Error;
use hdf5_reader::filters::FilterFn;
use hdf5_reader::group::Group;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::datatype::{StringSize, VarLenKind};
use hdf5_reader::{Dataset, Datatype, FilterRegistry, HDF5_MAX_CHUNK_BYTES, Hdf5File, OpenOptions, SliceInfo, SliceInfoElem};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The filter's number as HDF5 stores it.
pub const FILTER: u16 = ID as u16;

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Values,
    /// Only what the streams say of themselves: numbers come as zeros.
    Headers,
}

/// The stream that the filter read last.
type Tap = Arc<Mutex<Option<Stream>>>;

pub struct Handle {
    dataset: Dataset,
    is_text: bool,
    tap: Tap,
}

pub fn open(path: &Path, reading: Reading) -> Result<Vec<DataSet>> {
    let tap = Tap::default();
    let mut registry = FilterRegistry::new();
    registry.register(FILTER, decoder(reading, tap.clone()));
    let options = OpenOptions::default()
        .with_filter_registry(registry)
        .with_max_chunk_bytes(HDF5_MAX_CHUNK_BYTES)
        // Every chunk is read once, and the tap must see its stream.
        .with_chunk_cache_bytes(0);
    let file = Hdf5File::open_with_options(path, options).map_err(|error| match error {
        Error::InvalidMagic => anyhow!("neither HDF5 nor netCDF"),
        error => error.into(),
    })?;
    let mut sets = Vec::new();
    walk(&file.root_group()?, "", &mut HashSet::new(), &mut |name, dataset| {
        sets.push(describe(&file, name, dataset, &tap)?);
        Ok(())
    })?;
    Ok(sets)
}

fn decoder(reading: Reading, tap: Tap) -> FilterFn {
    Box::new(move |_, bytes, _| {
        let decode = || {
            let inspection = caesar_codec::inspect(bytes)?;
            let decoded = match reading {
                // What is no number may come from another filter, which has to read it.
                Reading::Headers if inspection.layout.element.kind != Kind::Opaque => {
                    vec![0; inspection.layout.byte_len()?.min(HDF5_MAX_CHUNK_BYTES)]
                }
                _ => {
                    let share = Share::take();
                    Codec::new(caesar_onnx::models()).threads(share.threads()).decode(bytes)?.bytes
                }
            };
            Ok((decoded, inspection))
        };
        let (decoded, inspection) = decode().map_err(|e: caesar_codec::Error| Error::FilterError(e.to_string()))?;
        *tap.lock().expect("no thread panics while it holds the tap") = Some(Stream { stored: bytes.len(), inspection });
        Ok(decoded)
    })
}

/// Bytes that a foreign filter stored in a data set of one chunk, whose values are `bytes` long.
pub fn stored_bytes(path: &Path, name: &str, filter: u16, bytes: usize) -> Result<usize> {
    let stored = Arc::new(Mutex::new(None));
    let tap = stored.clone();
    let mut registry = FilterRegistry::new();
    let measure: FilterFn = Box::new(move |_, chunk, _| {
        *tap.lock().expect("no thread panics while it holds the tap") = Some(chunk.len());
        Ok(vec![0; bytes])
    });
    registry.register(filter, measure);
    let options = OpenOptions::default().with_filter_registry(registry).with_max_chunk_bytes(HDF5_MAX_CHUNK_BYTES);
    Hdf5File::open_with_options(path, options)?.dataset(name)?.read_raw_bytes()?;
    let stored = *stored.lock().expect("no thread panics while it holds the tap");
    stored.context("the filter failed, and HDF5 stored the values without it")
}

/// Visits every data set below a group once; a group that contains itself through a link ends the way.
fn walk(
    group: &Group,
    path: &str,
    seen: &mut HashSet<u64>,
    visit: &mut impl FnMut(String, Dataset) -> Result<()>,
) -> Result<()> {
    if !seen.insert(group.address()) {
        return Ok(());
    }
    let (groups, datasets) = group.members()?;
    for dataset in datasets {
        visit(format!("{path}{}", dataset.name()), dataset)?;
    }
    for child in groups {
        walk(&child, &format!("{path}{}/", child.name()), seen, visit)?;
    }
    Ok(())
}

fn describe(file: &Hdf5File, name: String, dataset: Dataset, tap: &Tap) -> Result<DataSet> {
    let header = file.get_or_parse_header(dataset.address())?;
    let pipeline = header.messages.iter().find_map(|message| match message {
        HdfMessage::FilterPipeline(pipeline) => Some(&pipeline.filters[..]),
        _ => None,
    });
    let filters = pipeline.unwrap_or_default().iter().map(|f| Filter { id: f.id, name: filter_name(f.id, f.name.as_deref()) });
    let is_text = is_text(dataset.dtype());
    let element = element(&dataset).with_context(|| name.clone())?;
    let set = DataSet {
        layout: Layout::new(element, dataset.shape().iter().map(|&n| n as usize).collect::<Vec<_>>()),
        chunk: dataset.chunks().filter(|_| !is_text).map(|c| c.iter().map(|&n| n as usize).collect()),
        filters: filters.collect(),
        fills: vec![],
        is_scale: dataset.attribute("CLASS").is_ok_and(|a| a.read_string().is_ok_and(|s| s == "DIMENSION_SCALE")),
        units: dataset.attribute("units").ok().and_then(|units| units.read_string().ok()),
        source: Source::Opaque,
        name,
    };
    let stored_fill = dataset.fill_value().and_then(|fill| fill.value.clone());
    let stored_fill = stored_fill.filter(|fill| fill.len() == element.size && element.is_bounded());
    let attributes = FILLS.iter().filter_map(|name| dataset.attribute(name).ok()?.read_as_f64().ok());
    let numbers = attributes.chain(stored_fill.map(|bytes| Value::of(&set.little_endian(bytes)).number));
    let fills = numbers.filter_map(|number| element.bits_of(number)).collect();
    let is_reference = matches!(dataset.dtype(), Datatype::Reference { .. } | Datatype::VarLen { .. }) && !is_text;
    let source = if is_reference { Source::Opaque } else { Source::Hdf5(Box::new(Handle { dataset, is_text, tap: tap.clone() })) };
    Ok(DataSet { fills, source, ..set })
}

fn filter_name(id: u16, name: Option<&str>) -> String {
    match id {
        FILTER => "caesar".into(),
        1 => "deflate".into(),
        2 => "shuffle".into(),
        3 => "fletcher32".into(),
        4 => "szip".into(),
        5 => "nbit".into(),
        6 => "scaleoffset".into(),
        _ => name.and_then(|n| n.split([' ', ';']).next()).filter(|n| !n.is_empty()).map_or_else(|| id.to_string(), str::to_owned),
    }
}

fn is_text(datatype: &Datatype) -> bool {
    matches!(
        datatype,
        Datatype::String { size: StringSize::Variable, .. } | Datatype::VarLen { kind: VarLenKind::String, .. }
    )
}

fn element(dataset: &Dataset) -> Result<Element> {
    let little = |order: hdf5_reader::ByteOrder| match order {
        hdf5_reader::ByteOrder::LittleEndian => ByteOrder::Little,
        hdf5_reader::ByteOrder::BigEndian => ByteOrder::Big,
    };
    let (kind, order) = match dataset.dtype() {
        Datatype::FloatingPoint { byte_order, .. } => (Kind::Float, little(*byte_order)),
        Datatype::FixedPoint { signed: true, byte_order, .. } => (Kind::Signed, little(*byte_order)),
        Datatype::FixedPoint { byte_order, .. } => (Kind::Unsigned, little(*byte_order)),
        _ => (Kind::Opaque, ByteOrder::Little),
    };
    let size = if is_text(dataset.dtype()) { DIGEST } else { dataset.raw_element_size()? };
    Ok(Element { kind, size, order })
}

/// Bytes of a digest.
const DIGEST: usize = 8;

/// What stands for a string wherever values have one size.
fn digest(string: &str) -> [u8; DIGEST] {
    let mut hasher = DefaultHasher::new();
    string.hash(&mut hasher);
    hasher.finish().to_le_bytes()
}

impl Handle {
    /// All values in the file's byte order; of each string of variable length a digest.
    pub fn read(&self) -> Result<Vec<u8>> {
        if self.is_text {
            let strings = self.dataset.read_strings()?;
            return Ok(strings.iter().flat_map(|string| digest(string)).collect());
        }
        Ok(self.dataset.read_raw_bytes()?)
    }

    /// Floats of `size` bytes in a box, little-endian.
    pub fn read_box(&self, size: usize, start: &[usize], count: &[usize]) -> Result<Vec<u8>> {
        let axes = start.iter().zip(count).map(|(&start, &count)| SliceInfoElem::Slice {
            start: start as u64,
            end: (start + count) as u64,
            step: 1,
        });
        let part = SliceInfo { selections: axes.collect() };
        Ok(match size {
            4 => self.dataset.read_slice::<f32>(&part)?.iter().flat_map(|x| x.to_le_bytes()).collect(),
            _ => self.dataset.read_slice::<f64>(&part)?.iter().flat_map(|x| x.to_le_bytes()).collect(),
        })
    }

    /// The chunks that were written, each once.
    pub fn stored<'a>(&'a self, layout: &'a Layout) -> Result<impl Iterator<Item = Result<Chunk>> + use<'a>> {
        let mut seen = HashSet::new();
        Ok(self.dataset.iter_chunks()?.filter_map(move |chunk| {
            let stream = self.tap.lock().expect("no thread panics while it holds the tap").take();
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return Some(Err(error.into())),
            };
            let start: Vec<usize> = chunk.offsets().iter().map(|&n| n as usize).collect();
            // A damaged index may name places outside, or one place twice.
            let is_inside = start.iter().zip(&layout.shape).all(|(at, extent)| at < extent);
            let is_new = is_inside && seen.insert(start.clone());
            is_new.then(|| Ok(Chunk { start, bytes: chunk.bytes().to_vec(), filter_mask: chunk.filter_mask(), stream }))
        }))
    }

    /// Stored chunks, then those that were never written.
    pub fn chunks<'a>(&'a self, layout: &'a Layout, shape: &[usize]) -> Result<impl Iterator<Item = Result<Chunk>> + use<'a>> {
        let mut seen = HashSet::new();
        let mut stored = self.stored(layout)?.fuse();
        let mut grid = Grid::new(&layout.shape, shape);
        let points: usize = shape.iter().product();
        let fill = self.dataset.fill_value().and_then(|f| f.value.clone()).filter(|f| f.len() == layout.element.size);
        let fill = fill.unwrap_or_else(|| vec![0; layout.element.size]);
        Ok(std::iter::from_fn(move || {
            if let Some(chunk) = stored.next() {
                seen.extend(chunk.iter().map(|chunk| chunk.start.clone()));
                return Some(chunk);
            }
            let start = grid.by_ref().find(|start| !seen.contains(start))?;
            Some(Ok(Chunk { start, bytes: fill.repeat(points), filter_mask: 0, stream: None }))
        }))
    }
}

/// Where the chunks of an extent begin, in row-major order.
struct Grid {
    extent: Vec<usize>,
    chunk: Vec<usize>,
    next: Option<Vec<usize>>,
}

impl Grid {
    fn new(extent: &[usize], chunk: &[usize]) -> Self {
        let sound = !extent.contains(&0) && !chunk.contains(&0);
        Grid { extent: extent.into(), chunk: chunk.into(), next: sound.then(|| vec![0; extent.len()]) }
    }
}

impl Iterator for Grid {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let start = self.next.take()?;
        let mut following = start.clone();
        for axis in (0..start.len()).rev() {
            following[axis] += self.chunk[axis];
            if following[axis] < self.extent[axis] {
                self.next = Some(following);
                break;
            }
            following[axis] = 0;
        }
        Some(start)
    }
}
