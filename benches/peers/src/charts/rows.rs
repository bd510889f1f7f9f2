//! A panel with a row for each entrant: its name, where it stands, and the numbers.

use super::drawing::{Drawing, width};
use super::frame::Panel;
use super::scale::Scale;
use crate::results::Role;

const PITCH: f64 = 20.0;
/// Of a plot that is below the name and the numbers, where there is no room beside them.
const BELOW: f64 = 16.0;
/// The least that a plot beside them has.
const LEAST: f64 = 90.0;
/// Above the first row.
const HEAD: f64 = 28.0;
/// Below the last row, for the axis.
const FOOT: f64 = 18.0;
const GAP: f64 = 10.0;

/// How a value is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// From the axis' begin, which is 0.
    Bar,
    /// With a line from the 10th to the 90th percentile. Several in a row are connected, the last
    /// one being the largest.
    Dot,
}

pub struct Rows {
    pub title: String,
    /// What is written along the axis.
    pub unit: String,
    pub mark: Mark,
    pub scale: Scale,
    /// Above the numbers.
    pub headings: Vec<String>,
    pub rows: Vec<Row>,
    /// What names and numbers take; the plot has the rest.
    pub widths: Widths,
}

/// In pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Widths {
    name: f64,
    cells: Vec<f64>,
}

impl Widths {
    /// For some rows, and numbers below headings.
    pub fn of<'r>(headings: &[String], rows: impl IntoIterator<Item = &'r Row>) -> Self {
        let cells = headings.iter().map(|heading| width(heading, 11.0)).collect();
        rows.into_iter().fold(Self { name: 0.0, cells }, |mut widths, row| {
            widths.name = widths.name.max(width(&row.name, 12.0));
            for (widest, cell) in widths.cells.iter_mut().zip(&row.cells) {
                *widest = widest.max(width(cell, 12.0));
            }
            widths
        })
    }

    /// For everything that has one or the other.
    pub fn and(mut self, other: &Self) -> Self {
        self.name = self.name.max(other.name);
        for (widest, other) in self.cells.iter_mut().zip(&other.cells) {
            *widest = widest.max(*other);
        }
        self
    }
}

pub struct Row {
    pub name: String,
    pub role: Role,
    pub values: Vec<Value>,
    /// The numbers, one below each heading.
    pub cells: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Value {
    pub median: f64,
    pub p10: f64,
    pub p90: f64,
}

/// The class of what is drawn for a role.
pub fn class(role: Role) -> &'static str {
    match role {
        Role::Quipu => "quipu",
        Role::Peer => "peer",
        Role::Floor => "floor",
    }
}

/// The class of a name.
pub fn name_class(role: Role) -> &'static str {
    match role {
        Role::Quipu => "quipu-name",
        Role::Peer => "name",
        Role::Floor => "floor-name",
    }
}

/// Where things are.
struct Layout {
    /// The plot's ends.
    plot: (f64, f64),
    /// The right ends of the numbers.
    cells: Vec<f64>,
    /// From one row to the next.
    pitch: f64,
}

impl Rows {
    fn layout(&self, left: f64, wide: f64) -> Layout {
        let mut right = left + wide - 4.0;
        let place = |widest: &f64| {
            let end = right;
            right -= widest + GAP;
            end
        };
        let mut cells: Vec<_> = self.widths.cells.iter().rev().map(place).collect();
        cells.reverse();
        let plot = (left + 4.0 + self.widths.name + GAP, right - 2.0);
        if plot.1 - plot.0 < LEAST {
            return Layout { plot: (left + 8.0, left + wide - 8.0), cells, pitch: PITCH + BELOW };
        }
        Layout { plot, cells, pitch: PITCH }
    }

    fn draw_axis(&self, drawing: &mut Drawing, (from, to): (f64, f64), (top, bottom): (f64, f64)) {
        let mut marks = self.scale.marks(&self.unit);
        let x = |value: f64| from + self.scale.position(value) * (to - from);
        for (value, _) in &marks {
            drawing.line(&[(x(*value), top), (x(*value), bottom)], "grid");
        }
        // Powers of ten come first where there is no room for all.
        marks.sort_by_key(|(value, _)| *value > 0.0 && value.log10().fract() != 0.0);
        let mut written: Vec<(f64, f64)> = Vec::new();
        for (value, text) in marks {
            let (x, half) = (x(value), width(&text, 11.0) / 2.0);
            let (start, end) = (x - half - 3.0, x + half + 3.0);
            if written.iter().all(|one| end <= one.0 || start >= one.1) && end <= to + 28.0 {
                drawing.text((x, bottom + 13.0), "mark middle", &text);
                written.push((start, end));
            }
        }
    }

    /// Where quipu stands, through all rows, if that is one place.
    fn draw_reference(&self, drawing: &mut Drawing, (from, to): (f64, f64), ends: (f64, f64)) {
        let quipu = self.rows.iter().find(|row| row.role == Role::Quipu);
        if let Some([value]) = quipu.map(|row| &row.values[..]) {
            let x = from + self.scale.position(value.median) * (to - from);
            drawing.line(&[(x, ends.0), (x, ends.1)], "reference");
        }
    }

    fn draw_values(&self, drawing: &mut Drawing, row: &Row, (from, to): (f64, f64), middle: f64) {
        let class = class(row.role);
        let x = |value: f64| from + self.scale.position(value) * (to - from);
        if self.mark == Mark::Bar {
            for value in &row.values {
                // Nothing is seen as something thin.
                let long = (x(value.median) - from).max(1.0);
                drawing.rectangle((from, middle - 5.5), (long, 11.0), class, 1.5);
            }
            return;
        }
        drawing.line(&[(from, middle), (to, middle)], "grid");
        if let [first, .., last] = &row.values[..] {
            let ends = [(x(first.median), middle), (x(last.median), middle)];
            drawing.line(&ends, &format!("{class} range"));
        }
        for (at, value) in row.values.iter().enumerate() {
            if row.values.len() == 1 {
                let ends = [(x(value.p10), middle), (x(value.p90), middle)];
                drawing.line(&ends, &format!("{class} range"));
            }
            let larger = (row.values.len() - 1 - at) as f64;
            let full = if row.role == Role::Quipu { 5.0 } else { 4.0 };
            drawing.circle((x(value.median), middle), full - larger * 0.9, class);
        }
    }
}

impl Panel for Rows {
    fn height(&self, width: f64) -> f64 {
        HEAD + self.rows.len() as f64 * self.layout(0.0, width).pitch + FOOT
    }

    fn draw(&self, drawing: &mut Drawing, (left, top): (f64, f64), wide: f64) {
        let Layout { plot, cells, pitch } = self.layout(left, wide);
        drawing.text((left, top + 14.0), "heading", &self.title);
        for (heading, &end) in self.headings.iter().zip(&cells) {
            drawing.text((end, top + 14.0), "mark end", heading);
        }
        let first = top + HEAD;
        let bottom = first + self.rows.len() as f64 * pitch;
        let row_top = |at: usize| first + at as f64 * pitch;
        for (at, _) in self.rows.iter().enumerate().filter(|(_, row)| row.role == Role::Quipu) {
            drawing.rectangle((left, row_top(at)), (wide, pitch), "tint", 4.0);
        }
        // Not through names and numbers that are above plots.
        let is_stacked = pitch > PITCH;
        let lines = if is_stacked { (bottom, bottom) } else { (first, bottom) };
        self.draw_axis(drawing, plot, lines);
        for (at, row) in self.rows.iter().enumerate() {
            let middle = row_top(at) + PITCH / 2.0;
            let plot_middle = if is_stacked { middle + BELOW - 1.0 } else { middle };
            self.draw_values(drawing, row, plot, plot_middle);
            let class = name_class(row.role);
            drawing.text((left + 4.0, middle + 4.0), class, &row.name);
            for (cell, &end) in row.cells.iter().zip(&cells) {
                drawing.text((end, middle + 4.0), &format!("{class} end"), cell);
            }
        }
        if !is_stacked {
            self.draw_reference(drawing, plot, (first, bottom));
        }
    }
}
