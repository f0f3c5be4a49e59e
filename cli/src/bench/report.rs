//! What was measured: as a table, and as lines of a CSV file.

use super::field::Field;
use crate::compare::Comparison;
use crate::text::{self, number};
use anyhow::Result;
use caesar_codec::threads::Share;
use caesar_codec::{Bound, Options};
use serde::Serialize;

/// What a run gives.
#[derive(Default)]
pub struct Measured {
    /// Bytes.
    pub stored: usize,
    pub compared: Comparison,
    /// Seconds; `None` where they are too short to tell.
    pub write: Option<f64>,
    pub read: Option<f64>,
    /// Models that wrote tiles, and what ran them.
    pub networks: Vec<String>,
}

/// One method under one bound.
#[derive(Serialize)]
pub struct Row {
    variable: String,
    #[serde(rename = "type")]
    element: String,
    shape: String,
    pub bound: String,
    pub method: String,
    pub effort: String,
    bytes: usize,
    pub ratio: f64,
    pub bits_per_value: f64,
    max_error: f64,
    error_over_bound: Option<f64>,
    nrmse: Option<f64>,
    pub psnr: Option<f64>,
    #[serde(rename = "write_MB_s")]
    pub write_speed: Option<f64>,
    #[serde(rename = "read_MB_s")]
    read_speed: Option<f64>,
    networks: String,
    /// Why there is nothing to tell.
    #[serde(skip)]
    pub failure: Option<String>,
}

impl Row {
    pub fn new(field: &Field, bound: Bound, method: &str, effort: &str, measured: Result<Measured>) -> Row {
        let failure = measured.as_ref().err().map(|error| format!("{error:#}"));
        let Measured { stored, compared, write, read, networks } = measured.unwrap_or_default();
        let plain = field.bytes.len() as f64;
        let stored_or_one = stored.max(1) as f64;
        Row {
            variable: field.name.clone(),
            element: text::element(field.layout.element),
            shape: field.layout.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
            bound: Options::new(bound).to_string(),
            method: method.into(),
            effort: effort.into(),
            bytes: stored,
            ratio: plain / stored_or_one,
            bits_per_value: stored_or_one * 8.0 / (plain / field.layout.element.size as f64),
            max_error: compared.max_error,
            error_over_bound: compared.used,
            nrmse: compared.nrmse(),
            psnr: compared.psnr(),
            write_speed: write.map(|seconds| plain / seconds / 1e6),
            read_speed: read.map(|seconds| plain / seconds / 1e6),
            networks: networks.join("; "),
            failure,
        }
    }
}

/// The table of one variable, and what is to be known of it.
pub fn print(rows: &[Row], notes: &[String]) {
    let header = ["bound", "method", "effort", "ratio", "bits", "error/bound", "NRMSE", "PSNR", "write MB/s", "read MB/s"];
    let mut cells = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let is_first = place == 0 || rows[place - 1].bound != row.bound;
        if is_first && place > 0 {
            cells.push([const { String::new() }; 10]);
        }
        let number = |value, show: fn(f64) -> String| if row.failure.is_some() { "–".into() } else { number(value, show) };
        cells.push([
            if is_first { row.bound.clone() } else { String::new() },
            row.method.clone(),
            row.effort.clone(),
            number(Some(row.ratio), |x| format!("{x:.2}")),
            number(Some(row.bits_per_value), |x| format!("{x:.3}")),
            number(row.error_over_bound, |x| format!("{x:.4}")),
            number(row.nrmse, |x| if x == 0.0 { "0".into() } else { format!("{x:.2e}") }),
            number(row.psnr, |x| if x.is_infinite() { "∞".into() } else { format!("{x:.1}") }),
            number(row.write_speed, |x| format!("{x:.1}")),
            number(row.read_speed, |x| format!("{x:.1}")),
        ]);
    }
    println!("\n{}\n", text::table(header, 3, cells));
    for row in rows {
        match (&row.failure, row.error_over_bound) {
            (Some(failure), _) => println!("{} at {}: {failure}", row.method, row.bound),
            (None, Some(used)) if used > 1.0 => println!("{} at {} breaks the bound: error/bound {used:.6}", row.method, row.bound),
            _ => {}
        }
    }
    let threads = Share::take().threads();
    println!("ours: library calls as the filter makes them, one chunk, {threads} threads, {}", caesar_kernels::Isa::best());
    let mut networks: Vec<&str> = rows.iter().flat_map(|row| row.networks.split("; ")).filter(|network| !network.is_empty()).collect();
    networks.sort_unstable();
    networks.dedup();
    if !networks.is_empty() {
        println!("networks: {}", networks.join(", "));
    }
    notes.iter().for_each(|note| println!("{note}"));
    println!();
}
