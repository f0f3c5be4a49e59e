//! Pictures as SVG: shapes, words, and colours for light and dark surroundings.

use std::fmt::Write;

/// Programs that know no media queries (slides, print) show the light version.
const STYLE: &str = "\
text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; font-size: 13px; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.muted { fill: #59636e }
.small { font-size: 12px }
.page { fill: #ffffff }
.fill { fill: #d9d9d9 }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.frame { fill: none; stroke: #818b98; stroke-width: 1 }
.pixels { image-rendering: pixelated }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.muted { fill: #9198a1 }
.page { fill: #0d1117 }
.fill { fill: #3d444d }
.grid { stroke: #3d444d }
.frame { stroke: #9198a1 }
}
";

/// Which point of a text stands at its place.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

pub struct Svg {
    size: [f64; 2],
    body: String,
}

impl Svg {
    pub fn new(width: f64, height: f64) -> Svg {
        Svg { size: [width, height], body: String::new() }
    }

    /// An element as it is to stand in the file.
    pub fn push(&mut self, element: std::fmt::Arguments) {
        writeln!(self.body, "{element}").expect("a string takes everything");
    }

    pub fn text(&mut self, [x, y]: [f64; 2], class: &str, anchor: Anchor, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let words = escape(words);
        self.push(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\" text-anchor=\"{anchor}\">{words}</text>"));
    }

    pub fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        self.push(format_args!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"));
    }

    pub fn rect(&mut self, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        self.push(format_args!("<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"));
    }

    pub fn finish(self) -> String {
        let Svg { size: [width, height], body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
             <style>\n{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n"
        )
    }
}

/// What stands for itself in XML; names of variables may hold anything.
pub fn escape(words: &str) -> String {
    let kept = words.chars().filter(|c| !c.is_control());
    kept.fold(String::new(), |mut safe, c| {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            c => safe.push(c),
        }
        safe
    })
}
