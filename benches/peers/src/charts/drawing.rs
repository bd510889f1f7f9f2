//! SVG, element by element.

use super::theme::Theme;
use std::fmt::Write;

pub struct Drawing {
    body: String,
}

/// A point, in pixels from the upper left corner.
pub type Point = (f64, f64);

impl Drawing {
    pub fn new() -> Self {
        Self { body: String::new() }
    }

    /// At its baseline, which begins there unless the class says otherwise.
    pub fn text(&mut self, (x, y): Point, class: &str, text: &str) {
        let (x, y) = (Pixels(x), Pixels(y));
        let text = escaped(text);
        self.push(format_args!(r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#));
    }

    pub fn rectangle(&mut self, (x, y): Point, (width, height): Point, class: &str, radius: f64) {
        let [x, y, width, height, radius] = [x, y, width, height, radius].map(Pixels);
        let size = format!(r#"width="{width}" height="{height}""#);
        self.push(format_args!(r#"<rect class="{class}" x="{x}" y="{y}" {size} rx="{radius}"/>"#));
    }

    pub fn circle(&mut self, (x, y): Point, radius: f64, class: &str) {
        let [x, y, radius] = [x, y, radius].map(Pixels);
        self.push(format_args!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}"/>"#));
    }

    /// Through at least one point.
    pub fn line(&mut self, points: &[Point], class: &str) {
        let mut path = String::new();
        for (at, &(x, y)) in points.iter().enumerate() {
            let step = if at == 0 { "M" } else { "L" };
            write!(path, "{step}{} {}", Pixels(x), Pixels(y)).expect("memory takes all");
        }
        self.push(format_args!(r#"<path class="{class}" d="{path}"/>"#));
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{element}").expect("memory takes all");
    }

    /// The file; `title` and `description` are for who does not see it.
    pub fn finish(
        self,
        (width, height): Point,
        theme: &Theme,
        (title, description): (&str, &str),
    ) -> String {
        let (outer, inner) = ([width, height].map(Pixels), [width - 1.0, height - 1.0].map(Pixels));
        let ([width, height], [card_width, card_height]) = (outer, inner);
        let [title, description] = [title, description].map(escaped);
        let (style, body) = (theme.style(), self.body);
        let size = format!(r#"width="{width}" height="{height}" viewBox="0 0 {width} {height}""#);
        let card = format!(r#"width="{card_width}" height="{card_height}" rx="8""#);
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">
<title>{title}</title>
<desc>{description}</desc>
<style>{style}</style>
<rect class="card" x="0.5" y="0.5" {card}/>
{body}</svg>
"#
        )
    }
}

/// A tenth is enough.
struct Pixels(f64);

impl std::fmt::Display for Pixels {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        assert!(self.0.is_finite(), "a place in the drawing");
        let tenths = (self.0 * 10.0).round() / 10.0;
        write!(out, "{tenths}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a text takes, about: a little more than in the fonts of most systems.
pub fn width(text: &str, size: f64) -> f64 {
    let of = |letter: char| match letter {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | ' ' => 0.29,
        'f' | 'r' | 't' | '(' | ')' | '[' | ']' | '/' | '-' => 0.37,
        'm' | 'w' | 'M' | 'W' | '%' => 0.86,
        'A'..='Z' | '_' => 0.67,
        _ => 0.58,
    };
    text.chars().map(of).sum::<f64>() * size
}

/// The text in lines that are no wider than so many pixels, unless a word is, in the widest of the
/// fonts that systems have.
pub fn wrapped(text: &str, size: f64, most: f64) -> Vec<String> {
    let most = most * 0.88;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
