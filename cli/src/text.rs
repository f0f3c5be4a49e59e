//! How numbers, shapes and tables look on a terminal.

use caesar_codec::{ByteOrder, Element, Kind};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

pub fn element(element: Element) -> String {
    let bits = element.size * 8;
    match (element.kind, element.order) {
        (Kind::Opaque, _) => format!("{} B", element.size),
        (kind, order) => {
            let letter = match kind {
                Kind::Float => 'f',
                Kind::Signed => 'i',
                _ => 'u',
            };
            format!("{letter}{bits}{}", if order == ByteOrder::Big { " be" } else { "" })
        }
    }
}

pub fn shape(shape: &[usize]) -> String {
    match shape {
        [] => "scalar".into(),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join("×"),
    }
}

/// A number that may not be there.
pub fn number(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "–".into(), show)
}

/// A table with a blank between columns; `left` is the number of columns, from the left, that hold words.
pub fn table<const N: usize>(header: [&str; N], left: usize, rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((if index == 0 { 0 } else { 1 }, 1));
        column.set_cell_alignment(if index < left { CellAlignment::Left } else { CellAlignment::Right });
    }
    table
}

/// A bar on the terminal for `bytes` of work; nothing at all when standard error is not one.
pub fn progress(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left  {msg}");
    ProgressBar::new(bytes).with_style(style.expect("the template is sound"))
}

/// An error and its causes, but none that the words before it have already.
pub fn error(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.contains(&cause) {
        true => said,
        false if said.is_empty() => cause,
        false => format!("{said}: {cause}"),
    })
}

/// A number in about four digits.
pub fn short(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return format!("{:e}", format!("{value:.3e}").parse::<f64>().unwrap_or(value));
    }
    let digits = if value == 0.0 { 0 } else { (3 - value.abs().log10().floor() as i32).max(0) as usize };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
