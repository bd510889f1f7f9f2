//! The lines of a delivery.
#![forbid(unsafe_code)]

use super::object::{Object, rfc3339};
use crate::client::{CapturedError, Delivery};
use crate::series::Descriptor;
use crate::snapshot::Value;

/// Appends the lines of a delivery to `text`.
pub(super) fn encode(delivery: &Delivery<'_>, text: &mut Vec<u8>) {
    let snapshot = delivery.snapshot();
    let delta = delivery.delta();
    let time = rfc3339(snapshot.time());
    let interval_s = format!("{:.6}", delta.interval().as_secs_f64());

    let mut line = begin(text, "snapshot", &time);
    line.integer("sequence", snapshot.sequence());
    line.string("since", &rfc3339(delta.since()));
    line.integer("since_sequence", delivery.acknowledged().map_or(0, |before| before.sequence()));
    line.raw("interval_s", &interval_s);
    line.integer("series", snapshot.iter().count());
    line.raw("last", if delivery.is_last() { "true" } else { "false" });
    end(line);

    for ((descriptor, value), (_, changed)) in snapshot.iter().zip(delta.iter()) {
        match (value, changed) {
            (Value::Counter(total), Value::Counter(delta)) => {
                let mut line = begin_series(text, &time, descriptor);
                line.raw("interval_s", &interval_s);
                line.integer("total", total);
                line.integer("delta", delta);
                end(line);
            }
            (Value::UpDownCounter(value), Value::UpDownCounter(delta)) => {
                let mut line = begin_series(text, &time, descriptor);
                line.raw("interval_s", &interval_s);
                line.integer("value", value);
                line.integer("delta", delta);
                end(line);
            }
            (Value::Gauge(reading), _) => {
                let mut line = begin_series(text, &time, descriptor);
                line.reading("value", reading);
                end(line);
            }
            (Value::Histogram(total), Value::Histogram(delta)) => {
                let mut line = begin_series(text, &time, descriptor);
                line.raw("interval_s", &interval_s);
                let mut totals = Object::begin(line.key("total"));
                totals.integer("count", total.count());
                totals.integer("sum", total.sum());
                totals.end();
                line.distribution(&delta);
                end(line);
            }
            _ => unreachable!("a delta has the series of its snapshot"),
        }
    }
}

/// Appends the line of a captured error to `text`.
pub(super) fn encode_error(error: &CapturedError, text: &mut Vec<u8>) {
    let kind = if error.is_panic() { "panic" } else { "error" };
    let mut line = begin(text, kind, &rfc3339(error.time()));
    line.string("message", error.message());
    line.strings("sources", error.sources());
    let optional = [
        ("thread", error.thread()),
        ("location", error.location()),
        ("backtrace", error.backtrace()),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            line.string(key, value);
        }
    }
    if error.context().len() != 0 {
        line.object("context", error.context());
    }
    end(line);
}

fn begin<'a>(text: &'a mut Vec<u8>, kind: &str, time: &str) -> Object<'a> {
    let mut line = Object::begin(text);
    line.string("kind", kind);
    line.string("time", time);
    line
}

fn begin_series<'a>(text: &'a mut Vec<u8>, time: &str, descriptor: &Descriptor) -> Object<'a> {
    let mut line = Object::begin(text);
    line.kind(descriptor);
    line.string("time", time);
    line.string("name", descriptor.name());
    line.labels(descriptor);
    line.unit(descriptor);
    line
}

fn end(line: Object<'_>) {
    line.end().push(b'\n');
}
