//! Rate against distortion, and speed against ratio.

use super::axes::{Axis, Panel};
use super::field::Field;
use super::peers::PEERS;
use super::report::Row;
use super::svg::{Anchor, Svg, escape};
use caesar_codec::Effort;

/// How a method is drawn.
struct Style {
    method: &'static str,
    colour: &'static str,
    width: f64,
}

/// Colours that colour-blind readers tell apart too. The first line is a broad one, on which others may lie.
const STYLES: [Style; 7] = [
    Style { method: "auto", colour: "#56b4e9", width: 7.0 },
    Style { method: "interpolation", colour: "#8250df", width: 2.0 },
    Style { method: "srn-sz", colour: "#0072b2", width: 2.0 },
    Style { method: "caesar-v", colour: "#009e73", width: 2.0 },
    Style { method: "SZ3", colour: "#d55e00", width: 2.0 },
    Style { method: "SPERR", colour: "#e69f00", width: 2.0 },
    Style { method: "zfp", colour: "#cc79a7", width: 2.0 },
];

/// The points of one line.
struct Series<'a> {
    style: &'static Style,
    points: Vec<(&'a Row, [f64; 2])>,
}

/// On the left one line for each method at effort `balanced` (or the one there is); on the right every effort under the
/// bound in the middle of those that were tried.
pub fn draw(field: &Field, rows: &[Row]) -> String {
    let mut svg = Svg::new(1080.0, 560.0);
    svg.text([70.0, 38.0], "title", Anchor::Start, &field.title());
    let rate = series(rows, |row| is_usual(row, rows).then_some([row.bits_per_value, row.psnr?]));
    legend(&mut svg, &rate);
    let panel = Panel {
        corner: [70.0, 130.0],
        size: [540.0, 360.0],
        x: Axis::log("bits per value", values(&rate, 0)),
        y: Axis::linear("peak signal-to-noise ratio, dB", values(&rate, 1)),
    };
    panel.draw(&mut svg);
    rate.iter().for_each(|series| series.draw(&mut svg, &panel));

    let bound = rate.first().map_or("", |series| &series.points[(series.points.len() - 1) / 2].0.bound);
    let speed = series(rows, |row| (row.bound == bound).then_some([row.write_speed?, row.ratio]));
    let panel = Panel {
        corner: [700.0, 130.0],
        size: [320.0, 360.0],
        x: Axis::log("written, MB/s", values(&speed, 0)),
        y: Axis::log(&format!("times smaller, at {bound}"), values(&speed, 1)),
    };
    panel.draw(&mut svg);
    speed.iter().for_each(|series| series.draw(&mut svg, &panel));
    svg.text([340.0, 548.0], "muted small", Anchor::Middle, "effort balanced; the further left and up, the better");
    svg.text([860.0, 548.0], "muted small", Anchor::Middle, "efforts best, balanced, fast; the further right and up, the better");
    svg.finish()
}

/// Whether a row has the effort for which a method's line stands.
fn is_usual(row: &Row, rows: &[Row]) -> bool {
    let of_method = || rows.iter().filter(|other| other.method == row.method);
    let usual = of_method().find(|other| other.effort == Effort::Balanced.name()).or(of_method().next());
    usual.is_some_and(|usual| usual.effort == row.effort)
}

/// The lines through all rows that have a finite point.
fn series(rows: &[Row], point: impl Fn(&Row) -> Option<[f64; 2]>) -> Vec<Series<'_>> {
    let finite = |row: &Row| point(row).filter(|[x, y]| row.failure.is_none() && x.is_finite() && y.is_finite());
    let of = |style: &Style| rows.iter().filter(|row| row.method == style.method).filter_map(|row| Some((row, finite(row)?))).collect();
    STYLES.iter().map(|style| Series { style, points: of(style) }).filter(|series| !series.points.is_empty()).collect()
}

fn values<'a>(all: &'a [Series], axis: usize) -> impl Iterator<Item = f64> + 'a {
    all.iter().flat_map(move |series| series.points.iter().map(move |(_, point)| point[axis]))
}

impl Series<'_> {
    fn draw(&self, svg: &mut Svg, panel: &Panel) {
        let places: Vec<[f64; 2]> = self.points.iter().map(|(_, point)| panel.place(*point)).collect();
        self.style.line(svg, &places);
        for ((row, _), place) in self.points.iter().zip(places) {
            let words = [&row.method[..], &row.effort, &row.bound].into_iter().filter(|word| !word.is_empty());
            self.style.mark(svg, place, &format!("{}: ratio {:.2}", words.collect::<Vec<_>>().join(" "), row.ratio));
        }
    }
}

impl Style {
    fn is_peer(&self) -> bool {
        PEERS.iter().any(|peer| peer.name == self.method)
    }

    /// Dashed for peers.
    fn line(&self, svg: &mut Svg, places: &[[f64; 2]]) {
        let path = places.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
        let dashes = if self.is_peer() { " stroke-dasharray=\"6 4\"" } else { "" };
        svg.push(format_args!(
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{dashes}/>",
            self.colour, self.width
        ));
    }

    /// A disc for our methods, a square for peers; browsers show the words.
    fn mark(&self, svg: &mut Svg, [x, y]: [f64; 2], words: &str) {
        let title = format!("fill=\"{}\"><title>{}</title>", self.colour, escape(words));
        if self.is_peer() {
            svg.push(format_args!("<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\" {title}</rect>", x - 4.0, y - 4.0));
        } else {
            svg.push(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\" {title}</circle>", 3.5 + self.width / 4.0));
        }
    }
}

fn legend(svg: &mut Svg, all: &[Series]) {
    let (mut x, y) = (70.0, 66.0);
    for Series { style, .. } in all {
        style.line(svg, &[[x, y], [x + 26.0, y]]);
        style.mark(svg, [x + 13.0, y], style.method);
        svg.text([x + 34.0, y + 4.5], "", Anchor::Start, style.method);
        x += 58.0 + 7.0 * style.method.len() as f64;
    }
}
