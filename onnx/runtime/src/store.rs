//! The models of this process: those of `CAESAR_MODEL_PATH`, then those compiled in.

use crate::model::{BuiltIn, LoadedModel, Origin};
use crate::notice;
use crate::settings::Settings;
use caesar_codec::network::{Model, ModelHash, Models};
use caesar_codec::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

// `BUILT_IN`: the models compiled in, by the names of their folders.
include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// Finds models by role and by hash. Nothing is read before the first question.
pub struct Store {
    settings: Arc<Settings>,
    models: OnceLock<Vec<Arc<LoadedModel>>>,
}

impl Store {
    pub fn new(settings: Settings) -> Self {
        Store { settings: Arc::new(settings), models: OnceLock::new() }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Every model with a readable manifest, in the order of preference: `CAESAR_MODEL_PATH` as it is given, folders of one
    /// directory and the compiled-in models by name, the last first (names end with a date or a number).
    pub(crate) fn models(&self) -> &[Arc<LoadedModel>] {
        self.models.get_or_init(|| {
            let folders = self.settings.model_path.iter().flat_map(|directory| folders(directory)).map(Origin::Folder);
            let built_in = BUILT_IN.iter().rev().map(|&files| Origin::BuiltIn(files));
            folders.chain(built_in).filter_map(|origin| self.open(origin)).map(Arc::new).collect()
        })
    }

    fn open(&self, origin: Origin) -> Option<LoadedModel> {
        let place = match &origin {
            Origin::Folder(folder) => folder.display().to_string(),
            Origin::BuiltIn(_) => "a compiled-in model".into(),
        };
        let opened = LoadedModel::open(origin, &self.settings);
        opened.map_err(|e| notice::once(&place, &format!("{place} is left out: {e}"))).ok()
    }
}

/// The model folders of a directory: itself, or those in it.
pub fn folders(directory: &Path) -> Vec<PathBuf> {
    let is_model = |folder: &PathBuf| folder.join("model.toml").is_file();
    if is_model(&directory.to_path_buf()) {
        return vec![directory.to_path_buf()];
    }
    let listed = std::fs::read_dir(directory).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let mut folders: Vec<_> = listed.filter(is_model).collect();
    folders.sort_by(|a, b| b.cmp(a));
    folders
}

impl Models for Store {
    fn preferred(&self, role: &str) -> Option<Arc<dyn Model>> {
        let candidates = self.models().iter().filter(|m| m.manifest.role == role);
        let mut usable = candidates.filter(|m| match m.load() {
            Ok(()) => true,
            Err(e) => {
                notice::once(&m.hash().to_string(), &format!("{e}; going on without it"));
                false
            }
        });
        usable.next().map(|m| m.clone() as Arc<dyn Model>)
    }

    fn by_hash(&self, hash: &ModelHash) -> Result<Arc<dyn Model>> {
        let found = self.models().iter().find(|m| m.hash() == *hash);
        found.map(|m| m.clone() as Arc<dyn Model>).ok_or_else(|| Error::ModelMissing { hash: hash.to_string() })
    }
}
