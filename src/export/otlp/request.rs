//! Snapshots as requests: messages `ExportMetricsServiceRequest`, none larger than receivers take
//! (<https://opentelemetry.io/docs/specs/otel/metrics/data-model/>).
//!
//! Lengths come before what they are the length of. So the points of a metric are put together in one
//! buffer, metrics in a second one, and what is around them, whose length is known then, goes before
//! them into the request.
#![forbid(unsafe_code)]

use super::Temporality;
use super::field::{
    buckets, exponential_point, metric, number_point, point, points, request, resource_metrics,
    scope, scope_metrics,
};
use super::plan::{Family, Plan};
use crate::export::exponential::{self, Exponential};
use crate::export::scale::Scale;
use crate::export::wire::{
    push_bytes, push_double, push_fixed64, push_varint, push_varint_field, varint_len, zigzag,
};
use crate::series::Kind;
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::time::SystemTime;

/// Below the 4 MiB that receivers of OTLP take by default over gRPC, to which requests may be passed
/// on; over HTTP the defaults are larger.
const MAX_REQUEST_BYTES: usize = 4_000_000;

/// Of a metric around its points, its head excepted, and of a request around metrics, resource and
/// scope: keys, lengths, temporality. More than either can take.
const FRAME_BYTES: usize = 32;

/// What a request is about.
#[derive(Clone, Copy)]
pub(super) struct Readings<'a> {
    pub(super) totals: &'a Snapshot,
    /// For counters and histograms instead of the totals, which it ends with.
    pub(super) delta: Option<&'a Snapshot>,
}

/// What went into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    /// The place of the first series that is left for the next one.
    pub(super) end: usize,
    pub(super) points: usize,
    /// Series up to there whose value the protocol has no way to say.
    pub(super) unrepresentable: usize,
}

/// Puts requests together; its buffers are used again.
pub(super) struct Requests {
    max_bytes: usize,
    plan: Plan,
    /// The scope, with its key and length.
    scope: Vec<u8>,
    metrics: Vec<u8>,
    points: Vec<u8>,
    point: Point,
}

#[derive(Default)]
struct Point {
    message: Vec<u8>,
    buckets: Vec<u8>,
    counts: Vec<u8>,
    exponential: Exponential,
}

/// Nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Times {
    start: u64,
    end: u64,
}

impl Requests {
    pub(super) fn new() -> Self {
        let (mut own, mut scope) = (Vec::new(), Vec::new());
        push_bytes(&mut own, scope::NAME, b"quipu");
        push_bytes(&mut own, scope::VERSION, env!("CARGO_PKG_VERSION").as_bytes());
        push_bytes(&mut scope, scope_metrics::SCOPE, &own);
        Self {
            max_bytes: MAX_REQUEST_BYTES,
            plan: Plan::default(),
            scope,
            metrics: Vec::new(),
            points: Vec::new(),
            point: Point::default(),
        }
    }

    /// Writes a request with as many series, from a place on, as it may have, to `out`. `resource` is
    /// a message with its key and length.
    pub(super) fn encode(
        &mut self,
        readings: Readings<'_>,
        from: usize,
        resource: &[u8],
        out: &mut Vec<u8>,
    ) -> Encoded {
        self.plan.follow(readings.totals.catalog());
        self.metrics.clear();
        self.points.clear();
        let room = self.max_bytes.saturating_sub(resource.len() + self.scope.len() + FRAME_BYTES);
        let totals = Times::of(readings.totals);
        let changes = readings.delta.map_or(totals, Times::of);
        let mut encoded = Encoded { end: self.plan.len(), points: 0, unrepresentable: 0 };
        let mut open = None;
        for series in self.plan.series(from) {
            let family = series.family;
            let is_delta = is_delta(family.kind, readings);
            let source = readings.delta.filter(|_| is_delta).unwrap_or(readings.totals);
            let times = if is_delta { changes } else { totals };
            let word = source.word_at(series.at);
            self.point.message.clear();
            self.point.message.extend_from_slice(series.attributes);
            match family.kind {
                // To what adds changes up, none is no news.
                Kind::Counter if is_delta && word == 0 => continue,
                Kind::Counter => self.point.count(word, family.scale, times),
                Kind::UpDownCounter => self.point.sum(word as i64, family.scale, times),
                Kind::Gauge if Snapshot::is_unset(word) => continue,
                Kind::Gauge if !f64::from_bits(word).is_finite() => {
                    encoded.unrepresentable += 1;
                    continue;
                }
                Kind::Gauge => {
                    let reading = family.scale.exported(f64::from_bits(word));
                    push_fixed64(&mut self.point.message, point::TIME, times.end);
                    push_double(&mut self.point.message, number_point::AS_DOUBLE, reading);
                }
                Kind::Histogram => {
                    let values = source.histogram_at(series.at);
                    if is_delta && values.count() == 0 {
                        continue;
                    }
                    self.point.distribution(&values, family.scale, times);
                }
            }
            let head = if open == Some(series.number) { 0 } else { family.head.len() };
            let before = self.metrics.len() + self.points.len();
            let more = head + self.point.message.len() + 2 * FRAME_BYTES;
            if encoded.points != 0 && before + more > room {
                encoded.end = series.place;
                break;
            }
            if open != Some(series.number) {
                if let Some(number) = open.replace(series.number) {
                    let family = self.plan.family(number);
                    end_metric(family, readings, &mut self.points, &mut self.metrics);
                }
            }
            push_bytes(&mut self.points, points::DATA_POINTS, &self.point.message);
            encoded.points += 1;
        }
        if let Some(number) = open {
            let family = self.plan.family(number);
            end_metric(family, readings, &mut self.points, &mut self.metrics);
        }
        out.clear();
        if encoded.points != 0 {
            self.frame(resource, out);
        }
        encoded
    }

    fn frame(&self, resource: &[u8], out: &mut Vec<u8>) {
        let of_scope = self.scope.len() + self.metrics.len();
        let of_resource = resource.len() + 1 + varint_len(of_scope as u64) + of_scope;
        push_head(out, request::RESOURCE_METRICS, of_resource);
        out.extend_from_slice(resource);
        push_head(out, resource_metrics::SCOPE_METRICS, of_scope);
        out.extend_from_slice(&self.scope);
        out.extend_from_slice(&self.metrics);
    }
}

/// Whether points of a kind are changes. Up-down counters are totals always: that is what is asked for
/// by a preference for deltas
/// (<https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/>).
fn is_delta(kind: Kind, readings: Readings<'_>) -> bool {
    readings.delta.is_some() && matches!(kind, Kind::Counter | Kind::Histogram)
}

/// Key and length of a message with less than 16 fields.
fn push_head(out: &mut Vec<u8>, field: u32, length: usize) {
    push_varint(out, u64::from((field << 3) | 2));
    push_varint(out, length as u64);
}

/// Moves the points of a metric, which begin with an empty buffer, to the metrics.
fn end_metric(
    family: &Family,
    readings: Readings<'_>,
    points: &mut Vec<u8>,
    metrics: &mut Vec<u8>,
) {
    let (field, has_temporality) = match family.kind {
        Kind::Counter | Kind::UpDownCounter => (metric::SUM, true),
        Kind::Gauge => (metric::GAUGE, false),
        Kind::Histogram => (metric::EXPONENTIAL_HISTOGRAM, true),
    };
    if has_temporality {
        let temporality = match is_delta(family.kind, readings) {
            true => Temporality::Delta,
            false => Temporality::Cumulative,
        };
        push_varint_field(points, points::TEMPORALITY, temporality.number());
    }
    if family.kind == Kind::Counter {
        push_varint_field(points, points::IS_MONOTONIC, 1);
    }
    let length = family.head.len() + 1 + varint_len(points.len() as u64) + points.len();
    push_head(metrics, scope_metrics::METRICS, length);
    metrics.extend_from_slice(&family.head);
    push_bytes(metrics, field, points);
    points.clear();
}

impl Point {
    fn count(&mut self, count: u64, scale: Scale, times: Times) {
        match i64::try_from(count) {
            Ok(count) => self.sum(count, scale, times),
            // There is no integer without a sign.
            Err(_) => {
                times.push(&mut self.message);
                let count = scale.exported(count as f64);
                push_double(&mut self.message, number_point::AS_DOUBLE, count);
            }
        }
    }

    fn sum(&mut self, sum: i64, scale: Scale, times: Times) {
        times.push(&mut self.message);
        if scale.is_one() {
            push_fixed64(&mut self.message, number_point::AS_INT, sum as u64);
        } else {
            let sum = scale.exported(sum as f64);
            push_double(&mut self.message, number_point::AS_DOUBLE, sum);
        }
    }

    fn distribution(&mut self, values: &HistogramSnapshot<'_>, scale: Scale, times: Times) {
        self.exponential.fill(values, scale);
        self.fill_buckets();
        let message = &mut self.message;
        times.push(message);
        push_fixed64(message, exponential_point::COUNT, values.count());
        push_double(message, exponential_point::SUM, scale.exported(values.sum() as f64));
        let schema = exponential::schema(values.significant_digits());
        push_varint_field(message, exponential_point::SCALE, zigzag(i64::from(schema)));
        push_fixed64(message, exponential_point::ZERO_COUNT, self.exponential.zero_count);
        if !self.buckets.is_empty() {
            push_bytes(message, exponential_point::POSITIVE, &self.buckets);
        }
        for (field, extreme) in
            [(exponential_point::MIN, values.min()), (exponential_point::MAX, values.max())]
        {
            if let Some(extreme) = extreme {
                push_double(message, field, scale.exported(extreme as f64));
            }
        }
        push_double(message, exponential_point::ZERO_THRESHOLD, exponential::ZERO_THRESHOLD);
    }

    /// Counts of all buckets between the first and the last one, empty ones too: that is how the
    /// protocol wants them.
    fn fill_buckets(&mut self) {
        self.buckets.clear();
        self.counts.clear();
        let Exponential { spans, deltas, .. } = &self.exponential;
        let Some(&(first, _)) = spans.first().filter(|_| !deltas.is_empty()) else { return };
        let (mut count, mut deltas) = (0_i64, deltas.iter());
        for (number, &(gap, length)) in spans.iter().enumerate() {
            if number != 0 {
                self.counts.resize(self.counts.len() + gap as usize, 0);
            }
            for delta in deltas.by_ref().take(length as usize) {
                count = count.wrapping_add(*delta);
                push_varint(&mut self.counts, count as u64);
            }
        }
        push_varint_field(&mut self.buckets, buckets::OFFSET, zigzag(i64::from(first) - 1));
        push_bytes(&mut self.buckets, buckets::COUNTS, &self.counts);
    }
}

impl Times {
    fn of(snapshot: &Snapshot) -> Self {
        let end = nanoseconds(snapshot.time());
        // The clock may have been set back in between.
        Self { start: nanoseconds(snapshot.since()).min(end), end }
    }

    fn push(self, message: &mut Vec<u8>) {
        push_fixed64(message, point::START_TIME, self.start);
        push_fixed64(message, point::TIME, self.end);
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
