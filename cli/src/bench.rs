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

use crate::dataset::{self, DataSet};
use crate::hdf5::Reading;
use crate::text;
use anyhow::{Context, Result, bail};
use caesar_codec::{Bound, Effort, MethodChoice, Options};
use field::Field;
use peers::{ADVICE, Contest, PEERS, Peers, Present};
use report::Row;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Measures ratio, error and speed.
#[derive(clap::Args)]
#[command(after_help = format!("SZ3, SPERR and zfp are measured where h5repack finds their plugins: {ADVICE}"))]
pub struct Bench {
    /// An HDF5, netCDF-4 or classic netCDF file, and a variable; without one, every variable that is worth compressing
    #[arg(value_name = "FILE[:VARIABLE]")]
    target: PathBuf,
    /// Bounds to try: abs=1e-3, rel=1e-4, pw_rel=1e-2, nrmse=1e-4, psnr=80, patch_nrmse=1e-4, patch_psnr=80, lossless
    #[arg(default_values = ["rel=1e-2", "rel=1e-3", "rel=1e-4", "rel=1e-5", "lossless"])]
    bounds: Vec<Options>,
    /// Measure these only: auto, interpolation, srn-sz, caesar-v, SZ3, SPERR, zfp
    #[arg(long, value_delimiter = ',', value_name = "NAMES", value_parser = method)]
    method: Vec<&'static str>,
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

/// The methods that compete under a bound, in the order of the table.
const OURS: [MethodChoice; 4] = [MethodChoice::Auto, MethodChoice::Interpolation, MethodChoice::SrnSz, MethodChoice::CaesarV];
const EFFORTS: [Effort; 3] = [Effort::Fast, Effort::Balanced, Effort::Best];

/// One who takes part.
enum Contender<'a> {
    Ours(MethodChoice, Effort),
    Peer(&'a Contest<'a>, &'a Present),
}

impl Contender<'_> {
    fn name(&self) -> &'static str {
        match self {
            Contender::Ours(method, _) => method.name(),
            Contender::Peer(_, present) => present.peer.name,
        }
    }

    fn measure(&self, field: &Field, bound: Bound) -> Row {
        match *self {
            Contender::Ours(method, effort) => ours::measure(field, Options { bound, method, effort, fill: None }),
            Contender::Peer(contest, present) => contest.measure(present, bound),
        }
    }
}

/// The name of a method, ours or a peer's, however it is capitalised.
fn method(name: &str) -> Result<&'static str> {
    let everybody = || OURS.iter().map(|method| method.name()).chain(PEERS.iter().map(|peer| peer.name));
    let found = everybody().find(|known| known.eq_ignore_ascii_case(name));
    found.with_context(|| format!("there is {}", everybody().collect::<Vec<_>>().join(", ")))
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
        let (path, variable) = dataset::target(&self.target);
        let sets = dataset::open(path, Reading::Values)?;
        let chosen = choice::choose(path, &sets, variable)?;
        let picture = |asked: &Option<PathBuf>, set: &DataSet| asked.as_deref().map(|path| path_for(path, &set.name, chosen.len() > 1));
        // What cannot be written is told before minutes are spent.
        let mut csv = match &self.csv {
            Some(path) => Some(csv::Writer::from_writer(create(path)?)),
            None => None,
        };
        let pictures = chosen.iter().flat_map(|set| [picture(&self.svg, set), picture(&self.map, set)]);
        pictures.flatten().try_for_each(|path| create(&path).map(drop))?;
        let peers = if self.wants_peers() { Some(Peers::find()?) } else { None };
        for set in &chosen {
            let field = Field::read(set, &sets, self.limit.saturating_mul(1 << 20))?;
            println!("{}", field.describe());
            let rows = self.measure(&field, peers.as_ref())?;
            report::print(&rows, peers.as_ref().map_or(&[], |peers| &peers.notes));
            if let Some(csv) = &mut csv {
                rows.iter().filter(|row| row.failure.is_none()).try_for_each(|row| csv.serialize(row))?;
                csv.flush()?;
            }
            if let Some(path) = picture(&self.svg, set) {
                write(&path, chart::draw(&field, &rows))?;
            }
            if let (Some(path), Some(bound)) = (picture(&self.map, set), lossy) {
                write(&path, map::draw(&field, bound, field.rows_go_up != self.flip)?)?;
            }
        }
        Ok(())
    }

    fn wants_peers(&self) -> bool {
        self.bounds.iter().any(|spec| peers::can(spec.bound)) && PEERS.iter().any(|peer| self.wants(peer.name))
    }

    fn wants(&self, method: &str) -> bool {
        self.method.is_empty() || self.method.contains(&method)
    }

    /// Everything that is asked for on one field, bound by bound.
    fn measure(&self, field: &Field, peers: Option<&Peers>) -> Result<Vec<Row>> {
        let contest = peers.filter(|peers| !peers.present.is_empty()).map(|peers| peers.on(field)).transpose()?;
        let bounds = self.bounds.iter().map(|spec| spec.bound);
        let runs: Vec<_> = bounds.flat_map(|bound| self.contenders(bound, contest.as_ref()).map(move |contender| (bound, contender))).collect();
        let progress = text::progress((runs.len() * field.bytes.len()) as u64);
        let rows = runs.into_iter().map(|(bound, contender)| {
            progress.set_message(format!("{} {}", Options::new(bound), contender.name()));
            let row = contender.measure(field, bound);
            progress.inc(field.bytes.len() as u64);
            row
        });
        let rows = rows.collect();
        progress.finish_and_clear();
        Ok(rows)
    }

    fn contenders<'a>(&'a self, bound: Bound, contest: Option<&'a Contest<'a>>) -> impl Iterator<Item = Contender<'a>> {
        let methods = if bound == Bound::Lossless { &[MethodChoice::Lossless][..] } else { &OURS };
        let methods = methods.iter().filter(move |method| bound == Bound::Lossless || self.wants(method.name()));
        let efforts = || EFFORTS.into_iter().filter(|effort| self.effort.is_empty() || self.effort.contains(effort));
        let ours = methods.flat_map(move |&method| efforts().map(move |effort| Contender::Ours(method, effort)));
        let contest = contest.filter(|_| peers::can(bound));
        let peers = contest.into_iter().flat_map(|contest| contest.present().iter().map(move |present| Contender::Peer(contest, present)));
        ours.chain(peers.filter(|peer| self.wants(peer.name())))
    }
}

/// `plot.svg`, or `plot-temp.svg` where there are several variables.
fn path_for(path: &Path, variable: &str, is_one_of_several: bool) -> PathBuf {
    if !is_one_of_several {
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
