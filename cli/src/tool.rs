//! Other programs.

use anyhow::{Context, Result, ensure};
use std::process::Command;

/// What a program printed. It is an error, with its last words, when it fails.
pub fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().with_context(|| format!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&done.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no message").trim();
    ensure!(done.status.success(), "{name}: {}: {last}", done.status);
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
