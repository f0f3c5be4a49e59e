//! `caesar verify`: did a file keep its bounds, and was it compressed at all?

use crate::compare::{self, Comparison, Pair};
use crate::dataset::{self, Chunk, DataSet};
use crate::hdf5::{FILTER, Reading};
use crate::text;
use anyhow::{Result, bail};
use caesar_codec::{Bound, Options};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Verify {
    /// The file before compression: HDF5, netCDF-4 or classic netCDF; and a data set, as with --dataset
    #[arg(value_name = "ORIGINAL[:NAME]")]
    original: PathBuf,
    /// The file after compression: HDF5 or netCDF-4
    copy: PathBuf,
    /// The bound that every float data set must keep; without it, the one that each chunk says it was asked for
    spec: Option<Options>,
    /// Check this data set only; may be given several times
    #[arg(long, value_name = "NAME")]
    dataset: Vec<String>,
    /// Print one JSON object for each data set instead of a table
    #[arg(long)]
    json: bool,
}

/// What to do where a fill value did not come back.
const KEEP_FILLS: &str = "name it to the filter (fill=…, docs/cd-values.md), for nccopy may not pass it on and missing_value alone it \
                          never sees";

/// What is to be said of one data set.
#[derive(Serialize, Default)]
struct Row {
    dataset: String,
    #[serde(rename = "type")]
    element: String,
    shape: Vec<usize>,
    /// Bytes of the values over bytes stored, where our filter stored them.
    ratio: Option<f64>,
    bound: Option<String>,
    max_error: Option<f64>,
    error_over_bound: Option<f64>,
    psnr: Option<f64>,
    nrmse: Option<f64>,
    filters: Vec<String>,
    /// It ought to carry our filter, and does not.
    #[serde(skip)]
    is_bare: bool,
    /// Some value is not bit for bit the same.
    #[serde(skip)]
    is_changed: bool,
    /// What is wrong, in words; empty: all is well.
    faults: Vec<String>,
    notes: Vec<String>,
}

impl Verify {
    pub fn run(self) -> Result<bool> {
        let rows = self.rows()?;
        if self.json {
            rows.iter().try_for_each(|row| serde_json::to_string(row).map(|line| println!("{line}")))?;
        } else {
            print(&rows);
        }
        Ok(rows.iter().all(|row| row.faults.is_empty()))
    }

    fn rows(&self) -> Result<Vec<Row>> {
        let (original, name) = dataset::target(&self.original);
        let (copy, same) = dataset::target(&self.copy);
        let names: Vec<&str> = self.dataset.iter().map(String::as_str).chain(name).chain(same).collect();
        let originals = dataset::open(original, Reading::Values)?;
        let copies = dataset::open(copy, Reading::Values)?;
        if let Some(unknown) = names.iter().find(|name| originals.iter().all(|set| !is_named(set, name))) {
            bail!("{} has no data set \"{unknown}\"", original.display());
        }
        let chosen = |set: &&DataSet| names.is_empty() || names.iter().any(|name| is_named(set, name));
        let originals: Vec<&DataSet> = originals.iter().filter(chosen).collect();
        let bytes = originals.iter().map(|set| set.layout.byte_len().unwrap_or(0) as u64).sum();
        let progress = text::progress(bytes);
        let mut rows: Vec<Row> = originals
            .iter()
            .map(|original| {
                progress.set_message(original.name.clone());
                match copies.iter().find(|copy| copy.name == original.name) {
                    Some(copy) => verify(original, copy, self.spec.as_ref(), &progress),
                    None => Row { faults: vec!["missing in the copy".into()], ..Row::new(original) },
                }
            })
            .collect();
        progress.finish_and_clear();
        let is_touched = copies.iter().any(DataSet::is_ours) || rows.iter().any(|row| row.is_changed);
        rows.iter_mut().filter(|row| row.is_bare).for_each(|row| row.judge_bare(is_touched, !names.is_empty()));
        Ok(rows)
    }
}

/// What is wrong with a copy, for a caller that is no user.
pub fn faults(original: &Path, copy: &Path, spec: Options) -> Result<Vec<String>> {
    let verify = Verify { original: original.into(), copy: copy.into(), spec: Some(spec), dataset: vec![], json: false };
    Ok(verify.rows()?.into_iter().flat_map(|row| row.faults).collect())
}

fn is_named(set: &DataSet, name: &str) -> bool {
    set.name == name.trim_start_matches('/')
}

impl Row {
    fn new(set: &DataSet) -> Self {
        Row {
            dataset: set.name.clone(),
            element: text::element(set.layout.element),
            shape: set.layout.shape.clone(),
            ..Row::default()
        }
    }

    /// A data set without our filter. Some are left out on purpose, and decoded copies have none; but who names one wants it
    /// compressed, and where nothing in the copy ever was, tools were silent about a plugin that they did not find.
    fn judge_bare(&mut self, is_touched: bool, is_named: bool) {
        match self.is_changed {
            true => self.notes.push("carries no caesar filter: taken for a decoded copy".into()),
            false if !is_touched => self.faults.push("carries no caesar filter, like all of this file: see caesar doctor".into()),
            false if is_named => self.faults.push("carries no caesar filter".into()),
            false => self.notes.push("carries no caesar filter, and is bit for bit the same".into()),
        }
    }
}

fn verify(original: &DataSet, copy: &DataSet, spec: Option<&Options>, progress: &ProgressBar) -> Row {
    let mut row = Row::new(original);
    row.filters = copy.filters.iter().map(|filter| filter.name.clone()).collect();
    let (a, b) = (original.layout.element, copy.layout.element);
    if (a.kind, a.size) != (b.kind, b.size) {
        row.faults.push(format!("is {} in the copy", text::element(b)));
    } else if original.layout.shape != copy.layout.shape {
        row.faults.push(format!("has the shape {} in the copy", text::shape(&copy.layout.shape)));
    } else if !original.is_comparable() || !copy.is_comparable() {
        row.notes.push("values of this type are not compared".into());
    } else if let Err(error) = Check::new(copy, spec).run(original, &mut row, progress) {
        row.faults.push(text::error(&error));
    }
    row
}

/// The comparison of one data set with its original.
struct Check<'a> {
    copy: &'a DataSet,
    spec: Option<&'a Options>,
    /// Our filter's place in the pipeline.
    place: Option<usize>,
    total: Comparison,
    /// Bounds that the chunks were asked for.
    asked: Vec<Bound>,
    /// Bytes that our filter stored, and of the values that they are.
    stored: usize,
    bytes: usize,
    chunks: usize,
    raw: Vec<String>,
}

impl<'a> Check<'a> {
    fn new(copy: &'a DataSet, spec: Option<&'a Options>) -> Self {
        let place = copy.filters.iter().position(|filter| filter.id == FILTER);
        let total = Comparison::default();
        Check { copy, spec, place, total, asked: vec![], stored: 0, bytes: 0, chunks: 0, raw: vec![] }
    }

    fn run(mut self, original: &DataSet, row: &mut Row, progress: &ProgressBar) -> Result<()> {
        let values = original.read()?;
        for chunk in self.copy.chunks()? {
            let chunk = chunk?;
            progress.inc(self.add(original, &values, &chunk) as u64);
        }
        self.report(original, row);
        Ok(())
    }

    /// Compares one chunk; returns the bytes of values in it.
    fn add(&mut self, original: &DataSet, values: &[u8], chunk: &Chunk) -> usize {
        let element = original.layout.element;
        let shape = &original.layout.shape;
        self.chunks += 1;
        if self.place.is_some_and(|place| chunk.filter_mask >> place & 1 == 1) {
            self.raw.push(format!("{:?}", chunk.start));
        }
        let stream = chunk.stream.as_ref();
        let within = self.copy.within(&chunk.start);
        if let Some(stream) = stream {
            self.stored += stream.stored;
            self.bytes += within.iter().product::<usize>() * element.size;
            let bound = stream.inspection.options.bound;
            if !self.asked.contains(&bound) {
                self.asked.push(bound);
            }
        }
        let bound = self.spec.map(|spec| spec.bound).or(stream.map(|s| s.inspection.options.bound));
        let specials = stream.map_or(&[][..], |s| &s.inspection.specials);
        let fills = &original.fills[..];
        let (whole, copy);
        let (original, copy) = match &self.copy.chunk {
            None => (values, &chunk.bytes[..]),
            Some(extents) => {
                let origin = vec![0; shape.len()];
                whole = compare::inside(values, element.size, shape, &chunk.start, &within);
                copy = compare::inside(&chunk.bytes, element.size, extents, &origin, &within);
                (&whole[..], &copy[..])
            }
        };
        self.total.add(&Comparison::of(&Pair { element, original, copy, shape: &within, specials, fills, bound }));
        original.len()
    }

    fn report(self, original: &DataSet, row: &mut Row) {
        let Check { copy, spec, place, total, asked, stored, bytes, chunks, raw } = self;
        let is_bounded = copy.layout.element.is_bounded();
        let is_scale = copy.is_scale || original.is_scale;
        if is_bounded {
            row.max_error = Some(total.max_error);
            row.error_over_bound = total.used;
            (row.psnr, row.nrmse) = (total.psnr(), total.nrmse());
            let bounds: Vec<String> = match spec {
                Some(spec) => vec![Options::new(spec.bound).to_string()],
                None => asked.iter().map(|&bound| Options::new(bound).to_string()).collect(),
            };
            row.bound = Some(bounds.join(" or ")).filter(|words| !words.is_empty());
        }
        row.is_changed = total.changed > 0;
        row.ratio = (stored > 0).then(|| bytes as f64 / stored as f64);

        // A coordinate or a scalar is not worth a filter; h5repack and nccopy leave some of them plain.
        let needs_filter = is_bounded && !is_scale && !copy.layout.shape.is_empty() && copy.layout.len() != Ok(0);
        match place {
            None => row.is_bare = needs_filter,
            Some(place) if place > 0 => row.notes.push(format!(
                "{} comes before caesar, which then stores plain bytes without loss",
                copy.filters[place - 1].name
            )),
            _ => {}
        }
        if !raw.is_empty() {
            let named = raw.iter().take(4).cloned().collect::<Vec<_>>().join(" ");
            let more = if raw.len() > 4 { " …" } else { "" };
            row.faults.push(format!("{} of {chunks} chunks were stored without the filter: {named}{more}", raw.len()));
        }
        if is_scale && total.changed > 0 {
            row.notes.push("a coordinate was changed within the bound: name the variables to compress".into());
        }
        match total.used {
            Some(used) if used > 1.0 || used.is_nan() => row.faults.push(format!("the bound is broken: error/bound {used:.6}")),
            None if is_bounded && total.changed > 0 => row.faults.push("values differ, and no bound is known".into()),
            _ => {}
        }
        if total.broken > 0 {
            let what = if is_bounded && total.points > 0 { "values that must stay as they are (NaN, infinite, lossless)" } else { "values" };
            row.faults.push(format!("{} {what} differ", total.broken));
        }
        if total.unmasked > 0 {
            row.faults.push(format!("{} values equal to the declared fill value were changed: {KEEP_FILLS}", total.unmasked));
        }
    }
}

fn print(rows: &[Row]) {
    let header = ["data set", "type", "shape", "filters", "bound", "ratio", "max error", "error/bound", "PSNR", "NRMSE", ""];
    let exact = |x: f64| if x == 0.0 { "0".into() } else { format!("{x:.3e}") };
    let cells = rows.iter().map(|row| {
        [
            row.dataset.clone(),
            row.element.clone(),
            text::shape(&row.shape),
            if row.filters.is_empty() { "none".into() } else { row.filters.join("+") },
            row.bound.clone().unwrap_or_else(|| "–".into()),
            text::number(row.ratio, |x| format!("{x:.2}")),
            text::number(row.max_error, exact),
            text::number(row.error_over_bound, |x| format!("{x:.4}")),
            text::number(row.psnr, |x| if x.is_infinite() { "∞".into() } else { format!("{x:.1}") }),
            text::number(row.nrmse, exact),
            if row.faults.is_empty() { "ok".into() } else { "FAULT".into() },
        ]
    });
    println!("{}", text::table(header, 5, cells));
    for row in rows {
        row.faults.iter().for_each(|fault| println!("FAULT  {}: {fault}", row.dataset));
        row.notes.iter().for_each(|note| println!("note   {}: {note}", row.dataset));
    }
    let is_relative = |row: &Row| row.bound.iter().flat_map(|b| b.split(" or ")).any(|b| ["rel", "nrmse", "psnr", "patch"].iter().any(|m| b.starts_with(m)));
    if rows.iter().any(is_relative) {
        println!("rel, nrmse, psnr and those of patches were checked chunk by chunk, against the range of each chunk; PSNR and NRMSE are those of the whole.");
    }
}
