//! Which networks are here, and which engines run them as they must.

use super::Report;
use caesar_onnx::doctor::{ModelReport, report};

pub fn examine(out: &mut Report) {
    let found = report();
    match &found.runtime {
        Ok(runtime) => {
            let cuda = if runtime.cuda { " with CUDA" } else { "" };
            out.ok("ONNX Runtime", format!("{}{cuda}, {}", runtime.version, runtime.path.display()));
        }
        Err(why) if std::env::var_os("CAESAR_ORT_LIB").is_some_and(|value| value == "none") => {
            out.ok("ONNX Runtime", format!("{why}: the embedded engine runs the networks"));
        }
        Err(why) => out.warning(
            "ONNX Runtime",
            format!("{why}: the embedded engine runs the networks"),
            "nothing need be done; on a machine with a GPU set CAESAR_ORT_LIB to a libonnxruntime.so with CUDA (pip install onnxruntime-gpu)",
        ),
    }
    for (folder, models) in &found.model_path {
        let finding = format!("{}: {models} models", folder.display());
        match models {
            0 => out.warning("CAESAR_MODEL_PATH", finding, "name the directory that holds the models' folders, each with its model.toml"),
            _ => out.ok("CAESAR_MODEL_PATH", finding),
        }
    }
    if found.models.is_empty() {
        out.warning("models", "none: learned methods are left out", "set CAESAR_MODEL_PATH to read files that need a model");
    }
    found.models.iter().for_each(|model| examine_model(out, model));
}

fn examine_model(out: &mut Report, model: &ModelReport) {
    let subject = format!("model {}", model.id);
    let origin = model.folder.as_ref().map_or("built in".into(), |folder| folder.display().to_string());
    let hash = &model.hash[..model.hash.len().min(12)];
    match &model.bytes {
        Ok(bytes) => out.ok(&subject, format!("{}, {hash}…, {} kB, {}, {origin}", model.role, bytes / 1000, model.licence)),
        Err(why) => out.error(&subject, format!("{origin}: {why}"), "restore the model's folder"),
    }
    let mut running = Vec::new();
    for graph in &model.graphs {
        for (place, (provider, result)) in graph.providers.iter().enumerate() {
            let finding = |why| format!("{} on {provider}: {why}", graph.name);
            match result {
                Ok(()) if running.contains(provider) => {}
                Ok(()) => running.push(provider.clone()),
                // The embedded engine comes first, and files must be readable with it alone.
                Err(why) if place == 0 => out.error(&subject, finding(why), "restore the model's folder, or report this"),
                Err(why) => out.warning(&subject, finding(why), "nothing need be done: this engine is not used"),
            }
        }
    }
    if !running.is_empty() {
        out.ok(&subject, format!("known answers reproduced by {}", running.join(", ")));
    }
}
