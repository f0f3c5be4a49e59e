//! Rate against distortion, and speed against ratio.

use super::axes::{Axis, Panel};
use super::field::Field;
use super::peers::PEERS;
use super::report::Row;
use super::svg::{Anchor, Svg, escape};
use caesar_codec::{Effort, MethodChoice};

/// A method's colour (told apart by colour-blind readers too) and the width of its line; the first, on which the others
/// may lie, is a broad one.
const STYLES: [(&str, &str, f64); 8] = [
    ("auto", "#56b4e9", 7.0),
    ("interpolation", "#8250df", 2.0),
    ("srn-sz", "#0072b2", 2.0),
    ("caesar-v", "#009e73", 2.0),
    ("lossless", "#999999", 2.0),
    ("SZ3", "#d55e00", 2.0),
    ("SPERR", "#e69f00", 2.0),
    ("zfp", "#cc79a7", 2.0),
];

/// The points of one line.
struct Series<'a> {
    method: &'a str,
    points: Vec<(&'a Row, [f64; 2])>,
}

/// One line for each method at effort `balanced` (or the one there is) on the left; on the right every effort under the bound
/// in the middle of those that were tried.
pub fn draw(field: &Field, rows: &[Row]) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.failure.is_none() && row.method != MethodChoice::Lossless.name()).collect();
    let mut svg = Svg::new(1080.0, 560.0);
    svg.text([70.0, 38.0], "title", Anchor::Start, &field.title());
    legend(&mut svg, &rows);

    let rate = series(&rows, |row| is_usual(row, &rows).then_some([row.bits_per_value, row.psnr?]));
    let all = |axis: usize| rate.iter().flat_map(move |series| series.points.iter().map(move |(_, point)| point[axis]));
    let panel = Panel {
        corner: [70.0, 130.0],
        size: [540.0, 360.0],
        x: Axis::log("bits per value", all(0)),
        y: Axis::linear("peak signal-to-noise ratio, dB", all(1)),
    };
    panel.draw(&mut svg);
    lines(&mut svg, &panel, &rate);

    let mut bounds: Vec<&str> = rows.iter().map(|row| &row.bound[..]).collect();
    bounds.dedup();
    let bound = bounds.get(bounds.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    let speed = series(&rows, |row| (row.bound == bound).then_some([row.write_speed?, row.ratio]));
    let all = |axis: usize| speed.iter().flat_map(move |series| series.points.iter().map(move |(_, point)| point[axis]));
    let panel = Panel {
        corner: [700.0, 130.0],
        size: [320.0, 360.0],
        x: Axis::log("written, MB/s", all(0)),
        y: Axis::log(&format!("times smaller, at {bound}"), all(1)),
    };
    panel.draw(&mut svg);
    lines(&mut svg, &panel, &speed);
    svg.text([340.0, 548.0], "muted small", Anchor::Middle, "effort balanced; the further left and up, the better");
    svg.text([860.0, 548.0], "muted small", Anchor::Middle, "efforts best, balanced, fast; the further right and up, the better");
    svg.finish()
}

/// Whether a row has the effort for which a method's line stands.
fn is_usual(row: &Row, rows: &[&Row]) -> bool {
    let of_method = || rows.iter().filter(|other| other.method == row.method);
    let balanced = Effort::Balanced.name();
    let usual = of_method().find(|other| other.effort == balanced).or(of_method().next());
    usual.is_some_and(|usual| usual.effort == row.effort)
}

fn series<'a>(rows: &[&'a Row], point: impl Fn(&Row) -> Option<[f64; 2]>) -> Vec<Series<'a>> {
    let finite = |row| point(row).filter(|[x, y]| x.is_finite() && y.is_finite());
    let of = |method| rows.iter().filter(move |row| row.method == method).filter_map(|&row| Some((row, finite(row)?))).collect();
    STYLES.iter().map(|&(method, ..)| Series { method, points: of(method) }).filter(|series| !series.points.is_empty()).collect()
}

fn style(method: &str) -> (&'static str, f64) {
    STYLES.iter().find(|(name, ..)| *name == method).map_or(("#999999", 2.0), |&(_, colour, width)| (colour, width))
}

fn is_peer(method: &str) -> bool {
    PEERS.iter().any(|peer| peer.name == method)
}

fn lines(svg: &mut Svg, panel: &Panel, all: &[Series]) {
    for Series { method, points } in all {
        let (colour, width) = style(method);
        let places: Vec<[f64; 2]> = points.iter().map(|(_, point)| panel.place(*point)).collect();
        let path = places.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
        let dashes = if is_peer(method) { " stroke-dasharray=\"6 4\"" } else { "" };
        svg.push(format_args!("<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{dashes}/>"));
        for ((row, _), place) in points.iter().zip(places) {
            let words = [&row.method[..], &row.effort, &row.bound].join(" ");
            marker(svg, method, place, &format!("{words}: ratio {:.2}", row.ratio));
        }
    }
}

/// A disc for our methods, a square for peers; browsers show the words.
fn marker(svg: &mut Svg, method: &str, [x, y]: [f64; 2], words: &str) {
    let (colour, width) = style(method);
    let title = format!("<title>{}</title>", escape(words));
    if is_peer(method) {
        svg.push(format_args!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\" fill=\"{colour}\">{title}</rect>", x - 4.0, y - 4.0));
    } else {
        let radius = 3.5 + width / 4.0;
        svg.push(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{colour}\">{title}</circle>"));
    }
}

fn legend(svg: &mut Svg, rows: &[&Row]) {
    let mut x = 70.0;
    for (method, ..) in STYLES.iter().filter(|(method, ..)| rows.iter().any(|row| row.method == *method)) {
        let (colour, width) = style(method);
        let dashes = if is_peer(method) { " stroke-dasharray=\"6 4\"" } else { "" };
        svg.push(format_args!(
            "<line x1=\"{x:.1}\" y1=\"66\" x2=\"{:.1}\" y2=\"66\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-linecap=\"round\"{dashes}/>",
            x + 26.0
        ));
        marker(svg, method, [x + 13.0, 66.0], method);
        svg.text([x + 34.0, 70.5], "", Anchor::Start, method);
        x += 58.0 + 7.0 * method.len() as f64;
    }
}
