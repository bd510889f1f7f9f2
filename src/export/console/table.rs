//! The layout of the table.
#![forbid(unsafe_code)]

use super::text::{grouped, quantity, series, time_of_day, total};
use crate::client::Delivery;
use crate::series::Unit;
use crate::snapshot::Value;

/// One kind of metric: a title for each column, and its rows.
struct Section {
    titles: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// Appends the table of a delivery to `text`.
pub(super) fn encode(delivery: &Delivery<'_>, text: &mut String) {
    let snapshot = delivery.snapshot();
    let of_the_interval = delivery.delta();
    let interval = if delivery.is_last() { snapshot } else { &*of_the_interval };
    let seconds = interval.interval().as_secs_f64();

    let mut counters = Section { titles: &["counter", "per second", "total"], rows: Vec::new() };
    let mut levels = Section { titles: &["gauge", "now"], rows: Vec::new() };
    let mut histograms = Section {
        titles: &["histogram", "per second", "total", "p50", "p90", "p99", "p99.9", "max"],
        rows: Vec::new(),
    };
    for ((descriptor, value), (_, changed)) in snapshot.iter().zip(interval.iter()) {
        let unit = descriptor.unit();
        let name = series(descriptor);
        match (value, changed) {
            (Value::Counter(count), Value::Counter(grown)) => {
                let rate = quantity(grown as f64 / seconds, unit);
                counters.rows.push(vec![name, rate, total(count, unit)]);
            }
            (Value::UpDownCounter(sum), _) => {
                let now =
                    if unit == Unit::None { grouped(sum) } else { quantity(sum as f64, unit) };
                levels.rows.push(vec![name, now]);
            }
            (Value::Gauge(reading), _) => levels.rows.push(vec![name, quantity(reading, unit)]),
            (Value::Histogram(all), Value::Histogram(recent)) => {
                let rate = quantity(recent.count() as f64 / seconds, Unit::None);
                let mut row = vec![name, rate, grouped(all.count())];
                let quantiles = [0.5, 0.9, 0.99, 0.999].map(|q| recent.quantile(q));
                for value in quantiles.into_iter().chain([recent.max()]) {
                    let shown = value.map(|value| quantity(value as f64, unit));
                    row.push(shown.unwrap_or_else(|| "-".to_owned()));
                }
                histograms.rows.push(row);
            }
            _ => {}
        }
    }

    let period = if delivery.is_last() || delivery.acknowledged().is_none() {
        format!("since the start, {}", quantity(seconds, Unit::Seconds))
    } else {
        format!("the last {}", quantity(seconds, Unit::Seconds))
    };
    *text += &format!("-- {} -- rates and quantiles: {period}\n", time_of_day(snapshot.time()));
    for section in [counters, levels, histograms] {
        section.encode(text);
    }
}

impl Section {
    fn encode(&self, text: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        let titles = self.titles.iter().map(|&title| title.to_owned()).collect();
        let rows = || std::iter::once(&titles).chain(&self.rows);
        let width =
            |column: usize| rows().map(|row: &Vec<String>| row[column].chars().count()).max();
        let widths: Vec<_> = (0..self.titles.len()).map(|at| width(at).unwrap_or(0)).collect();
        for row in rows() {
            *text += &format!("{:<1$}", row[0], widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                *text += &format!("  {cell:>width$}");
            }
            text.push('\n');
        }
        text.push('\n');
    }
}
