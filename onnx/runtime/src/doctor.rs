//! What is here and whether it works, for `caesar doctor`.

use crate::model::{LoadedModel, Origin};
use crate::network::providers;
use crate::onnxruntime;
use crate::store::{Store, folders};
use caesar_codec::network::{Model, ModelHash};
use std::path::PathBuf;

/// Everything that decides which networks run where.
#[derive(Debug)]
pub struct Report {
    /// ONNX Runtime, or why there is none.
    pub runtime: Result<RuntimeReport, String>,
    /// The entries of `CAESAR_MODEL_PATH` and the number of model folders in each.
    pub model_path: Vec<(PathBuf, usize)>,
    pub models: Vec<ModelReport>,
}

#[derive(Debug)]
pub struct RuntimeReport {
    pub path: PathBuf,
    pub version: String,
    /// The library was built with CUDA.
    pub cuda: bool,
}

#[derive(Debug)]
pub struct ModelReport {
    pub id: String,
    pub role: String,
    pub licence: String,
    /// What streams name it by.
    pub hash: String,
    /// `None`: compiled in.
    pub folder: Option<PathBuf>,
    /// Of all its files, or why one cannot be read.
    pub bytes: Result<usize, String>,
    pub graphs: Vec<GraphReport>,
}

#[derive(Debug)]
pub struct GraphReport {
    pub name: String,
    /// Whether each reproduces the known answers, the embedded engine first; on `Err` why not.
    pub providers: Vec<(String, Result<(), String>)>,
}

const ENGINE: &str = "embedded engine";

/// A model at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub id: String,
    /// What runs its graphs in this process, as far as is known after what it ran already: one provider, or more where
    /// one graph suits an accelerator and another does not.
    pub providers: Vec<String>,
}

/// The model that a stream names, and what runs it; `None` when it is not here or cannot be loaded.
pub fn running(hash: &ModelHash) -> Option<Running> {
    let model = crate::process_store().models().iter().find(|model| model.hash() == *hash)?;
    let mut providers = Vec::new();
    for name in model.manifest.graphs.keys() {
        let provider = model.network(name).ok()?.provider().map_or_else(|| ENGINE.into(), |p| p.to_string());
        if !providers.contains(&provider) {
            providers.push(provider);
        }
    }
    Some(Running { id: model.manifest.id.clone(), providers })
}

/// Tries every provider with every model of this process.
pub fn report() -> Report {
    report_on(crate::process_store())
}

/// As [`report`], for a store of one's own.
pub fn report_on(store: &Store) -> Report {
    let runtime = onnxruntime::runtime(&store.settings().library);
    Report {
        runtime: match runtime {
            Ok(r) => Ok(RuntimeReport { path: r.path.clone(), version: r.version.clone(), cuda: r.cuda }),
            Err(why) => Err(why.to_string()),
        },
        model_path: store.settings().model_path.iter().map(|p| (p.clone(), folders(p).len())).collect(),
        models: store.models().iter().map(|model| report_model(model, store)).collect(),
    }
}

fn report_model(model: &LoadedModel, store: &Store) -> ModelReport {
    let manifest = &model.manifest;
    ModelReport {
        id: manifest.id.clone(),
        role: manifest.role.clone(),
        licence: manifest.licence.clone(),
        hash: model.hash().to_string(),
        folder: match &model.origin {
            Origin::Folder(folder) => Some(folder.clone()),
            Origin::BuiltIn(_) => None,
        },
        bytes: model.size().map_err(|e| e.to_string()),
        graphs: manifest.graphs.keys().map(|name| report_graph(model, name, store)).collect(),
    }
}

fn report_graph(model: &LoadedModel, name: &str, store: &Store) -> GraphReport {
    let embedded = |result| (ENGINE.to_string(), result);
    let source = match model.source(name) {
        Ok(source) => source,
        Err(e) => return GraphReport { name: name.into(), providers: vec![embedded(Err(e.to_string()))] },
    };
    let mut tried = vec![embedded(source.engine().map(drop).map_err(|e| e.to_string()))];
    if let Ok(runtime) = onnxruntime::runtime(&store.settings().library) {
        let each = providers(runtime).into_iter();
        tried.extend(each.map(|p| (p.to_string(), source.accelerator(runtime, p).map(drop))));
    }
    GraphReport { name: name.into(), providers: tried }
}
