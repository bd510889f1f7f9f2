//! What all charts have: a title above, panels in columns, and below where the numbers are from.

use super::drawing::{Drawing, width, wrapped};
use super::theme::Theme;

/// For whom a drawing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A page of the width that GitHub's have.
    Wide,
    /// A telephone, held upright.
    Narrow,
}

pub const FORMATS: [Format; 2] = [Format::Wide, Format::Narrow];

const MARGIN: f64 = 16.0;
const GUTTER: f64 = 28.0;
const LINE: f64 = 17.0;
/// Below a panel.
const BELOW: f64 = 26.0;

impl Format {
    fn width(self) -> f64 {
        match self {
            Self::Wide => 830.0,
            Self::Narrow => 420.0,
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Wide => "",
            Self::Narrow => "-narrow",
        }
    }
}

/// A part of a chart.
pub trait Panel {
    /// In a width.
    fn height(&self, width: f64) -> f64;

    /// From a corner, in a width.
    fn draw(&self, drawing: &mut Drawing, corner: (f64, f64), width: f64);
}

/// A sign, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Dot(&'static str, &'static str),
    Line(&'static str, &'static str),
    Tick(&'static str, &'static str),
}

pub struct Chart {
    /// What its files begin with.
    pub name: String,
    pub title: String,
    /// How to read it.
    pub subtitle: String,
    /// What it shows, for who does not see it.
    pub alternative: String,
    pub legend: Vec<Sign>,
    /// Whether panels are in two columns where there is room.
    pub is_paired: bool,
    pub panels: Vec<Box<dyn Panel>>,
    /// Where the numbers are from.
    pub footer: Vec<String>,
}

impl Chart {
    pub fn file(&self, format: Format, theme: &Theme) -> String {
        format!("{}{}-{}.svg", self.name, format.suffix(), theme.name)
    }

    pub fn draw(&self, format: Format, theme: &Theme) -> String {
        let mut drawing = Drawing::new();
        let inner = format.width() - 2.0 * MARGIN;
        let mut y = MARGIN + 16.0;
        for line in wrapped(&self.title, 19.0, inner) {
            drawing.text((MARGIN, y), "title", &line);
            y += 23.0;
        }
        for line in wrapped(&self.subtitle, 12.0, inner) {
            drawing.text((MARGIN, y), "muted", &line);
            y += LINE;
        }
        y = self.draw_legend(&mut drawing, y + 4.0, inner);
        y = self.draw_panels(&mut drawing, format, y + 8.0, inner);
        for line in self.footer.iter().flat_map(|line| wrapped(line, 11.0, inner)) {
            drawing.text((MARGIN, y), "mark", &line);
            y += 15.0;
        }
        let size = (format.width(), y - 15.0 + MARGIN);
        drawing.finish(size, theme, (&self.title, &self.alternative))
    }

    fn draw_legend(&self, drawing: &mut Drawing, mut y: f64, inner: f64) -> f64 {
        let mut x = MARGIN;
        for sign in &self.legend {
            let (Sign::Dot(_, text) | Sign::Line(_, text) | Sign::Tick(_, text)) = *sign;
            let wide = 26.0 + width(text, 12.0);
            if x > MARGIN && x + wide > MARGIN + inner {
                (x, y) = (MARGIN, y + LINE);
            }
            let middle = y - 4.0;
            match *sign {
                Sign::Dot(class, _) => drawing.circle((x + 6.0, middle), 4.0, class),
                Sign::Line(class, _) => {
                    drawing.line(&[(x, middle), (x + 16.0, middle)], class);
                }
                Sign::Tick(class, _) => {
                    let middle_x = x + 8.0;
                    drawing.line(&[(middle_x, middle - 6.0), (middle_x, middle + 6.0)], class);
                }
            }
            drawing.text((x + 20.0, y), "muted", text);
            x += wide + 14.0;
        }
        y + LINE
    }

    /// In their order, down one column and then down the next.
    fn draw_panels(&self, drawing: &mut Drawing, format: Format, y: f64, inner: f64) -> f64 {
        let is_paired = self.is_paired && format == Format::Wide;
        let wide = if is_paired { (inner - GUTTER) / 2.0 } else { inner };
        let high = |panels: &[Box<dyn Panel>]| {
            panels.iter().map(|panel| panel.height(wide) + BELOW).sum::<f64>()
        };
        // The columns are as long as each other, or nearly so.
        let longer =
            |split: usize| f64::max(high(&self.panels[..split]), high(&self.panels[split..]));
        let all = self.panels.len();
        let splits = (0..=all).min_by(|one, other| longer(*one).total_cmp(&longer(*other)));
        let split = if is_paired { splits.unwrap_or(all) } else { all };
        let (left, right) = self.panels.split_at(split);
        for (panels, x) in [(left, MARGIN), (right, MARGIN + wide + GUTTER)] {
            let mut y = y;
            for panel in panels {
                panel.draw(drawing, (x, y), wide);
                y += panel.height(wide) + BELOW;
            }
        }
        y + f64::max(high(left), high(right))
    }
}
