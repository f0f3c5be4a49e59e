//! SZ3, SPERR and zfp, by their HDF5 plugins.

use super::clock::RUNS;
use super::field::Field;
use super::repack::{self, Passed, Seconds, Workshop};
use super::report::{Measured, Row};
use anyhow::{Context, Result, ensure};
use caesar_codec::{Bound, Element};

pub struct Peer {
    pub name: &'static str,
    /// Number of its HDF5 filter.
    filter: u16,
    /// Its cd_values for a pointwise absolute error.
    words: fn(f64) -> Vec<u32>,
}

/// With cd_values as in hdf5plugin.
pub const PEERS: [Peer; 3] = [
    Peer { name: "SZ3", filter: 32024, words: sz3 },
    Peer { name: "SPERR", filter: 32028, words: sperr },
    Peer { name: "zfp", filter: 32013, words: zfp },
];

/// Mode 0, then four bounds of which mode 0 heeds the first; high words first.
fn sz3(error: f64) -> Vec<u32> {
    let bits = error.to_bits();
    vec![0, (bits >> 32) as u32, bits as u32, 0, 0, 0, 0, 0, 0]
}

/// Mode 3 in the bits from 28 on, the binary logarithm of the error as sign and magnitude in units of 2⁻¹⁶ below; rounded down.
fn sperr(error: f64) -> Vec<u32> {
    let log = error.log2() * f64::from(1 << 16);
    let magnitude = if log < 0.0 { log.abs().ceil() as u32 | 1 << 27 } else { log as u32 };
    vec![3 << 28 | magnitude, 0]
}

/// Mode 3, a gap, the error in the machine's order of words.
fn zfp(error: f64) -> Vec<u32> {
    let [low, high] = caesar_codec::words_of_f64(error);
    vec![3, 0, low, high, 0, 0]
}

/// How h5repack comes to know them.
pub const ADVICE: &str = "pip install hdf5plugin, then
  export HDF5_PLUGIN_PATH=$HDF5_PLUGIN_PATH:$(python -c \"import hdf5plugin; print(hdf5plugin.PLUGIN_PATH)\")";

/// Seconds that processes take more or less to start, and the share of a plain copy's time that it may be off by.
const SHORTEST: f64 = 1e-3;
const UNSURE: f64 = 0.25;

/// Whether peers have a setting for this bound.
pub fn can(bound: Bound) -> bool {
    !matches!(bound, Bound::Lossless | Bound::PointwiseRelative(_))
}

pub fn is_mean(bound: Bound) -> bool {
    matches!(bound, Bound::Nrmse(_) | Bound::Psnr(_) | Bound::PatchNrmse(_) | Bound::PatchPsnr(_))
}

/// A peer whose plugin works here.
pub struct Present {
    pub peer: &'static Peer,
    /// What loading the plugin takes.
    loading: Seconds,
}

/// The peers of this machine.
pub struct Peers {
    workshop: Workshop,
    pub present: Vec<Present>,
    /// How they are measured, and which are missing.
    pub notes: Vec<String>,
}

impl Peers {
    /// Lets each compress a small field.
    pub fn find() -> Result<Peers> {
        let mut peers = Peers { workshop: Workshop::new()?, present: vec![], notes: vec![] };
        let version = match repack::version() {
            Ok(version) => version,
            Err(_) => {
                peers.notes.push("SZ3, SPERR and zfp are not measured: no h5repack on the PATH (Debian: hdf5-tools, conda: hdf5)".into());
                return Ok(peers);
            }
        };
        let extents = [16, 16];
        let values: Vec<u8> = (0..256u16).flat_map(|i| (f32::from(i) / 16.0).sin().to_le_bytes()).collect();
        peers.workshop.lay(&extents, Element::F32, &values)?;
        let plain = peers.workshop.plain(&extents)?;
        let mut absent = Vec::new();
        for peer in &PEERS {
            match peers.workshop.pass(&extents, peer.filter, &(peer.words)(0.01), values.len(), RUNS) {
                Ok(passed) => peers.present.push(Present { peer, loading: less(passed.seconds, plain) }),
                Err(_) => absent.push(peer.name),
            }
        }
        if !peers.present.is_empty() {
            peers.notes.push(format!(
                "{}: as {version} writes and reads one chunk, less what that takes without a filter; \
                 the mean in place of fills; the smaller of a stack and one tall plane",
                peers.present.iter().map(|present| present.peer.name).collect::<Vec<_>>().join(", ")
            ));
        }
        if !absent.is_empty() {
            peers.notes.push(format!("{}: no plugin in HDF5_PLUGIN_PATH; {ADVICE}", absent.join(", ")));
        }
        Ok(peers)
    }

    /// All is ready for one field.
    pub fn on<'a>(&'a self, field: &'a Field) -> Result<Contest<'a>> {
        let stack = field.planes();
        let values = field.without_specials();
        let mut arrangements = vec![stack.iter().copied().filter(|&extent| extent > 1).collect(), vec![stack[0] * stack[1], stack[2]]];
        if stack[0] == 1 {
            arrangements.pop();
        }
        for extents in &arrangements {
            self.workshop.lay(extents, field.layout.element, &values)?;
        }
        Ok(Contest { plain: self.workshop.plain(&arrangements[0])?, peers: self, field, arrangements })
    }
}

fn less(seconds: Seconds, by: Seconds) -> Seconds {
    [seconds[0] - by[0], seconds[1] - by[1]]
}

/// One field, laid out for the peers.
pub struct Contest<'a> {
    peers: &'a Peers,
    field: &'a Field,
    /// As it is, and as one tall plane, which suits some where neighbouring planes have little in common.
    arrangements: Vec<Vec<usize>>,
    /// What a copy without a filter takes.
    plain: Seconds,
}

impl Contest<'_> {
    pub fn present(&self) -> &[Present] {
        &self.peers.present
    }

    pub fn measure(&self, present: &Present, bound: Bound) -> Row {
        Row::new(self.field, bound, present.peer.name, "", self.attempt(present, bound))
    }

    fn attempt(&self, Present { peer, loading }: &Present, bound: Bound) -> Result<Measured> {
        let error = self.field.resolve(bound);
        let passed = if is_mean(bound) { self.within_mean(peer, bound) } else { self.within(peer, error, RUNS) }?;
        let [write, read] = less(less(passed.seconds, self.plain), *loading);
        let known = |seconds: f64, plain: f64| Some(seconds).filter(|s| *s > SHORTEST.max(plain * UNSURE));
        let compared = self.field.compare(&passed.values, bound);
        let [write, read] = [known(write, self.plain[0]), known(read, self.plain[1])];
        Ok(Measured { stored: passed.stored, compared, write, read, networks: vec![] })
    }

    /// Under a pointwise error, in the arrangement that makes it smallest.
    fn within(&self, peer: &Peer, error: f64, runs: usize) -> Result<Passed> {
        ensure!(error > 0.0 && error.is_finite(), "has no setting for an error of {error}");
        let words = (peer.words)(error);
        let pass = |extents: &Vec<usize>| self.peers.workshop.pass(extents, peer.filter, &words, self.field.bytes.len(), runs);
        let passed = self.arrangements.iter().map(pass);
        passed.min_by_key(|passed| passed.as_ref().map_or(usize::MAX, |passed| passed.stored)).context("nothing to measure")?
    }

    /// At the widest pointwise error that keeps a bound of the mean, found to one per cent.
    fn within_mean(&self, peer: &Peer, bound: Bound) -> Result<Passed> {
        let limit = self.field.resolve(bound);
        let (mut low, mut high) = ((limit / 2.0).ln(), (limit * 64.0).ln());
        let mut best = None;
        while high - low > 0.01 {
            let middle = (low + high) / 2.0;
            let compared = self.field.compare(&self.within(peer, middle.exp(), 1)?.values, bound);
            if compared.used.is_some_and(|used| used <= 1.0) {
                (low, best) = (middle, Some(middle));
            } else {
                high = middle;
            }
        }
        self.within(peer, best.context("no pointwise error keeps this mean")?.exp(), RUNS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `hdf5plugin.Sperr(absolute=…)` and its like give.
    #[test]
    fn words_are_those_of_hdf5plugin() {
        for (error, words) in [(1e-3, 940177214), (0.3, 939637930), (1.0, 805306368), (7.5, 805496873), (1e10, 807483426)] {
            assert_eq!(sperr(error), [words, 0], "{error}");
        }
        assert_eq!(sz3(1e-3), [0, 1062232653, 3539053052, 0, 0, 0, 0, 0, 0]);
        assert_eq!(zfp(0.3), [3, 0, 858993459, 1070805811, 0, 0]);
    }
}
