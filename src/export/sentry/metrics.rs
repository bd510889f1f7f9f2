//! Deltas as envelopes of `trace_metric` items
//! (<https://develop.sentry.dev/sdk/telemetry/metrics/>).
//!
//! Written by hand: the SDK's types would be allocated anew for each series, which takes more than
//! twenty times as long.
#![forbid(unsafe_code)]

use super::labels::{Labels, Replaced, SHARED_KEYS, push_attribute};
use super::origin::Origin;
use super::{SDK_NAME, SDK_VERSION};
use crate::client::{Delivery, DropCause};
use crate::export::batches::Rest;
use crate::export::number::{push_float, push_integer};
use crate::series::{Descriptor, Unit};
use crate::snapshot::{HistogramSnapshot, Value};
use sentry_types::protocol::v7::TraceId;
use std::ops::Range;
use std::time::SystemTime;

/// Items of one envelope.
const MAX_ITEMS: usize = 1_000;
/// An item of so many bytes is dropped by Sentry.
const TOO_LARGE: usize = 2 * 1024;

const QUANTILES: [(&str, f64); 3] = [(".p50", 0.5), (".p90", 0.9), (".p99", 0.99)];
const MAX_SUFFIX: &str = ".max";
const COUNT_SUFFIX: &str = ".count";
/// A histogram's: its count, the quantiles and the maximum.
const HISTOGRAM_ITEMS: usize = 2 + QUANTILES.len();

pub(super) struct MetricEncoder {
    labels: Labels,
    /// Sentry wants metrics to belong to a trace: all of an exporter belong to this one.
    trace_id: String,
    /// Everything of an item from its time to the first attribute.
    middle: Vec<u8>,
    /// The shared attributes, each after a comma.
    shared: Vec<u8>,
    shared_each: Vec<(Replaced, Range<usize>)>,
    items: Vec<u8>,
}

/// What an envelope holds.
pub(super) struct Encoded {
    /// The place of the first series that is not in it.
    pub(super) end: usize,
    pub(super) items: usize,
    /// Series that it has values of.
    pub(super) values: usize,
    unrepresentable: usize,
    too_large: usize,
}

impl Encoded {
    /// Counts what the envelope was to have and does not.
    pub(super) fn count_dropped(&self, delivery: &Delivery<'_>) {
        delivery.count_dropped(DropCause::Unrepresentable, self.unrepresentable);
        delivery.count_dropped(DropCause::TooLarge, self.too_large);
    }
}

impl MetricEncoder {
    pub(super) fn new() -> Self {
        Self {
            labels: Labels::default(),
            trace_id: TraceId::default().to_string(),
            middle: Vec::new(),
            shared: Vec::new(),
            shared_each: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Makes `envelope` the one with the next series of `rest` that have something to tell.
    pub(super) fn encode(
        &mut self,
        rest: Rest<'_>,
        origin: &Origin,
        envelope: &mut Vec<u8>,
    ) -> Encoded {
        self.labels.follow(rest.delta.catalog());
        self.begin(rest.delta.time(), origin);
        let sorted = rest.delta.catalog().sorted();
        let (mut items, mut values, mut unrepresentable, mut too_large) = (0, 0, 0, 0);
        let mut end = rest.delta.len();
        // Gauges that were never set are left out of both.
        let series = rest.delta.iter_from(rest.from).zip(rest.totals.iter_from(rest.from));
        for ((place, descriptor, changed), (_, _, total)) in series {
            let needed = match changed {
                Value::Counter(0) => 0,
                Value::Histogram(histogram) if histogram.count() == 0 => 0,
                Value::Histogram(_) => HISTOGRAM_ITEMS,
                Value::Gauge(reading) if !reading.is_finite() => {
                    unrepresentable += 1;
                    0
                }
                Value::Counter(_) | Value::UpDownCounter(_) | Value::Gauge(_) => 1,
            };
            if needed == 0 {
                continue;
            }
            if items + needed > MAX_ITEMS {
                end = place;
                break;
            }
            match self.push_series(sorted[place] as usize, descriptor, changed, total) {
                Ok(()) => {
                    items += needed;
                    values += 1;
                }
                Err(ItemTooLarge) => too_large += 1,
            }
        }
        self.finish(items, envelope);
        Encoded { end, items, values, unrepresentable, too_large }
    }

    /// Renders what all items have in common.
    fn begin(&mut self, time: SystemTime, origin: &Origin) {
        self.items.clear();
        self.middle.clear();
        self.middle.extend_from_slice(b",\"timestamp\":");
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        push_float(&mut self.middle, since_epoch.as_secs_f64());
        self.middle.extend_from_slice(b",\"trace_id\":\"");
        self.middle.extend_from_slice(self.trace_id.as_bytes());
        self.middle.extend_from_slice(b"\",\"attributes\":");
        self.shared.clear();
        self.shared_each.clear();
        let values = [
            origin.release.as_deref(),
            Some(&*origin.environment),
            origin.server_name.as_deref(),
            Some(SDK_NAME),
            Some(SDK_VERSION),
        ];
        for (at, (key, value)) in SHARED_KEYS.into_iter().zip(values).enumerate() {
            if let Some(value) = value {
                let start = self.shared.len();
                push_attribute(&mut self.shared, key, value);
                self.shared_each.push((1 << at, start..self.shared.len()));
            }
        }
    }

    /// Writes the items of a series, or nothing.
    fn push_series(
        &mut self,
        at: usize,
        descriptor: &Descriptor,
        changed: Value<'_>,
        total: Value<'_>,
    ) -> Result<(), ItemTooLarge> {
        let start = self.items.len();
        let unit = unit_name(descriptor.unit());
        let is_scaled = descriptor.unit() == Unit::Thousandths;
        let mut item = |kind, suffix, unit, value: Number| {
            let is_count = suffix == COUNT_SUFFIX;
            let value = if is_scaled && !is_count { value.thousandths() } else { value };
            self.push_item(at, (kind, descriptor.name(), suffix, unit), value)
        };
        let pushed = match (changed, total) {
            (Value::Counter(count), _) => item("counter", "", None, Number::Unsigned(count)),
            (Value::Gauge(reading), _) => item("gauge", "", unit, Number::Float(reading)),
            (_, Value::UpDownCounter(sum)) => item("gauge", "", unit, Number::Signed(sum)),
            (Value::Histogram(values), _) => {
                let count = item("counter", COUNT_SUFFIX, None, Number::Unsigned(values.count()));
                points(&values).fold(count, |pushed, (suffix, value)| {
                    pushed.and_then(|()| item("gauge", suffix, unit, Number::Unsigned(value)))
                })
            }
            (Value::UpDownCounter(_), _) => unreachable!("a delta has the series of its snapshot"),
        };
        if pushed.is_err() {
            self.items.truncate(start);
        }
        pushed
    }

    fn push_item(
        &mut self,
        at: usize,
        (kind, name, suffix, unit): (&str, &str, &str, Option<&str>),
        value: Number,
    ) -> Result<(), ItemTooLarge> {
        let out = &mut self.items;
        if !out.is_empty() {
            out.push(b',');
        }
        let start = out.len();
        // Names have no character that JSON would have to escape.
        for part in ["{\"type\":\"", kind, "\",\"name\":\"", name, suffix, "\""] {
            out.extend_from_slice(part.as_bytes());
        }
        if let Some(unit) = unit {
            for part in [",\"unit\":\"", unit, "\""] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(b",\"value\":");
        match value {
            Number::Unsigned(value) => push_integer(out, value),
            Number::Signed(value) => push_integer(out, value),
            Number::Float(value) => push_float(out, value),
        }
        out.extend_from_slice(&self.middle);
        let attributes = out.len();
        let (labels, replaced) = self.labels.of(at);
        out.extend_from_slice(labels);
        if replaced == 0 {
            out.extend_from_slice(&self.shared);
        } else {
            for (bit, range) in &self.shared_each {
                if replaced & bit == 0 {
                    out.extend_from_slice(&self.shared[range.clone()]);
                }
            }
        }
        // There is one at least, after a comma.
        out[attributes] = b'{';
        out.extend_from_slice(b"}}");
        if out.len() - start < TOO_LARGE { Ok(()) } else { Err(ItemTooLarge) }
    }

    fn finish(&self, items: usize, envelope: &mut Vec<u8>) {
        envelope.clear();
        super::origin::push_header(envelope);
        envelope.extend_from_slice(b"{\"type\":\"trace_metric\",\"item_count\":");
        push_integer(envelope, items);
        envelope.extend_from_slice(
            b",\"content_type\":\"application/vnd.sentry.items.trace-metric+json\"}\n{\"items\":[",
        );
        envelope.extend_from_slice(&self.items);
        envelope.extend_from_slice(b"]}\n");
    }
}

struct ItemTooLarge;

#[derive(Clone, Copy)]
enum Number {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
}

impl Number {
    /// A number of thousandths as what it says: Sentry has no such unit.
    fn thousandths(self) -> Self {
        Self::Float(match self {
            Self::Unsigned(number) => number as f64 / 1e3,
            Self::Signed(number) => number as f64 / 1e3,
            Self::Float(number) => number / 1e3,
        })
    }
}

/// What is told of a distribution that is not empty, beside its count.
fn points(values: &HistogramSnapshot<'_>) -> impl Iterator<Item = (&'static str, u64)> {
    let quantiles = QUANTILES.map(|(suffix, share)| (suffix, values.quantile(share)));
    let points = quantiles.into_iter().chain([(MAX_SUFFIX, values.max())]);
    points.map(|(suffix, value)| (suffix, value.unwrap_or(0)))
}

/// What Sentry calls a unit.
fn unit_name(unit: Unit) -> Option<&'static str> {
    Some(match unit {
        Unit::None | Unit::Thousandths => return None,
        Unit::Nanoseconds => "nanosecond",
        Unit::Microseconds => "microsecond",
        Unit::Milliseconds => "millisecond",
        Unit::Seconds => "second",
        Unit::Bytes => "byte",
        Unit::Ratio => "ratio",
        Unit::Percent => "percent",
    })
}

#[cfg(test)]
mod tests;
