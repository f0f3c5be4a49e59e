//! `model.toml`: what a model is, which files it has, the integers that belong to it.

use crate::profile::OutputKind;
use caesar_codec::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Component, Path};

const MAX_BYTES: usize = 1 << 20;
const MAX_GRAPHS: usize = 16;

#[derive(Debug, Deserialize)]
pub struct Manifest {
    pub id: String,
    pub role: String,
    /// Of this file's format.
    pub version: u32,
    pub licence: String,
    pub graphs: BTreeMap<String, GraphFile>,
    #[serde(default)]
    pub tables: BTreeMap<String, Vec<i64>>,
}

#[derive(Debug, Deserialize)]
pub struct GraphFile {
    /// Relative to the model's folder, as is `known`.
    pub file: String,
    /// Hexadecimal.
    pub sha256: String,
    pub outputs: Vec<OutputEntry>,
    /// Inputs and the outputs that they must give.
    pub known: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum OutputEntry {
    U8,
    I32 { scale_bits: i32 },
}

impl Manifest {
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let refuse = |why: String| Error::Model(format!("model.toml: {why}"));
        if bytes.len() > MAX_BYTES {
            return Err(refuse(format!("{} bytes; {MAX_BYTES} are allowed", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| refuse(e.to_string()))?;
        let manifest: Manifest = toml::from_str(text).map_err(|e| refuse(e.message().to_string()))?;
        if manifest.version != 1 {
            return Err(refuse(format!("version {}; this program knows version 1", manifest.version)));
        }
        if !(1..=MAX_GRAPHS).contains(&manifest.graphs.len()) {
            return Err(refuse(format!("{} graphs; 1 to {MAX_GRAPHS} are allowed", manifest.graphs.len())));
        }
        let files = manifest.graphs.values().flat_map(|g| [&g.file, &g.known]);
        if let Some(file) = files.into_iter().find(|f| !stays_inside(f)) {
            return Err(refuse(format!("the file {file} lies outside the model's folder")));
        }
        Ok(manifest)
    }
}

fn stays_inside(file: &str) -> bool {
    !file.is_empty() && Path::new(file).components().all(|c| matches!(c, Component::Normal(_)))
}

impl GraphFile {
    pub fn output_kinds(&self) -> Vec<OutputKind> {
        let kind = |entry: &OutputEntry| match *entry {
            OutputEntry::U8 => OutputKind::Codes,
            OutputEntry::I32 { scale_bits } => OutputKind::Integer { scale_bits },
        };
        self.outputs.iter().map(kind).collect()
    }
}
