//! Will HDF5 find the plugin?

use super::Report;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "HDF5_PLUGIN_PATH";
const FILE: &str = "libh5zcaesar.so";
/// Where HDF5 looks when the variable is not set.
const DEFAULT: &str = "/usr/local/hdf5/lib/plugin";

pub fn examine(report: &mut Report) {
    let set = std::env::var_os(VARIABLE);
    let directories: Vec<PathBuf> = match &set {
        Some(paths) => std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => vec![DEFAULT.into()],
    };
    let found: Vec<&PathBuf> = directories.iter().filter(|directory| directory.join(FILE).is_file()).collect();
    if set.is_some() {
        for missing in directories.iter().filter(|directory| !directory.is_dir()) {
            report.warning(VARIABLE, format!("names {}, which is no directory", missing.display()), "correct or remove it");
        }
    }
    match (found[..].first(), &set) {
        (Some(directory), _) => {
            report.ok("plugin", directory.join(FILE).display().to_string());
            if found.len() > 1 {
                report.warning("plugin", format!("lies in {} directories", found.len()), format!("HDF5 takes the first; remove {FILE} from the others"));
            }
        }
        (None, Some(_)) => report.error(VARIABLE, format!("none of its directories holds {FILE}"), advice()),
        (None, None) => report.error(VARIABLE, format!("is not set, and {DEFAULT} holds no {FILE}"), advice()),
    }
    if std::env::var_os("HDF5_PLUGIN_PRELOAD").is_some_and(|value| value == "::") {
        report.error("HDF5_PLUGIN_PRELOAD", "is \"::\", which turns all plugins off", "unset HDF5_PLUGIN_PRELOAD");
    }
}

/// The line to type, with the directory where the plugin lies if it was built together with this command.
fn advice() -> String {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("plugin")));
    let directory = beside.filter(|directory| directory.join(FILE).is_file());
    format!("export {VARIABLE}={}", directory.as_deref().unwrap_or(Path::new("DIRECTORY_OF_THE_PLUGIN")).display())
}
