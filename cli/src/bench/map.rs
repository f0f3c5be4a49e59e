//! A plane of the field, the same after compression, and the error in units of the bound.

use super::field::Field;
use super::ours;
use super::peers::is_mean;
use super::svg::{Anchor, Svg};
use crate::text::short;
use anyhow::Result;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use caesar_codec::{Bound, Options};
use colorous::{Gradient, RED_BLUE, VIRIDIS};

/// The largest side of a picture in pixels; each pixel of a larger plane stands for a square of points.
const MOST_PIXELS: usize = 1024;
/// Room for a picture on the page.
const ROOM: [f64; 2] = [360.0, 420.0];
const GAP: f64 = 36.0;
const TOP: f64 = 76.0;
/// Colours of a picture, beside the transparent one of fills.
const COLOURS: usize = 255;

/// Colours for values between two ends.
struct Scale {
    gradient: Gradient,
    is_reversed: bool,
    ends: [f64; 2],
}

/// Values to be shown, by rows; `None` is no value.
struct Picture {
    columns: usize,
    pixels: Vec<Option<f64>>,
}

/// `auto` under a bound; `upward`: the first row at the bottom.
pub fn draw(field: &Field, bound: Bound, upward: bool) -> Result<String> {
    let options = Options::new(bound);
    let (stream, decoded) = ours::encode(field, &options)?;
    let [planes, rows, columns] = field.planes();
    let plane = fullest(field, planes, rows * columns);
    let take = |bytes: &[u8]| field.ordinary(bytes).skip(plane * rows * columns).take(rows * columns).collect::<Vec<_>>();
    let (before, after) = (take(&field.bytes), take(&decoded));
    // Under a bound of the mean single points may err by several times as much.
    let (most, kind) = if is_mean(bound) { (3.0, "in the mean") } else { (1.0, "at most") };
    let share = |(x, y): (&Option<f64>, &Option<f64>)| {
        let (x, y) = ((*x)?, (*y)?);
        let own = if let Bound::PointwiseRelative(_) = bound { x.abs() } else { 1.0 };
        Some(if x == y { 0.0 } else { (y - x) / (field.resolve(bound) * own) })
    };
    let errors: Vec<_> = before.iter().zip(&after).map(share).collect();
    let used = field.compare(&decoded, bound).used.unwrap_or_default();

    let ends = before.iter().flatten().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(*x), high.max(*x)]);
    let values = Scale { gradient: VIRIDIS, is_reversed: false, ends };
    let share = Scale { gradient: RED_BLUE, is_reversed: true, ends: [-most, most] };
    let first = |values: &[Option<f64>]| values.first().copied().flatten();
    let worst = |values: &[Option<f64>]| values.iter().flatten().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let ratio = field.bytes.len() as f64 / stream.len() as f64;
    let panels = [
        ("original".to_owned(), Picture::of(&before, columns, upward, first), &values),
        (format!("after {options}: {ratio:.1} times smaller"), Picture::of(&after, columns, upward, first), &values),
        (format!("error / bound, {used:.4} {kind}"), Picture::of(&errors, columns, upward, worst), &share),
    ];

    let scale = (ROOM[0] / columns as f64).min(ROOM[1] / rows as f64);
    let size = [(columns as f64 * scale).max(40.0), (rows as f64 * scale).max(40.0)];
    let step = size[0].max(240.0) + GAP;
    let mut svg = Svg::new(3.0 * step + GAP, TOP + size[1] + 70.0);
    let which = if planes > 1 { format!(", plane {} of {planes}", plane + 1) } else { String::new() };
    svg.text([GAP, 32.0], "title", Anchor::Start, &(field.title() + &which));
    for (place, (title, picture, scale)) in panels.into_iter().enumerate() {
        let left = GAP + place as f64 * step;
        svg.text([left, TOP - 12.0], "", Anchor::Start, &title);
        svg.rect("fill", [left, TOP], size);
        image(&mut svg, [left, TOP], size, &picture.png(scale)?);
        svg.rect("frame", [left, TOP], size);
        bar(&mut svg, [left, TOP + size[1] + 18.0], size[0], scale)?;
    }
    Ok(svg.finish())
}

/// The plane with the most ordinary values; of several the one nearest to the middle.
fn fullest(field: &Field, planes: usize, points: usize) -> usize {
    let mut counts = vec![0; planes];
    field.ordinary(&field.bytes).enumerate().for_each(|(i, value)| counts[i / points] += usize::from(value.is_some()));
    (0..planes).max_by_key(|&plane| (counts[plane], std::cmp::Reverse(plane.abs_diff(planes / 2)))).unwrap_or(0)
}

impl Picture {
    /// `choose` says which of a square of points a pixel shows.
    fn of(values: &[Option<f64>], columns: usize, upward: bool, choose: impl Fn(&[Option<f64>]) -> Option<f64>) -> Picture {
        let rows = values.len() / columns;
        let side = rows.max(columns).div_ceil(MOST_PIXELS);
        let across = columns.div_ceil(side);
        let mut pixels = Vec::new();
        for row in (0..rows).step_by(side) {
            for column in (0..columns).step_by(side) {
                let lines = row..(row + side).min(rows);
                let square: Vec<_> = lines.flat_map(|y| &values[y * columns + column..y * columns + (column + side).min(columns)]).copied().collect();
                pixels.push(choose(&square));
            }
        }
        if upward {
            pixels = pixels.rchunks(across).flatten().copied().collect();
        }
        Picture { columns: across, pixels }
    }

    /// With a palette, which halves the file.
    fn png(&self, scale: &Scale) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        let rows = self.pixels.len() / self.columns;
        let mut encoder = png::Encoder::new(&mut file, self.columns as u32, rows as u32);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        encoder.set_palette([0; 3].into_iter().chain((0..COLOURS).flat_map(|i| scale.colour(i))).collect::<Vec<u8>>());
        encoder.set_trns(vec![0]);
        let pixels: Vec<u8> = self.pixels.iter().map(|value| value.map_or(0, |value| scale.index(value))).collect();
        encoder.write_header()?.write_image_data(&pixels)?;
        Ok(file)
    }
}

impl Scale {
    fn colour(&self, index: usize) -> [u8; 3] {
        let index = if self.is_reversed { COLOURS - 1 - index } else { index };
        self.gradient.eval_rational(index, COLOURS).into_array()
    }

    /// From 1 on; 0 is transparent.
    fn index(&self, value: f64) -> u8 {
        let [low, high] = self.ends;
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        1 + (share.clamp(0.0, 1.0) * (COLOURS - 1) as f64).round() as u8
    }
}

fn image(svg: &mut Svg, [x, y]: [f64; 2], [width, height]: [f64; 2], png: &[u8]) {
    let data = BASE64_STANDARD.encode(png);
    svg.push(format_args!(
        "<image class=\"pixels\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" preserveAspectRatio=\"none\" href=\"data:image/png;base64,{data}\"/>"
    ));
}

/// Which colour means what.
fn bar(svg: &mut Svg, [x, y]: [f64; 2], width: f64, scale: &Scale) -> Result<()> {
    let [low, high] = scale.ends;
    if !(low <= high) {
        return Ok(());
    }
    let steps = (0..COLOURS).map(|i| Some(low + (high - low) * i as f64 / (COLOURS - 1) as f64)).collect();
    image(svg, [x, y], [width, 10.0], &Picture { columns: COLOURS, pixels: steps }.png(scale)?);
    for (share, anchor) in [(0.0, Anchor::Start), (0.5, Anchor::Middle), (1.0, Anchor::End)] {
        svg.text([x + share * width, y + 26.0], "small", anchor, &short(low + share * (high - low)));
    }
    Ok(())
}
