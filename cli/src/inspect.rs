//! `caesar inspect`: what lies in the streams of a file, read from their headers.

use crate::dataset::{self, DataSet};
use crate::hdf5::Reading;
use crate::text;
use anyhow::{Result, bail};
use caesar_codec::{Element, Inspection};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Inspect {
    /// An HDF5 or netCDF-4 file, and a data set
    #[arg(value_name = "FILE[:NAME]")]
    file: PathBuf,
    /// Only this data set
    dataset: Option<String>,
    /// One line for each tile
    #[arg(short, long)]
    verbose: bool,
}

impl Inspect {
    /// Whether all of it could be read.
    pub fn run(self) -> Result<bool> {
        let (path, name) = dataset::target(&self.file);
        let sets = dataset::open(path, Reading::Headers)?;
        let wanted = self.dataset.as_deref().or(name).map(|name| name.trim_start_matches('/'));
        let chosen: Vec<&DataSet> = sets.iter().filter(|set| wanted.is_none_or(|name| set.name == name)).collect();
        if let (Some(name), true) = (wanted, chosen.is_empty()) {
            bail!("{} has no data set \"{name}\"", path.display());
        }
        let (ours, others): (Vec<&DataSet>, Vec<&DataSet>) = chosen.into_iter().partition(|set| set.is_ours());
        let mut is_sound = true;
        for set in ours {
            if set.chunk.is_none() || !set.is_comparable() {
                println!("{}: strings of variable length or references, which lie elsewhere; the filter keeps the addresses\n", set.name);
                continue;
            }
            match Summary::of(set) {
                Ok(summary) => summary.print(set, self.verbose),
                Err(error) => {
                    is_sound = false;
                    println!("{}: cannot be read: {}\n", set.name, text::error(&error));
                }
            }
        }
        if !others.is_empty() {
            println!("without caesar filter: {}", others.iter().map(|set| set.name.as_str()).collect::<Vec<_>>().join(" "));
        }
        Ok(is_sound)
    }
}

/// All streams of a data set.
struct Summary {
    streams: Vec<(Vec<usize>, Inspection)>,
    stored: usize,
    /// Chunks that the host stored without the filter, or that were never written.
    raw: usize,
    empty: usize,
}

impl Summary {
    fn of(set: &DataSet) -> Result<Self> {
        let (count, stored) = set.stored()?;
        let mut summary = Summary { streams: vec![], stored: 0, raw: 0, empty: count };
        for chunk in stored {
            let chunk = chunk?;
            // A damaged index may name more places than there are.
            summary.empty = summary.empty.saturating_sub(1);
            match chunk.stream {
                Some(stream) => {
                    summary.stored += stream.stored;
                    summary.streams.push((chunk.start, stream.inspection));
                }
                None => summary.raw += 1,
            }
        }
        Ok(summary)
    }

    fn print(&self, set: &DataSet, verbose: bool) {
        let inspections = || self.streams.iter().map(|(_, inspection)| inspection);
        println!("{}  {} {}", set.name, text::element(set.layout.element), text::shape(&set.layout.shape));
        let line = |title: &str, words: String| println!("  {title:<10}{words}");

        let chunk = set.chunk.as_deref().unwrap_or(&set.layout.shape);
        let mut chunks = format!("{} of {}", self.streams.len(), text::shape(chunk));
        if !self.streams.is_empty() {
            chunks += &format!(", stream version {}", distinct(inspections().map(|i| i.version.to_string())));
        }
        for (count, what) in [(self.raw, "stored without the filter"), (self.empty, "never written")] {
            if count > 0 {
                chunks += &format!("; {count} {what}");
            }
        }
        line("chunks", chunks);
        if let [first, others @ ..] = &set.filters[..] && !others.is_empty() {
            line("filters", others.iter().fold(first.name.clone(), |names, filter| names + ", then " + &filter.name));
        }
        if self.streams.is_empty() {
            return println!();
        }
        let errors = || inspections().filter_map(|i| i.resolved_error);
        let (least, most) = errors().fold((f64::INFINITY, 0f64), |(a, b), e| (a.min(e), b.max(e)));
        let resolved = match () {
            () if errors().count() == 0 => "stored without loss".into(),
            () if least == most => format!("bins for {least:.4e}"),
            () => format!("bins for {least:.4e} to {most:.4e}"),
        };
        line("bound", format!("{} asked, {resolved}", distinct(inspections().map(|i| i.options.to_string()))));

        // Without the padding of edge chunks, which nobody asked to be stored.
        let values: usize = self.streams.iter().map(|(start, _)| set.within(start).iter().product::<usize>()).sum();
        let bytes = values * set.layout.element.size;
        let bits = |part: usize| part as f64 * 8.0 / values.max(1) as f64;
        let ratio = bytes as f64 / self.stored.max(1) as f64;
        line("size", format!("{bytes} → {} bytes, ratio {ratio:.2}, {:.3} bits a value", self.stored, bits(self.stored)));

        let tiles = || inspections().flat_map(|i| &i.tiles);
        let parts = [
            ("method", tiles().map(|t| t.method_bytes).sum()),
            ("mask", tiles().map(|t| t.mask_bytes).sum()),
            ("signs", tiles().map(|t| t.sign_bytes).sum()),
            ("exceptions", tiles().map(|t| t.exception_bytes).sum()),
            ("overhead", inspections().map(|i| i.overhead_bytes).sum::<usize>()),
        ];
        let parts = parts.iter().filter(|(_, part)| *part > 0).map(|&(name, part)| format!("{name} {:.3}", bits(part)));
        line("bits", parts.collect::<Vec<_>>().join(", "));

        let coded: usize = tiles().map(|t| t.shape.iter().product::<usize>()).sum();
        let mut methods = BTreeMap::<&str, (usize, usize)>::new();
        for tile in tiles() {
            let (count, points) = methods.entry(tile.method.name()).or_default();
            *count += 1;
            *points += tile.shape.iter().product::<usize>();
        }
        let methods = methods.iter().map(|(name, (count, points))| {
            format!("{name} {count} tile{} ({:.0} %)", if *count == 1 { "" } else { "s" }, *points as f64 * 100.0 / coded.max(1) as f64)
        });
        line("methods", methods.collect::<Vec<_>>().join(", "));
        let models = distinct(tiles().filter_map(|t| t.model).map(|model| model.to_string()));
        if !models.is_empty() {
            line("models", models);
        }
        let specials = distinct(inspections().flat_map(|i| i.specials.iter().map(|&bits| special(bits, i.layout.element))));
        if !specials.is_empty() {
            line("specials", specials);
        }
        if verbose {
            println!("\n{}", self.tiles());
        }
        println!();
    }

    fn tiles(&self) -> comfy_table::Table {
        let header = ["chunk at", "tile at", "shape", "method", "model", "bytes", "bits", "mask", "signs", "exceptions"];
        let rows = self.streams.iter().flat_map(|(start, inspection)| {
            inspection.tiles.iter().map(move |tile| {
                let points = tile.shape.iter().product::<usize>().max(1);
                [
                    join(start),
                    join(&tile.start),
                    text::shape(&tile.shape),
                    tile.method.name().into(),
                    tile.model.map(|model| model.to_string()[..8].to_owned()).unwrap_or_default(),
                    tile.bytes().to_string(),
                    format!("{:.3}", tile.bytes() as f64 * 8.0 / points as f64),
                    tile.mask_bytes.to_string(),
                    tile.sign_bytes.to_string(),
                    tile.exception_bytes.to_string(),
                ]
            })
        });
        text::table(header, 5, rows)
    }
}

fn join(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// The different ones among some words, in the order in which they come.
fn distinct(words: impl Iterator<Item = String>) -> String {
    let mut seen = Vec::new();
    for word in words {
        if !seen.contains(&word) {
            seen.push(word);
        }
    }
    seen.join(", ")
}

fn special(bits: u64, element: Element) -> String {
    let value = if element.size == 4 { f32::from_bits(bits as u32).into() } else { f64::from_bits(bits) };
    if value.is_nan() { format!("NaN {bits:#x}") } else { format!("{value:e}") }
}
