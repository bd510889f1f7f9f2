//! The lines of a delivery.
#![forbid(unsafe_code)]

use crate::client::{CapturedError, Delivery};
use crate::series::{Descriptor, Unit};
use crate::snapshot::{HistogramSnapshot, Value};
use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, SystemTime};

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];

/// The last second of the year 9999: the end of RFC 3339.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

const NO_FAILURE: &str = "memory takes whatever is written";

/// Appends the lines of a delivery to `text`.
pub(super) fn encode(delivery: &Delivery<'_>, text: &mut Vec<u8>) {
    let snapshot = delivery.snapshot();
    let delta = delivery.delta();
    let time = rfc3339(snapshot.time());
    let interval_s = format!("{:.6}", delta.interval().as_secs_f64());

    let mut line = Line::begin(text, "snapshot", &time);
    line.number("sequence", snapshot.sequence());
    line.string("since", &rfc3339(delta.since()));
    line.number("since_sequence", delivery.acknowledged().map_or(0, |before| before.sequence()));
    line.number("interval_s", &interval_s);
    line.number("series", snapshot.iter().count());
    line.number("last", delivery.is_last());
    line.end();

    for ((descriptor, value), (_, changed)) in snapshot.iter().zip(delta.iter()) {
        match (value, changed) {
            (Value::Counter(total), Value::Counter(delta)) => {
                let mut line = Line::of_series(text, "counter", &time, descriptor);
                line.number("interval_s", &interval_s);
                line.number("total", total);
                line.number("delta", delta);
                line.end();
            }
            (Value::UpDownCounter(value), Value::UpDownCounter(delta)) => {
                let mut line = Line::of_series(text, "up_down_counter", &time, descriptor);
                line.number("interval_s", &interval_s);
                line.number("value", value);
                line.number("delta", delta);
                line.end();
            }
            (Value::Gauge(reading), _) => {
                let mut line = Line::of_series(text, "gauge", &time, descriptor);
                line.reading("value", reading);
                line.end();
            }
            (Value::Histogram(total), Value::Histogram(delta)) => {
                let mut line = Line::of_series(text, "histogram", &time, descriptor);
                line.number("interval_s", &interval_s);
                line.distribution(&total, &delta);
                line.end();
            }
            _ => unreachable!("a delta has the series of its snapshot"),
        }
    }
}

/// Appends the line of a captured error to `text`.
pub(super) fn encode_error(error: &CapturedError, text: &mut Vec<u8>) {
    let kind = if error.is_panic() { "panic" } else { "error" };
    let mut line = Line::begin(text, kind, &rfc3339(error.time()));
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
    line.end();
}

/// An object under construction. Keys are plain: nothing in them needs an escape.
struct Line<'a> {
    text: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    fn begin(text: &'a mut Vec<u8>, kind: &str, time: &str) -> Self {
        write!(text, "{{\"kind\":\"{kind}\",\"time\":\"{time}\"").expect(NO_FAILURE);
        Self { text }
    }

    fn of_series(text: &'a mut Vec<u8>, kind: &str, time: &str, descriptor: &Descriptor) -> Self {
        let mut line = Self::begin(text, kind, time);
        line.string("name", descriptor.name());
        if !descriptor.labels().is_empty() {
            let labels = descriptor.labels().iter();
            line.object("labels", labels.map(|label| (label.key(), label.value())));
        }
        if descriptor.unit() != Unit::None {
            line.string("unit", descriptor.unit().symbol());
        }
        line
    }

    /// A field whose value looks in JSON as it is displayed.
    fn number(&mut self, key: &str, value: impl Display) {
        write!(self.text, ",\"{key}\":{value}").expect(NO_FAILURE);
    }

    fn string(&mut self, key: &str, value: &str) {
        write!(self.text, ",\"{key}\":").expect(NO_FAILURE);
        quote(self.text, value);
    }

    fn strings<'s>(&mut self, key: &str, values: impl Iterator<Item = &'s str>) {
        write!(self.text, ",\"{key}\":[").expect(NO_FAILURE);
        for (at, value) in values.enumerate() {
            self.text.extend_from_slice(if at == 0 { b"" } else { b"," });
            quote(self.text, value);
        }
        self.text.push(b']');
    }

    fn object<'s>(&mut self, key: &str, entries: impl Iterator<Item = (&'s str, &'s str)>) {
        write!(self.text, ",\"{key}\":{{").expect(NO_FAILURE);
        for (at, (key, value)) in entries.enumerate() {
            self.text.extend_from_slice(if at == 0 { b"" } else { b"," });
            quote(self.text, key);
            self.text.push(b':');
            quote(self.text, value);
        }
        self.text.push(b'}');
    }

    fn reading(&mut self, key: &str, value: f64) {
        if value.is_nan() {
            self.string(key, "NaN");
        } else if value.is_infinite() {
            self.string(key, if value > 0.0 { "Infinity" } else { "-Infinity" });
        } else {
            write!(self.text, ",\"{key}\":").expect(NO_FAILURE);
            serde_json::to_writer(&mut *self.text, &value).expect(NO_FAILURE);
        }
    }

    fn distribution(&mut self, total: &HistogramSnapshot<'_>, delta: &HistogramSnapshot<'_>) {
        let (count, sum) = (total.count(), total.sum());
        write!(self.text, ",\"total\":{{\"count\":{count},\"sum\":{sum}}}").expect(NO_FAILURE);
        self.number("count", delta.count());
        self.number("sum", delta.sum());
        let quantiles = QUANTILES.map(|(key, share)| (key, delta.quantile(share)));
        for (key, value) in
            [("min", delta.min()), ("max", delta.max())].into_iter().chain(quantiles)
        {
            if let Some(value) = value {
                self.number(key, value);
            }
        }
        self.text.extend_from_slice(b",\"buckets\":[");
        for (at, bucket) in delta.buckets().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(self.text, "{comma}[{},{},{}]", bucket.low, bucket.high, bucket.count)
                .expect(NO_FAILURE);
        }
        self.text.push(b']');
    }

    fn end(self) {
        self.text.extend_from_slice(b"}\n");
    }
}

fn quote(text: &mut Vec<u8>, string: &str) {
    serde_json::to_writer(text, string).expect(NO_FAILURE);
}

/// `2027-01-05T10:00:10.000Z`; a clock outside of the years 1970 to 9999 counts as their first or
/// last moment.
fn rfc3339(time: SystemTime) -> String {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time = SystemTime::UNIX_EPOCH + since_epoch.min(LAST_SECOND);
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_millisecond() {
        let after_epoch =
            |milliseconds| rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds));
        assert_eq!(after_epoch(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(after_epoch(951_782_400_007), "2000-02-29T00:00:00.007Z");
        assert_eq!(after_epoch(253_402_300_800_000), "9999-12-31T23:59:59.000Z");
        let before_epoch = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(rfc3339(before_epoch), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn readings_that_are_no_numbers_are_strings() {
        let written = |value| {
            let mut text = Vec::new();
            Line { text: &mut text }.reading("value", value);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(written(f64::NAN), r#","value":"NaN""#);
        assert_eq!(written(f64::INFINITY), r#","value":"Infinity""#);
        assert_eq!(written(f64::NEG_INFINITY), r#","value":"-Infinity""#);
        assert_eq!(written(1e300), r#","value":1e+300"#);
        assert_eq!(written(-0.5), r#","value":-0.5"#);
    }
}
