//! Prometheus' protobuf format: messages `io.prometheus.client.MetricFamily`, each after its length
//! (<https://github.com/prometheus/client_model/blob/v0.6.1/io/prometheus/client/metrics.proto>).
//!
//! Histograms have classic and native buckets; Prometheus takes the native ones if it is told to, and
//! the classic ones otherwise.
//!
//! The piece of a series are its labels. Lengths come before what they are the length of, so that a
//! family is put together aside.
#![forbid(unsafe_code)]

use super::bounds::Cumulative;
use super::plan::{Family, NewFamily, Plan, Rendered, Syntax};
use crate::export::exponential::{self, Exponential};
use crate::export::wire::{push_bytes, push_double, push_varint, push_varint_field, zigzag};
use crate::series::Kind;
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::borrow::Cow;
use std::time::SystemTime;

/// Numbers of fields, by message.
mod family {
    pub(super) const NAME: u32 = 1;
    pub(super) const HELP: u32 = 2;
    pub(super) const TYPE: u32 = 3;
    pub(super) const METRIC: u32 = 4;
    pub(super) const UNIT: u32 = 5;
}
mod metric {
    pub(super) const LABEL: u32 = 1;
    pub(super) const GAUGE: u32 = 2;
    pub(super) const COUNTER: u32 = 3;
    pub(super) const HISTOGRAM: u32 = 7;
}
mod label {
    pub(super) const NAME: u32 = 1;
    pub(super) const VALUE: u32 = 2;
}
mod counter {
    pub(super) const VALUE: u32 = 1;
    pub(super) const CREATED: u32 = 3;
}
mod gauge {
    pub(super) const VALUE: u32 = 1;
}
mod histogram {
    pub(super) const COUNT: u32 = 1;
    pub(super) const SUM: u32 = 2;
    pub(super) const BUCKET: u32 = 3;
    pub(super) const SCHEMA: u32 = 5;
    pub(super) const ZERO_THRESHOLD: u32 = 6;
    pub(super) const ZERO_COUNT: u32 = 7;
    pub(super) const POSITIVE_SPAN: u32 = 12;
    pub(super) const POSITIVE_DELTA: u32 = 13;
    pub(super) const CREATED: u32 = 15;
}
mod bucket {
    pub(super) const CUMULATIVE_COUNT: u32 = 1;
    pub(super) const UPPER_BOUND: u32 = 2;
}
mod span {
    pub(super) const OFFSET: u32 = 1;
    pub(super) const LENGTH: u32 = 2;
}
mod timestamp {
    pub(super) const SECONDS: u32 = 1;
    pub(super) const NANOS: u32 = 2;
}

/// Values of the enumeration `MetricType`.
fn metric_type(kind: Kind) -> u64 {
    match kind {
        Kind::Counter => 0,
        Kind::UpDownCounter | Kind::Gauge => 1,
        Kind::Histogram => 4,
    }
}

/// A family's message up to its metrics, and its bounds: recorded limit and exported bound.
#[derive(Clone, Debug)]
pub(super) struct Message {
    head: Vec<u8>,
    bounds: Vec<(u64, f64)>,
}

#[derive(Debug)]
pub(super) enum Protobuf {}

impl Syntax for Protobuf {
    type Family = Message;

    fn family(new: &NewFamily<'_>) -> Message {
        let kind = new.descriptor.kind();
        let suffix = if kind == Kind::Counter { "_total" } else { "" };
        let mut head = Vec::new();
        push_bytes(&mut head, family::NAME, format!("{}{suffix}", new.name).as_bytes());
        push_bytes(&mut head, family::HELP, new.help().as_bytes());
        push_varint_field(&mut head, family::TYPE, metric_type(kind));
        if !new.scale.unit.is_empty() {
            push_bytes(&mut head, family::UNIT, new.scale.unit.as_bytes());
        }
        let bounds = new.bounds.iter().map(|&bound| (new.scale.recorded(bound), bound)).collect();
        Message { head, bounds }
    }

    fn series(_: &Message, labels: &[(Cow<'_, str>, Cow<'_, str>)], pieces: &mut Vec<u8>) {
        let mut pair = Vec::new();
        for (key, value) in labels {
            pair.clear();
            push_bytes(&mut pair, label::NAME, key.as_bytes());
            push_bytes(&mut pair, label::VALUE, value.as_bytes());
            push_bytes(pieces, metric::LABEL, &pair);
        }
    }
}

/// Where messages are put together; used again in every scrape.
#[derive(Clone, Debug, Default)]
pub(super) struct Workspace {
    family: Vec<u8>,
    metric: Vec<u8>,
    value: Vec<u8>,
    part: Vec<u8>,
    created: Vec<u8>,
    native: Exponential,
}

/// Appends the snapshot, whose catalog `plan` follows.
pub(super) fn write(
    plan: &Plan<Protobuf>,
    snapshot: &Snapshot,
    work: &mut Workspace,
    out: &mut Vec<u8>,
) {
    work.created.clear();
    let since = snapshot.since().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    push_varint_field(&mut work.created, timestamp::SECONDS, since.as_secs());
    push_varint_field(&mut work.created, timestamp::NANOS, u64::from(since.subsec_nanos()));

    let mut last = None;
    for Rendered { at, number, family, piece: labels } in plan.series(snapshot.len()) {
        let word = snapshot.word_at(at);
        if family.kind == Kind::Gauge && Snapshot::is_unset(word) {
            continue;
        }
        if last != Some(number) {
            work.end_family(out);
            work.family.extend_from_slice(&family.rendered.head);
            last = Some(number);
        }
        work.value.clear();
        let kind = match family.kind {
            Kind::Counter => {
                push_double(&mut work.value, counter::VALUE, family.scale.exported(word as f64));
                push_bytes(&mut work.value, counter::CREATED, &work.created);
                metric::COUNTER
            }
            Kind::UpDownCounter => {
                let sum = family.scale.exported(word as i64 as f64);
                push_double(&mut work.value, gauge::VALUE, sum);
                metric::GAUGE
            }
            Kind::Gauge => {
                let reading = family.scale.exported(f64::from_bits(word));
                // One NaN means to Prometheus that the series has ended.
                let reading = if reading.is_nan() { f64::NAN } else { reading };
                push_double(&mut work.value, gauge::VALUE, reading);
                metric::GAUGE
            }
            Kind::Histogram => {
                work.histogram(family, &snapshot.histogram_at(at));
                metric::HISTOGRAM
            }
        };
        work.metric.clear();
        work.metric.extend_from_slice(labels);
        push_bytes(&mut work.metric, kind, &work.value);
        push_bytes(&mut work.family, family::METRIC, &work.metric);
    }
    work.end_family(out);
}

impl Workspace {
    fn end_family(&mut self, out: &mut Vec<u8>) {
        if !self.family.is_empty() {
            push_varint(out, self.family.len() as u64);
            out.extend_from_slice(&self.family);
            self.family.clear();
        }
    }

    fn histogram(&mut self, family: &Family<Message>, values: &HistogramSnapshot<'_>) {
        let message = &mut self.value;
        push_varint_field(message, histogram::COUNT, values.count());
        push_double(message, histogram::SUM, family.scale.exported(values.sum() as f64));
        let mut cumulative = Cumulative::of(values);
        for &(limit, bound) in &family.rendered.bounds {
            self.part.clear();
            push_varint_field(&mut self.part, bucket::CUMULATIVE_COUNT, cumulative.up_to(limit));
            push_double(&mut self.part, bucket::UPPER_BOUND, bound);
            push_bytes(message, histogram::BUCKET, &self.part);
        }

        self.native.fill(values, family.scale);
        let schema = exponential::schema(values.significant_digits());
        push_varint_field(message, histogram::SCHEMA, zigzag(i64::from(schema)));
        push_double(message, histogram::ZERO_THRESHOLD, exponential::ZERO_THRESHOLD);
        push_varint_field(message, histogram::ZERO_COUNT, self.native.zero_count);
        for &(gap, length) in &self.native.spans {
            self.part.clear();
            push_varint_field(&mut self.part, span::OFFSET, zigzag(i64::from(gap)));
            push_varint_field(&mut self.part, span::LENGTH, u64::from(length));
            push_bytes(message, histogram::POSITIVE_SPAN, &self.part);
        }
        self.part.clear();
        self.native.deltas.iter().for_each(|&delta| push_varint(&mut self.part, zigzag(delta)));
        push_bytes(message, histogram::POSITIVE_DELTA, &self.part);
        push_bytes(message, histogram::CREATED, &self.created);
    }
}
