//! A model: its manifest, and its graphs once somebody asks for them.

use crate::known::Known;
use crate::manifest::{GraphFile, Manifest};
use crate::network::{Accelerated, Source};
use crate::settings::Settings;
use caesar_codec::network::{Model, ModelHash, Network};
use caesar_codec::{Error, Result};
use sha2::{Digest, Sha256};
use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where a model's files are.
#[derive(Debug, Clone)]
pub enum Origin {
    BuiltIn(BuiltIn),
    Folder(PathBuf),
}

/// Files of a compiled-in model: names, relative to the model's folder, and contents.
pub type BuiltIn = &'static [(&'static str, &'static [u8])];

const MAX_FILE: u64 = 8 << 20;

impl Origin {
    fn read(&self, file: &str) -> Result<Cow<'static, [u8]>> {
        let refuse = |why: String| Error::Model(format!("{file}: {why}"));
        match self {
            Origin::BuiltIn(files) => {
                let found = files.iter().find(|(name, _)| *name == file);
                found.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(|| refuse("not compiled in".into()))
            }
            Origin::Folder(folder) => {
                let mut bytes = Vec::new();
                let read = File::open(folder.join(file)).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
                match read.map_err(|e| refuse(e.to_string()))? as u64 {
                    0..=MAX_FILE => Ok(Cow::Owned(bytes)),
                    _ => Err(refuse(format!("more than the {MAX_FILE} bytes that are allowed"))),
                }
            }
        }
    }
}

pub struct LoadedModel {
    pub manifest: Manifest,
    pub origin: Origin,
    hash: ModelHash,
    settings: Arc<Settings>,
    graphs: Mutex<BTreeMap<String, Arc<Accelerated>>>,
    loaded: OnceLock<Result<()>>,
    made: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl LoadedModel {
    /// Reads the manifest; the graphs wait until they are asked for.
    pub fn open(origin: Origin, settings: &Arc<Settings>) -> Result<Self> {
        let bytes = origin.read("model.toml")?;
        let hash = ModelHash(*Sha256::digest(&bytes).first_chunk().expect("32 bytes"));
        let manifest = Manifest::parse(&bytes)?;
        let settings = settings.clone();
        Ok(LoadedModel { manifest, origin, hash, settings, graphs: Mutex::default(), loaded: OnceLock::new(), made: OnceLock::new() })
    }

    /// A graph with the provider that runs it.
    pub fn network(&self, name: &str) -> Result<Arc<Accelerated>> {
        // Held while loading: whoever comes second waits instead of loading again.
        let mut graphs = self.graphs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = graphs.get(name) {
            return Ok(network.clone());
        }
        let network = self.source(name).and_then(|source| Accelerated::new(&source, &self.settings));
        let network = Arc::new(network.map_err(|e| self.located(name, e))?);
        graphs.insert(name.to_string(), network.clone());
        Ok(network)
    }

    /// A graph's file and known answers, the file's hash verified.
    pub fn source(&self, name: &str) -> Result<Source> {
        let entry = self.manifest.graphs.get(name).ok_or_else(|| Error::Model("no such graph".into()))?;
        let file = self.origin.read(&entry.file)?;
        verify(entry, &file)?;
        let known = Known::parse(&self.origin.read(&entry.known)?)?;
        Ok(Source { file: file.into(), outputs: entry.output_kinds(), known: Arc::new(known) })
    }

    /// Loads everything, so that nothing can fail later. What fails once is not tried again.
    pub fn load(&self) -> Result<()> {
        let load = || self.manifest.graphs.keys().try_for_each(|name| self.network(name).map(drop));
        self.loaded.get_or_init(load).clone()
    }

    /// Bytes of its files.
    pub fn size(&self) -> Result<usize> {
        let files = self.manifest.graphs.values().flat_map(|g| [&g.file[..], &g.known]);
        files.chain(["model.toml"]).map(|file| Ok(self.origin.read(file)?.len())).sum()
    }

    fn located(&self, graph: &str, error: Error) -> Error {
        let why = match error {
            Error::Model(why) => why,
            other => other.to_string(),
        };
        Error::Model(format!("{} ({}), graph {graph}: {why}", self.manifest.id, self.hash))
    }
}

fn verify(entry: &GraphFile, file: &[u8]) -> Result<()> {
    let found: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
    match found.eq_ignore_ascii_case(&entry.sha256) {
        true => Ok(()),
        false => Err(Error::Model(format!("{} has the SHA-256 {found}, model.toml says {}", entry.file, entry.sha256))),
    }
}

impl Model for LoadedModel {
    fn hash(&self) -> ModelHash {
        self.hash
    }

    fn graph(&self, name: &str) -> Result<Arc<dyn Network>> {
        Ok(self.network(name)?)
    }

    fn table(&self, name: &str) -> Result<&[i64]> {
        let missing = || Error::Model(format!("{} ({}) has no table {name}", self.manifest.id, self.hash));
        self.manifest.tables.get(name).map(Vec::as_slice).ok_or_else(missing)
    }

    fn made(&self) -> &OnceLock<Arc<dyn Any + Send + Sync>> {
        &self.made
    }
}
