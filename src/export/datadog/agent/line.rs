//! A series as lines of DogStatsD.
#![forbid(unsafe_code)]

use crate::export::datadog::tags::{MAX_NAME_BYTES, Naming, Tags};
use crate::export::datagram::{Encoder, Item, Lines, MAX_WEIGHT, Point, points, push_rate};
use crate::export::number::{push_float, push_integer};
use crate::export::rendered::{Pieces, Rendered, Spelling};
use crate::export::scale::Scale;
use crate::series::Descriptor;
use crate::snapshot::{HistogramSnapshot, Snapshot, Value};

/// `name:` and `|#tags|c:..|e:..`.
pub(super) struct LineSpelling {
    pub(super) naming: Naming,
    /// The fields that say which container lines are of.
    pub(super) origin: String,
}

impl LineSpelling {
    pub(super) fn new(tags: Tags, origin: String) -> Self {
        Self { naming: Naming::new(tags), origin }
    }

    /// The second piece for these tags.
    pub(super) fn tail(&self, tags: &[String], pieces: &mut Vec<u8>) {
        for (at, tag) in tags.iter().enumerate() {
            pieces.extend_from_slice(if at == 0 { b"|#" } else { b"," });
            pieces.extend_from_slice(tag.as_bytes());
        }
        pieces.extend_from_slice(self.origin.as_bytes());
    }
}

impl Spelling for LineSpelling {
    fn render(&mut self, descriptor: &Descriptor, pieces: &mut Vec<u8>) -> usize {
        let named = self.naming.name(descriptor, &[""], MAX_NAME_BYTES);
        pieces.extend_from_slice(named.name.as_bytes());
        pieces.push(b':');
        let middle = pieces.len();
        self.tail(&named.tags, pieces);
        middle
    }

    fn forget(&mut self) {
        self.naming.forget();
    }
}

/// Buffers of an encoder.
#[derive(Default)]
pub(super) struct LineEncoder {
    points: Vec<Point>,
}

impl LineEncoder {
    /// One that writes series as they were rendered; `time_of` says which second a delta is of, if
    /// it is to be told.
    pub(super) fn with<'a, F>(&'a mut self, rendered: &'a Rendered, time_of: F) -> Encoding<'a, F>
    where
        F: FnMut(&Snapshot) -> Option<u64>,
    {
        Encoding { points: &mut self.points, rendered, time_of }
    }
}

pub(super) struct Encoding<'a, F> {
    points: &'a mut Vec<Point>,
    rendered: &'a Rendered,
    time_of: F,
}

impl<F: FnMut(&Snapshot) -> Option<u64>> Encoder for Encoding<'_, F> {
    fn encode(&mut self, item: &Item<'_>, lines: &mut Lines) {
        let pieces = self.rendered.pieces(item.at);
        let scale = Scale::of(item.descriptor.unit());
        match item.value {
            Value::Counter(0) => return,
            Value::Counter(added) => {
                lines.text().extend_from_slice(pieces.head);
                scale.push(lines.text(), added);
                lines.text().extend_from_slice(b"|c");
            }
            Value::UpDownCounter(_) => {
                let total = item.total();
                lines.text().extend_from_slice(pieces.head);
                if total < 0 {
                    lines.text().push(b'-');
                }
                scale.push(lines.text(), total.unsigned_abs());
                lines.text().extend_from_slice(b"|g");
            }
            Value::Gauge(reading) => {
                if !reading.is_finite() {
                    return lines.unrepresentable();
                }
                lines.text().extend_from_slice(pieces.head);
                push_float(lines.text(), scale.exported(reading));
                lines.text().extend_from_slice(b"|g");
            }
            Value::Histogram(values) => return self.distribution(&values, pieces, scale, lines),
        }
        lines.text().extend_from_slice(pieces.tail);
        if let Some(second) = (self.time_of)(item.rest.delta) {
            lines.text().extend_from_slice(b"|T");
            push_integer(lines.text(), second);
        }
        lines.end();
    }
}

impl<F> Encoding<'_, F> {
    /// Values with the same weight, as many in a line as fit, by ascending weights: the agent adds them to
    /// a sketch, to which their order is nothing.
    fn distribution(
        &mut self,
        values: &HistogramSnapshot<'_>,
        pieces: Pieces<'_>,
        scale: Scale,
        lines: &mut Lines,
    ) {
        points(values, self.points);
        // In place, and the same at every encoding: points that are equal in both are the same.
        self.points.sort_unstable_by_key(|point| (point.count, point.value));
        for run in self.points.chunk_by(|a, b| a.count == b.count) {
            let mut rest = run[0].count;
            while rest != 0 {
                let weight = rest.min(MAX_WEIGHT);
                push_run(run.iter().map(|point| point.value), weight, pieces, scale, lines);
                rest -= weight;
            }
        }
    }
}

/// The largest number of bytes that `:` and a value take.
const VALUE_BYTES: usize = 22;
/// The same of `|d` and a rate.
const RATE_BYTES: usize = 40;

fn push_run(
    values: impl Iterator<Item = u64>,
    weight: u64,
    pieces: Pieces<'_>,
    scale: Scale,
    lines: &mut Lines,
) {
    let reserved = VALUE_BYTES + RATE_BYTES + pieces.tail.len();
    let mut is_begun = false;
    for value in values {
        let bytes = lines.text().len() - lines.start();
        if is_begun && bytes + reserved > lines.max_bytes() {
            end_run(weight, pieces, lines);
            is_begun = false;
        }
        if is_begun {
            lines.text().push(b':');
        } else {
            lines.text().extend_from_slice(pieces.head);
            is_begun = true;
        }
        scale.push(lines.text(), value);
    }
    if is_begun {
        end_run(weight, pieces, lines);
    }
}

fn end_run(weight: u64, pieces: Pieces<'_>, lines: &mut Lines) {
    lines.text().extend_from_slice(b"|d");
    if weight != 1 {
        lines.text().extend_from_slice(b"|@");
        push_rate(lines.text(), weight);
    }
    lines.text().extend_from_slice(pieces.tail);
    lines.end();
}
