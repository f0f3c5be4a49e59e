//! Will HDF5 find the plugin?

use super::Report;
use h5zcaesar::file_name;
use std::path::{Path, PathBuf};

const VARIABLE: &str = "HDF5_PLUGIN_PATH";

/// Where HDF5 looks when the variable is not set.
fn usual_directory() -> PathBuf {
    if cfg!(windows) {
        Path::new(&std::env::var_os("ALLUSERSPROFILE").unwrap_or_default()).join("hdf5/lib/plugin")
    } else {
        "/usr/local/hdf5/lib/plugin".into()
    }
}

pub fn examine(report: &mut Report) {
    let file = &file_name();
    let set = std::env::var_os(VARIABLE);
    let directories: Vec<PathBuf> = match &set {
        Some(paths) => std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => vec![usual_directory()],
    };
    let found: Vec<&PathBuf> = directories.iter().filter(|directory| directory.join(file).is_file()).collect();
    if set.is_some() {
        for missing in directories.iter().filter(|directory| !directory.is_dir()) {
            report.warning(VARIABLE, format!("names {}, which is no directory", missing.display()), "correct or remove it");
        }
    }
    match (found[..].first(), &set) {
        (Some(directory), _) => {
            report.ok("plugin", directory.join(file).display().to_string());
            if found.len() > 1 {
                report.warning("plugin", format!("lies in {} directories", found.len()), format!("HDF5 takes the first; remove {file} from the others"));
            }
        }
        (None, Some(_)) => report.error(VARIABLE, format!("none of its directories holds {file}"), advice()),
        (None, None) => report.error(VARIABLE, format!("is not set, and {} holds no {file}", usual_directory().display()), advice()),
    }
    if std::env::var_os("HDF5_PLUGIN_PRELOAD").is_some_and(|value| value == "::") {
        report.error("HDF5_PLUGIN_PRELOAD", "is \"::\", which turns all plugins off", "unset HDF5_PLUGIN_PRELOAD");
    }
}

/// The line to type, with the directory where the plugin lies if it was built together with this command.
fn advice() -> String {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("plugin")));
    let directory = beside.filter(|directory| directory.join(file_name()).is_file());
    let set = if cfg!(windows) { "set" } else { "export" };
    format!("{set} {VARIABLE}={}", directory.as_deref().unwrap_or(Path::new("DIRECTORY_OF_THE_PLUGIN")).display())
}
