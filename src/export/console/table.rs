//! The layout of the table.
#![forbid(unsafe_code)]

use super::style::Style;
use super::text::{append, grouped, quantity, time_of_day, total};
use crate::client::Delivery;
use crate::series::{Descriptor, Unit};
use crate::snapshot::{HistogramSnapshot, Snapshot, Value};

/// Names of what a client measures about itself begin with it.
const OWN: &str = "quipu.";

/// A table under construction; its buffers are used again by the next one.
pub(super) struct Table {
    counters: Section,
    levels: Section,
    histograms: Section,
}

/// One kind of metric: a title for each column, and its rows.
struct Section {
    titles: &'static [&'static str],
    /// The cells of all rows, one after the other, and where each ends.
    text: String,
    ends: Vec<usize>,
    widths: Vec<usize>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            counters: Section::new(&["counter", "per second", "total"]),
            levels: Section::new(&["gauge", "now"]),
            histograms: Section::new(&[
                "histogram",
                "per second",
                "total",
                "p50",
                "p90",
                "p99",
                "p99.9",
                "max",
            ]),
        }
    }

    /// Appends the table of a delivery to `text`.
    pub(super) fn encode(
        &mut self,
        delivery: &Delivery<'_>,
        with_own: bool,
        style: Style,
        text: &mut String,
    ) {
        let snapshot: &Snapshot = delivery.snapshot();
        let is_since_start = delivery.is_last() || delivery.acknowledged().is_none();
        let interval = if is_since_start { snapshot } else { delivery.delta() };
        let seconds = interval.interval().as_secs_f64();
        for ((descriptor, value), (_, changed)) in snapshot.iter().zip(interval.iter()) {
            if with_own || !descriptor.name().starts_with(OWN) {
                self.add(descriptor, value, changed, seconds);
            }
        }
        let mut title = String::new();
        append(&mut title, format_args!("-- {} -- ", time_of_day(snapshot.time())));
        title += "rates and quantiles: ";
        title += if is_since_start { "since the start, " } else { "the last " };
        quantity(&mut title, seconds, Unit::Seconds);
        style.aside(text, title);
        text.push('\n');
        for section in [&mut self.counters, &mut self.levels, &mut self.histograms] {
            section.encode(style, text);
        }
    }

    fn add(&mut self, descriptor: &Descriptor, now: Value<'_>, changed: Value<'_>, seconds: f64) {
        let unit = descriptor.unit();
        match (now, changed) {
            (Value::Counter(count), Value::Counter(grown)) => {
                let section = &mut self.counters;
                section.cell(|text| append(text, descriptor));
                section.cell(|text| rate(text, grown, seconds, unit));
                section.cell(|text| total(text, count, unit));
            }
            (Value::UpDownCounter(sum), _) => {
                self.levels.cell(|text| append(text, descriptor));
                self.levels.cell(|text| match unit {
                    Unit::None => grouped(text, sum),
                    _ => quantity(text, sum as f64, unit),
                });
            }
            (Value::Gauge(reading), _) => {
                self.levels.cell(|text| append(text, descriptor));
                self.levels.cell(|text| quantity(text, reading, unit));
            }
            (Value::Histogram(all), Value::Histogram(recent)) => {
                self.histograms.cell(|text| append(text, descriptor));
                self.add_distribution(&all, &recent, unit, seconds);
            }
            _ => {}
        }
    }

    fn add_distribution(
        &mut self,
        all: &HistogramSnapshot<'_>,
        recent: &HistogramSnapshot<'_>,
        unit: Unit,
        seconds: f64,
    ) {
        let section = &mut self.histograms;
        section.cell(|text| rate(text, recent.count(), seconds, Unit::None));
        section.cell(|text| grouped(text, all.count()));
        let quantiles = [0.5, 0.9, 0.99, 0.999].map(|share| recent.quantile(share));
        for value in quantiles.into_iter().chain([recent.max()]) {
            section.cell(|text| match value {
                Some(value) => quantity(text, value as f64, unit),
                None => text.push('-'),
            });
        }
    }
}

/// Appends a rate, unless no time has passed.
fn rate(text: &mut String, count: u64, seconds: f64, unit: Unit) {
    if seconds > 0.0 {
        quantity(text, count as f64 / seconds, unit);
    } else {
        text.push('-');
    }
}

impl Section {
    fn new(titles: &'static [&'static str]) -> Self {
        Self { titles, text: String::new(), ends: Vec::new(), widths: Vec::new() }
    }

    fn cell(&mut self, write: impl FnOnce(&mut String)) {
        write(&mut self.text);
        self.ends.push(self.text.len());
    }

    /// Appends the rows to `text`, and forgets them.
    fn encode(&mut self, style: Style, text: &mut String) {
        if !self.ends.is_empty() {
            self.measure();
            let mut titles = String::new();
            self.row(self.titles.iter().copied(), &mut titles);
            style.title(text, titles);
            text.push('\n');
            let columns = self.titles.len();
            for row in 0..self.ends.len() / columns {
                self.row((row * columns..(row + 1) * columns).map(|at| self.at(at)), text);
                text.push('\n');
            }
            text.push('\n');
        }
        self.text.clear();
        self.ends.clear();
    }

    fn at(&self, cell: usize) -> &str {
        let start = cell.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[cell]]
    }

    fn measure(&mut self) {
        let mut widths = std::mem::take(&mut self.widths);
        widths.clear();
        widths.extend(self.titles.iter().map(|title| title.len()));
        for cell in 0..self.ends.len() {
            let width = &mut widths[cell % self.titles.len()];
            *width = self.at(cell).chars().count().max(*width);
        }
        self.widths = widths;
    }

    /// Appends a row: names to the left, numbers to the right.
    fn row<'a>(&self, mut cells: impl Iterator<Item = &'a str>, text: &mut String) {
        append(text, format_args!("{:<1$}", cells.next().unwrap_or_default(), self.widths[0]));
        for (cell, width) in cells.zip(&self.widths[1..]) {
            append(text, format_args!("  {cell:>width$}"));
        }
    }
}
