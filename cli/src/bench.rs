//! `caesar bench`: ratio, error and speed of every method on a user's own data, beside other compressors.

mod axes;
mod chart;
mod choice;
mod clock;
mod field;
mod map;
mod ours;
mod peers;
mod repack;
mod report;
mod svg;

use crate::dataset;
use crate::hdf5::Reading;
use crate::text;
use anyhow::{Context, Result, bail};
use caesar_codec::{Bound, Effort, MethodChoice, Options};
use field::Field;
use peers::{PEERS, Peer, Peers};
use report::Row;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Measures ratio, error and speed.
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub struct Bench {
    /// An HDF5, netCDF-4 or classic netCDF file, and a variable; without one, every variable that is worth compressing
    #[arg(value_name = "FILE[:VARIABLE]")]
    target: String,
    /// Bounds to try: abs=1e-3, rel=1e-4, pw_rel=1e-2, nrmse=1e-4, psnr=80, lossless
    #[arg(default_values = ["rel=1e-2", "rel=1e-3", "rel=1e-4", "rel=1e-5", "lossless"])]
    bounds: Vec<Options>,
    /// Measure these only: auto, interpolation, srn-sz, caesar-v, SZ3, SPERR, zfp
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    method: Vec<Method>,
    /// With these efforts only: fast, balanced, best
    #[arg(long, value_delimiter = ',', value_name = "NAMES", value_parser = effort)]
    effort: Vec<Effort>,
    /// Take the middle of a variable that is larger than so many MiB; 0: take all of it
    #[arg(long, default_value_t = 32, value_name = "MIB")]
    limit: usize,
    /// Write every measurement as a line of comma-separated values
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw rate against distortion
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Draw a plane, the same after compression under the first bound, and its error in units of the bound
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Turn the map upside down; without, its first row is at the top, or at the bottom where a latitude grows
    #[arg(long, requires = "map")]
    flip: bool,
}

const HELP: &str = "SZ3, SPERR and zfp are measured through h5repack where it finds their plugins:
  pip install hdf5plugin
  export HDF5_PLUGIN_PATH=$(python -c \"import hdf5plugin; print(hdf5plugin.PLUGIN_PATH)\")";

/// The methods that compete under a bound, in the order of the table.
const OURS: [MethodChoice; 4] = [MethodChoice::Auto, MethodChoice::Interpolation, MethodChoice::SrnSz, MethodChoice::CaesarV];
const EFFORTS: [Effort; 3] = [Effort::Fast, Effort::Balanced, Effort::Best];

/// One who takes part.
#[derive(Clone, Copy, PartialEq)]
enum Method {
    Ours(MethodChoice),
    Peer(&'static Peer),
}

impl FromStr for Method {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let everybody = OURS.map(Method::Ours).into_iter().chain(PEERS.iter().map(Method::Peer));
        let found = everybody.clone().find(|method| method.name().eq_ignore_ascii_case(name));
        found.with_context(|| format!("there is {}", everybody.map(Method::name).collect::<Vec<_>>().join(", ")))
    }
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Ours(method) => method.name(),
            Method::Peer(peer) => peer.name,
        }
    }
}

fn effort(name: &str) -> Result<Effort, caesar_codec::Error> {
    format!("effort={name}").parse::<Options>().map(|options| options.effort)
}

impl Bench {
    pub fn run(self) -> Result<()> {
        if let Some(spec) = self.bounds.iter().find(|spec| **spec != Options::new(spec.bound)) {
            bail!("\"{spec}\": give methods and efforts by --method and --effort, and a bound alone");
        }
        let lossy = self.bounds.iter().map(|spec| spec.bound).find(|bound| *bound != Bound::Lossless);
        if self.map.is_some() && lossy.is_none() {
            bail!("--map needs a bound: lossless leaves no error to draw");
        }
        let (path, variable) = target(&self.target);
        let sets = dataset::open(path, Reading::Values)?;
        let chosen = choice::choose(path, &sets, variable)?;
        let output = |asked: &Option<PathBuf>, name: &str| asked.as_deref().map(|path| numbered(path, name, chosen.len()));
        // What cannot be written is told before minutes are spent.
        let mut csv = self.csv.as_deref().map(|path| Ok::<_, anyhow::Error>(csv::Writer::from_writer(create(path)?))).transpose()?;
        for set in &chosen {
            [&self.svg, &self.map].into_iter().filter_map(|asked| output(asked, &set.name)).try_for_each(|path| create(&path).map(drop))?;
        }
        let peers = if self.wants_peers() { Some(Peers::find()?) } else { None };
        for set in &chosen {
            let field = Field::read(set, &sets, self.limit << 20)?;
            println!("{}", field.describe());
            let rows = self.measure(&field, peers.as_ref())?;
            report::print(&rows, peers.as_ref().map_or(&[], |peers| &peers.notes));
            if let Some(csv) = &mut csv {
                rows.iter().filter(|row| row.failure.is_none()).try_for_each(|row| csv.serialize(row))?;
                csv.flush()?;
            }
            if let Some(path) = output(&self.svg, &set.name) {
                write(&path, chart::draw(&field, &rows))?;
            }
            if let (Some(path), Some(bound)) = (output(&self.map, &set.name), lossy) {
                write(&path, map::draw(&field, bound, field.rows_go_up != self.flip)?)?;
            }
        }
        Ok(())
    }

    fn wants_peers(&self) -> bool {
        self.bounds.iter().any(|spec| peers::can(spec.bound)) && PEERS.iter().any(|peer| self.wants(Method::Peer(peer)))
    }

    fn wants(&self, method: Method) -> bool {
        self.method.is_empty() || self.method.contains(&method)
    }

    /// Everything that is asked for on one field, bound by bound.
    fn measure(&self, field: &Field, peers: Option<&Peers>) -> Result<Vec<Row>> {
        let contest = peers.filter(|peers| peers.present().next().is_some()).map(|peers| peers.on(field)).transpose()?;
        let runs: Vec<(Bound, Method, Effort)> = self.bounds.iter().flat_map(|spec| self.runs(spec.bound, peers)).collect();
        let progress = text::progress((runs.len() * field.bytes.len()) as u64);
        let mut rows = Vec::new();
        for (bound, method, effort) in runs {
            progress.set_message(format!("{} {}", Options::new(bound), method.name()));
            rows.push(match (method, &contest) {
                (Method::Ours(method), _) => ours::measure(field, Options { bound, method, effort }),
                (Method::Peer(peer), Some(contest)) => contest.measure(peer, bound),
                (Method::Peer(_), None) => continue,
            });
            progress.inc(field.bytes.len() as u64);
        }
        progress.finish_and_clear();
        Ok(rows)
    }

    fn runs(&self, bound: Bound, peers: Option<&Peers>) -> Vec<(Bound, Method, Effort)> {
        let methods = if bound == Bound::Lossless { &[MethodChoice::Lossless][..] } else { &OURS };
        let methods = methods.iter().filter(|&&method| bound == Bound::Lossless || self.wants(Method::Ours(method)));
        let wanted = |effort: &Effort| self.effort.is_empty() || self.effort.contains(effort);
        let ours = methods.flat_map(|&method| EFFORTS.into_iter().filter(wanted).map(move |effort| (bound, Method::Ours(method), effort)));
        let peers = peers.iter().flat_map(|peers| peers.present()).filter(|peer| self.wants(Method::Peer(peer)) && peers::can(bound));
        ours.chain(peers.map(|peer| (bound, Method::Peer(peer), Effort::Balanced))).collect()
    }
}

/// FILE, or FILE:VARIABLE where no file has that whole name.
fn target(target: &str) -> (&Path, Option<&str>) {
    match target.rsplit_once(':') {
        Some((file, variable)) if !Path::new(target).exists() => (Path::new(file), Some(variable)),
        _ => (Path::new(target), None),
    }
}

/// `plot.svg`, or `plot-temp.svg` where there is one for each of several variables.
fn numbered(path: &Path, variable: &str, count: usize) -> PathBuf {
    if count == 1 {
        return path.into();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{}{extension}", variable.replace('/', "-")))
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn write(path: &Path, text: String) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
