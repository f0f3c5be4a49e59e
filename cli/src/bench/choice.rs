//! Which variables of a file are measured.

use crate::dataset::DataSet;
use crate::text;
use anyhow::{Result, bail};
use caesar_codec::Kind;
use std::path::Path;

/// With fewer values every method costs the same few hundred bytes.
const FEWEST: usize = 4096;

/// The variable of that name, or all that are worth compressing. What is left out is named, with the reason.
pub fn choose<'a>(path: &Path, sets: &'a [DataSet], name: Option<&str>) -> Result<Vec<&'a DataSet>> {
    let list = || sets.iter().map(describe).collect::<Vec<_>>().join("\n  ");
    let Some(name) = name else {
        let (chosen, others): (Vec<_>, Vec<_>) = sets.iter().partition(|set| objection(set).is_none());
        if chosen.is_empty() {
            bail!("{} has no variable that is worth compressing under a bound; it has:\n  {}", path.display(), list());
        }
        others.iter().for_each(|set| println!("left out  {}", describe(set)));
        return Ok(chosen);
    };
    match sets.iter().find(|set| set.name == name.trim_start_matches('/')) {
        None => bail!("{} has no variable \"{name}\"; it has:\n  {}", path.display(), list()),
        Some(set) if !set.layout.element.is_bounded() => bail!("{}", describe(set)),
        Some(set) if set.layout.len()? == 0 => bail!("{name} holds no values"),
        Some(set) => Ok(vec![set]),
    }
}

fn describe(set: &DataSet) -> String {
    let what = format!("{}  {} {}", set.name, text::element(set.layout.element), text::shape(&set.layout.shape));
    objection(set).map_or(what.clone(), |why| format!("{what}: {why}"))
}

/// Why a variable is not worth measuring unless it is asked for.
fn objection(set: &DataSet) -> Option<String> {
    let points = set.layout.len().unwrap_or(0);
    Some(match set.layout.element.kind {
        Kind::Signed | Kind::Unsigned => "integers are always stored bit for bit, whatever the bound".into(),
        _ if !set.layout.element.is_bounded() => "no numbers of 32 or 64 bits; they are always stored bit for bit".into(),
        _ if set.is_scale => "a coordinate".into(),
        _ if points < FEWEST => format!("{points} values are too few to tell methods apart"),
        _ => return None,
    })
}
