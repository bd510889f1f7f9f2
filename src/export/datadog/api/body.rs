//! Series as JSON, the body of a request.
#![forbid(unsafe_code)]

use crate::export::batches::Rest;
use crate::export::datadog::tags::{MAX_NAME_BYTES, Naming, Tags};
use crate::export::number::{push_float, push_integer};
use crate::export::rendered::{Pieces, Rendered, Spelling};
use crate::export::scale::Scale;
use crate::series::Descriptor;
use crate::snapshot::{HistogramSnapshot, Value};

/// Room in a name for what is appended to that of a histogram.
const SUFFIX_BYTES: usize = 16;
const QUANTILES: [(&str, f64); 3] =
    [(".median", 0.5), (".95percentile", 0.95), (".99percentile", 0.99)];
const SUFFIXES: [&str; 6] = [".count", ".avg", ".median", ".95percentile", ".99percentile", ".max"];
const BEGIN: &[u8] = b"{\"series\":[";
const END: &[u8] = b"]}";

/// `{"metric":"NAME`, and `"tags":[..],"resources":[..]`.
pub(super) struct SeriesSpelling {
    pub(super) naming: Naming,
    /// Empty if it is not said.
    pub(super) host: String,
}

impl SeriesSpelling {
    pub(super) fn new(tags: Tags, host: String) -> Self {
        Self { naming: Naming::new(tags), host }
    }
}

impl Spelling for SeriesSpelling {
    fn render(&mut self, descriptor: &Descriptor, pieces: &mut Vec<u8>) -> usize {
        let is_histogram = descriptor.kind() == crate::series::Kind::Histogram;
        let suffixes: &[&str] = if is_histogram { &SUFFIXES } else { &[""] };
        let named = self.naming.name(descriptor, suffixes, MAX_NAME_BYTES - SUFFIX_BYTES);
        pieces.extend_from_slice(b"{\"metric\":\"");
        pieces.extend_from_slice(named.name.as_bytes());
        let middle = pieces.len();
        if !named.tags.is_empty() {
            pieces.extend_from_slice(b",\"tags\":");
            push_json(pieces, &named.tags);
        }
        if !self.host.is_empty() {
            pieces.extend_from_slice(b",\"resources\":[{\"type\":\"host\",\"name\":");
            push_json(pieces, &self.host);
            pieces.extend_from_slice(b"}]");
        }
        middle
    }

    fn forget(&mut self) {
        self.naming.forget();
    }
}

fn push_json(out: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("memory takes whatever is written");
}

/// What the API calls the unit.
fn unit(scale: Scale) -> &'static str {
    match scale.unit {
        "seconds" => "second",
        "bytes" => "byte",
        "ratio" => "fraction",
        _ => "",
    }
}

/// How the API numbers kinds of metrics.
#[derive(Clone, Copy)]
enum Kind {
    Count = 1,
    Gauge = 3,
}

/// What a body was filled with.
pub(super) struct Filled {
    /// The place of the first series that is not in it.
    pub(super) end: usize,
    /// How many series of quipu's are in it.
    pub(super) values: usize,
    pub(super) unrepresentable: usize,
}

#[derive(Default)]
pub(super) struct Body {
    text: Vec<u8>,
}

impl Body {
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Fills it with what comes next, up to `max_bytes`, but with one series at least.
    pub(super) fn fill(
        &mut self,
        rest: Rest<'_>,
        rendered: &Rendered,
        second: u64,
        max_bytes: usize,
    ) -> Filled {
        self.text.clear();
        self.text.extend_from_slice(BEGIN);
        let mut filled = Filled { end: rest.delta.len(), values: 0, unrepresentable: 0 };
        let interval_s = (rest.delta.interval().as_secs_f64().round() as u64).max(1);
        for (place, descriptor, value) in rest.delta.iter_from(rest.from) {
            let at = rest.delta.catalog().sorted()[place] as usize;
            let before = self.text.len();
            let mut series = Series {
                text: &mut self.text,
                pieces: rendered.pieces(at),
                scale: Scale::of(descriptor.unit()),
                second,
                interval_s,
            };
            match value {
                Value::Counter(0) => {}
                Value::Counter(added) => series.integer("", Kind::Count, added),
                Value::UpDownCounter(_) => series.sum(rest.totals.word_at(at) as i64),
                Value::Gauge(reading) if !reading.is_finite() => filled.unrepresentable += 1,
                Value::Gauge(reading) => series.reading("", reading),
                Value::Histogram(values) => series.distribution(&values),
            }
            if self.text.len() == before {
                continue;
            }
            if self.text.len() + END.len() > max_bytes && filled.values != 0 {
                self.text.truncate(before);
                filled.end = place;
                break;
            }
            filled.values += 1;
        }
        self.text.extend_from_slice(END);
        filled
    }
}

/// Writes what one of quipu's series is at Datadog.
struct Series<'a> {
    text: &'a mut Vec<u8>,
    pieces: Pieces<'a>,
    scale: Scale,
    second: u64,
    interval_s: u64,
}

impl Series<'_> {
    fn integer(&mut self, suffix: &str, kind: Kind, value: u64) {
        let scale = self.scale;
        self.point(suffix, kind, unit(scale), |text| scale.push(text, value));
    }

    fn sum(&mut self, value: i64) {
        let scale = self.scale;
        self.point("", Kind::Gauge, unit(scale), |text| {
            if value < 0 {
                text.push(b'-');
            }
            scale.push(text, value.unsigned_abs());
        });
    }

    fn reading(&mut self, suffix: &str, value: f64) {
        let scale = self.scale;
        let exported = scale.exported(value);
        self.point(suffix, Kind::Gauge, unit(scale), |text| push_float(text, exported));
    }

    fn distribution(&mut self, values: &HistogramSnapshot<'_>) {
        let (Some(mean), Some(max)) = (values.mean(), values.max()) else { return };
        let count = values.count();
        self.point(".count", Kind::Count, "", |text| push_integer(text, count));
        self.reading(".avg", mean);
        for (suffix, share) in QUANTILES {
            self.integer(suffix, Kind::Gauge, values.quantile(share).unwrap_or(max));
        }
        self.integer(".max", Kind::Gauge, max);
    }

    fn point(
        &mut self,
        suffix: &str,
        kind: Kind,
        unit: &str,
        push_value: impl FnOnce(&mut Vec<u8>),
    ) {
        let text = &mut *self.text;
        if text.len() != BEGIN.len() {
            text.push(b',');
        }
        text.extend_from_slice(self.pieces.head);
        text.extend_from_slice(suffix.as_bytes());
        text.extend_from_slice(b"\",\"type\":");
        push_integer(text, kind as u8);
        if matches!(kind, Kind::Count) {
            text.extend_from_slice(b",\"interval\":");
            push_integer(text, self.interval_s);
        }
        if !unit.is_empty() {
            text.extend_from_slice(b",\"unit\":\"");
            text.extend_from_slice(unit.as_bytes());
            text.push(b'"');
        }
        text.extend_from_slice(b",\"points\":[{\"timestamp\":");
        push_integer(text, self.second);
        text.extend_from_slice(b",\"value\":");
        push_value(text);
        text.extend_from_slice(b"}]");
        text.extend_from_slice(self.pieces.tail);
        text.push(b'}');
    }
}
