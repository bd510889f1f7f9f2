//! The two text formats: Prometheus' own
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/>) and OpenMetrics
//! (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>).
//!
//! The piece of a scalar is its line but for the value. That of a histogram is the line of a bucket
//! but for the bound, from which the other lines take the labels:
//!
//! ```text
//! http_requests_total{method="GET"} 12
//! ----------------------------------            piece of a counter
//! http_duration_seconds_bucket{method="GET",le="0.005"} 3
//! ----------------------------------------------        piece of a histogram
//!                              ------------             labels
//! http_duration_seconds_sum{method="GET"} 0.01
//! ```
//!
//! Names in quotes stand between the braces, before the labels.
#![forbid(unsafe_code)]

use super::bounds::Cumulative;
use super::name::is_identifier;
use super::plan::{Family, NewFamily, Plan, Rendered, Syntax};
use crate::export::number::{push_float, push_integer};
use crate::export::scale::Scale;
use crate::series::{Kind, Unit};
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::borrow::Cow;
use std::time::SystemTime;

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Prometheus,
    OpenMetrics,
}

/// What ends a histogram's piece, after a comma or a brace.
const BOUND: &[u8] = b"le=\"";

/// A family's lines of metadata, and the beginnings of its samples' lines.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    is_histogram: bool,
    is_quoted: bool,
    metadata: Vec<u8>,
    metadata_open: Vec<u8>,
    /// What pieces begin with.
    first: Vec<u8>,
    created: Vec<u8>,
    sum: Vec<u8>,
    count: Vec<u8>,
    bounds: Vec<Bound>,
}

#[derive(Clone, Debug)]
struct Bound {
    /// The largest recorded value that it holds.
    limit: u64,
    /// `0.005"} `, for each dialect: whole numbers have a fraction in OpenMetrics.
    rest: Vec<u8>,
    rest_open: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Text {}

impl Syntax for Text {
    type Family = Lines;

    fn family(new: &NewFamily<'_>) -> Lines {
        let kind = new.descriptor.kind();
        let is_quoted = !is_identifier(&new.name);
        let beginning = |suffix: &str| {
            let mut line = Vec::new();
            line.extend_from_slice(if is_quoted { b"{" } else { b"" });
            push_name(&mut line, &new.name, suffix, is_quoted);
            line
        };
        Lines {
            is_histogram: kind == Kind::Histogram,
            is_quoted,
            metadata: metadata(new, Dialect::Prometheus, is_quoted),
            metadata_open: metadata(new, Dialect::OpenMetrics, is_quoted),
            first: beginning(match kind {
                Kind::Counter => "_total",
                Kind::UpDownCounter | Kind::Gauge => "",
                Kind::Histogram => "_bucket",
            }),
            created: beginning("_created"),
            sum: beginning("_sum"),
            count: beginning("_count"),
            bounds: new.bounds.iter().map(|&bound| Bound::new(bound, new.scale)).collect(),
        }
    }

    fn series(family: &Lines, labels: &[(Cow<'_, str>, Cow<'_, str>)], pieces: &mut Vec<u8>) {
        let mut separator = family.separator(true);
        pieces.extend_from_slice(&family.first);
        for (key, value) in labels {
            pieces.push(separator);
            push_name(pieces, key, "", !is_identifier(key));
            pieces.extend_from_slice(b"=\"");
            push_escaped(pieces, value, true);
            pieces.push(b'"');
            separator = b',';
        }
        if family.is_histogram {
            pieces.push(separator);
            pieces.extend_from_slice(BOUND);
        } else {
            pieces.extend_from_slice(family.close(labels.is_empty()));
        }
    }
}

impl Lines {
    /// What stands before a label.
    fn separator(&self, is_first: bool) -> u8 {
        if is_first && !self.is_quoted { b'{' } else { b',' }
    }

    /// What stands between the labels and the value.
    fn close(&self, has_no_labels: bool) -> &'static [u8] {
        if has_no_labels && !self.is_quoted { b" " } else { b"} " }
    }
}

impl Bound {
    fn new(bound: f64, scale: Scale) -> Self {
        let text = canonical(bound);
        let fraction = if text.contains(['.', 'e']) { "" } else { ".0" };
        let rest = format!("{text}\"}} ").into_bytes();
        let rest_open = format!("{text}{fraction}\"}} ").into_bytes();
        Self { limit: scale.recorded(bound), rest, rest_open }
    }
}

/// A bound as OpenMetrics wants it, and as Prometheus itself writes those that come in protobuf: with
/// an exponent of two digits from a million on and below 0.0001. The text is a label's value, so that
/// another spelling would be another series.
fn canonical(bound: f64) -> String {
    let scientific = format!("{bound:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => bound.to_string(),
    }
}

fn metadata(new: &NewFamily<'_>, dialect: Dialect, is_quoted: bool) -> Vec<u8> {
    let is_open = dialect == Dialect::OpenMetrics;
    let (kind, suffix) = match new.descriptor.kind() {
        Kind::Counter => ("counter", if is_open { "" } else { "_total" }),
        Kind::UpDownCounter | Kind::Gauge => ("gauge", ""),
        Kind::Histogram => ("histogram", ""),
    };
    let mut lines = Vec::new();
    let begin = |lines: &mut Vec<u8>, what: &str| {
        lines.extend_from_slice(what.as_bytes());
        push_name(lines, &new.name, suffix, is_quoted);
        lines.push(b' ');
    };
    begin(&mut lines, "# HELP ");
    push_escaped(&mut lines, new.help(), is_open);
    begin(&mut lines, "\n# TYPE ");
    lines.extend_from_slice(kind.as_bytes());
    let unit = new.scale.unit;
    // Told only of names that end in it: not of one that is nothing else, nor of one with a number.
    let is_told = new.name.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_'));
    if is_open && !unit.is_empty() && is_told {
        begin(&mut lines, "\n# UNIT ");
        lines.extend_from_slice(unit.as_bytes());
    }
    lines.push(b'\n');
    lines
}

fn push_name(line: &mut Vec<u8>, name: &str, suffix: &str, is_quoted: bool) {
    let quote: &[u8] = if is_quoted { b"\"" } else { b"" };
    for part in [quote, name.as_bytes(), suffix.as_bytes(), quote] {
        line.extend_from_slice(part);
    }
}

/// Quotes are escaped where the text stands between quotes, and in OpenMetrics everywhere.
fn push_escaped(line: &mut Vec<u8>, text: &str, with_quotes: bool) {
    let escape = |byte: u8| match byte {
        b'\\' => Some(b"\\\\"),
        b'\n' => Some(b"\\n"),
        b'"' if with_quotes => Some(b"\\\""),
        _ => None,
    };
    let mut rest = text.as_bytes();
    while let Some((at, escaped)) =
        rest.iter().enumerate().find_map(|(at, &byte)| Some((at, escape(byte)?)))
    {
        line.extend_from_slice(&rest[..at]);
        line.extend_from_slice(escaped);
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

/// Appends the snapshot, whose catalog `plan` follows. `created` is a buffer that is used again; without
/// it, when counts began is left out.
pub(super) fn write(
    plan: &Plan<Text>,
    snapshot: &Snapshot,
    dialect: Dialect,
    created: Option<&mut Vec<u8>>,
    out: &mut Vec<u8>,
) {
    let created = created.filter(|_| dialect == Dialect::OpenMetrics).map_or(&[][..], |created| {
        created.clear();
        let since = snapshot.since().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        Scale::of(Unit::Nanoseconds).push(created, nanoseconds);
        created.push(b'\n');
        created
    });
    let mut lines = Writer { created, is_open: dialect == Dialect::OpenMetrics, out };
    let mut last = None;
    for Rendered { at, number, family, piece } in plan.series(snapshot.len()) {
        let word = snapshot.word_at(at);
        if family.kind == Kind::Gauge && Snapshot::is_unset(word) {
            continue;
        }
        if last != Some(number) {
            lines.metadata(&family.rendered);
            last = Some(number);
        }
        match family.kind {
            Kind::Counter => lines.counter(family, piece, word),
            Kind::UpDownCounter => lines.up_down_counter(family, piece, word as i64),
            Kind::Gauge => lines.gauge(family, piece, f64::from_bits(word)),
            Kind::Histogram => lines.histogram(family, piece, &snapshot.histogram_at(at)),
        }
    }
    if dialect == Dialect::OpenMetrics {
        lines.out.extend_from_slice(b"# EOF\n");
    }
}

struct Writer<'a> {
    is_open: bool,
    /// The value of `_created`, with the end of its line; empty if that is not written.
    created: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn metadata(&mut self, family: &Lines) {
        let lines = if self.is_open { &family.metadata_open } else { &family.metadata };
        self.out.extend_from_slice(lines);
    }

    fn counter(&mut self, family: &Family<Lines>, piece: &[u8], count: u64) {
        self.out.extend_from_slice(piece);
        family.scale.push(self.out, count);
        self.out.push(b'\n');
        if !self.created.is_empty() {
            let lines = &family.rendered;
            self.out.extend_from_slice(&lines.created);
            self.out.extend_from_slice(&piece[lines.first.len()..]);
            self.out.extend_from_slice(self.created);
        }
    }

    fn up_down_counter(&mut self, family: &Family<Lines>, piece: &[u8], sum: i64) {
        self.out.extend_from_slice(piece);
        if sum < 0 {
            self.out.push(b'-');
        }
        family.scale.push(self.out, sum.unsigned_abs());
        self.out.push(b'\n');
    }

    fn gauge(&mut self, family: &Family<Lines>, piece: &[u8], reading: f64) {
        self.out.extend_from_slice(piece);
        if reading.is_nan() {
            self.out.extend_from_slice(b"NaN");
        } else if reading.is_infinite() {
            self.out.extend_from_slice(if reading > 0.0 { b"+Inf" } else { b"-Inf" });
        } else {
            push_float(self.out, family.scale.exported(reading));
        }
        self.out.push(b'\n');
    }

    fn histogram(&mut self, family: &Family<Lines>, piece: &[u8], values: &HistogramSnapshot<'_>) {
        let lines = &family.rendered;
        let mut cumulative = Cumulative::of(values);
        for bound in &lines.bounds {
            let up_to = cumulative.up_to(bound.limit);
            self.out.extend_from_slice(piece);
            self.out.extend_from_slice(if self.is_open { &bound.rest_open } else { &bound.rest });
            push_integer(self.out, up_to);
            self.out.push(b'\n');
        }
        self.out.extend_from_slice(piece);
        self.out.extend_from_slice(b"+Inf\"} ");
        push_integer(self.out, values.count());

        let labels = &piece[lines.first.len()..piece.len() - BOUND.len() - 1];
        let close = lines.close(labels.is_empty());
        for part in [b"\n", &lines.sum[..], labels, close] {
            self.out.extend_from_slice(part);
        }
        family.scale.push(self.out, values.sum());
        for part in [b"\n", &lines.count[..], labels, close] {
            self.out.extend_from_slice(part);
        }
        push_integer(self.out, values.count());
        self.out.push(b'\n');
        if !self.created.is_empty() {
            for part in [&lines.created[..], labels, close, self.created] {
                self.out.extend_from_slice(part);
            }
        }
    }
}
