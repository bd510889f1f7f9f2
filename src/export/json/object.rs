//! JSON objects, field by field. Fields' own names are plain: nothing in them needs an escape.
#![forbid(unsafe_code)]

use crate::export::number::{push_float, push_integer};
use crate::series::{Descriptor, Kind, Unit};
use crate::snapshot::HistogramSnapshot;
use std::time::{Duration, SystemTime};

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];

/// The last second of the year 9999: the end of RFC 3339.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// An object under construction.
pub(crate) struct Object<'a> {
    text: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub(crate) fn begin(text: &'a mut Vec<u8>) -> Self {
        text.push(b'{');
        Self { text, is_empty: true }
    }

    /// Returns what it was written to.
    pub(crate) fn end(self) -> &'a mut Vec<u8> {
        self.text.push(b'}');
        self.text
    }

    /// Begins a field; its value is to follow.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        self.text.extend_from_slice(if self.is_empty { b"\"" } else { b",\"" });
        self.text.extend_from_slice(key.as_bytes());
        self.text.extend_from_slice(b"\":");
        self.is_empty = false;
        self.text
    }

    pub(super) fn integer(&mut self, key: &str, value: impl itoa::Integer) {
        push_integer(self.key(key), value);
    }

    /// A field whose value is JSON already.
    pub(crate) fn raw(&mut self, key: &str, value: &str) {
        self.key(key).extend_from_slice(value.as_bytes());
    }

    pub(crate) fn string(&mut self, key: &str, value: &str) {
        quote(self.key(key), value);
    }

    pub(crate) fn strings<'s>(&mut self, key: &str, values: impl Iterator<Item = &'s str>) {
        let text = self.key(key);
        list(text, values, quote);
    }

    pub(super) fn object<'s>(
        &mut self,
        key: &str,
        entries: impl Iterator<Item = (&'s str, &'s str)>,
    ) {
        self.key(key).push(b'{');
        for (at, (key, value)) in entries.enumerate() {
            self.text.extend_from_slice(if at == 0 { b"" } else { b"," });
            quote(self.text, key);
            self.text.push(b':');
            quote(self.text, value);
        }
        self.text.push(b'}');
    }

    /// A gauge's reading; a string where JSON has no number for it.
    pub(super) fn reading(&mut self, key: &str, value: f64) {
        if value.is_nan() {
            self.string(key, "NaN");
        } else if value.is_infinite() {
            self.string(key, if value > 0.0 { "Infinity" } else { "-Infinity" });
        } else {
            push_float(self.key(key), value);
        }
    }

    pub(super) fn kind(&mut self, descriptor: &Descriptor) {
        let kind = match descriptor.kind() {
            Kind::Counter => "counter",
            Kind::UpDownCounter => "up_down_counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.string("kind", kind);
    }

    /// The labels, unless there are none.
    pub(super) fn labels(&mut self, descriptor: &Descriptor) {
        if !descriptor.labels().is_empty() {
            let labels = descriptor.labels();
            self.object("labels", labels.map(|label| (label.key(), label.value())));
        }
    }

    /// The unit, unless there is none.
    pub(super) fn unit(&mut self, descriptor: &Descriptor) {
        if descriptor.unit() != Unit::None {
            self.string("unit", descriptor.unit().symbol());
        }
    }

    /// Count and sum; extremes and quantiles, unless there are no values; buckets.
    pub(super) fn distribution(&mut self, values: &HistogramSnapshot<'_>) {
        self.integer("count", values.count());
        self.integer("sum", values.sum());
        let quantiles = QUANTILES.map(|(key, share)| (key, values.quantile(share)));
        let extremes = [("min", values.min()), ("max", values.max())];
        for (key, value) in extremes.into_iter().chain(quantiles) {
            if let Some(value) = value {
                self.integer(key, value);
            }
        }
        list(self.key("buckets"), values.buckets(), |text, bucket| {
            text.push(b'[');
            push_integer(text, bucket.low);
            text.push(b',');
            push_integer(text, bucket.high);
            text.push(b',');
            push_integer(text, bucket.count);
            text.push(b']');
        });
    }
}

/// Appends the items between brackets, each written by `push`.
fn list<T>(
    text: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut push: impl FnMut(&mut Vec<u8>, T),
) {
    text.push(b'[');
    for (at, item) in items.enumerate() {
        if at != 0 {
            text.push(b',');
        }
        push(text, item);
    }
    text.push(b']');
}

/// Appends a string between quotes, with its escapes.
pub(in crate::export) fn quote(text: &mut Vec<u8>, string: &str) {
    serde_json::to_writer(text, string).expect("memory takes whatever is written");
}

/// `2027-01-05T10:00:10.000Z`; a clock outside of the years 1970 to 9999 counts as their first or
/// last moment.
pub(in crate::export) fn rfc3339(time: SystemTime) -> String {
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
            let mut object = Object::begin(&mut text);
            object.reading("value", value);
            object.end();
            String::from_utf8(text).unwrap()
        };
        assert_eq!(written(f64::NAN), r#"{"value":"NaN"}"#);
        assert_eq!(written(f64::INFINITY), r#"{"value":"Infinity"}"#);
        assert_eq!(written(f64::NEG_INFINITY), r#"{"value":"-Infinity"}"#);
        assert_eq!(written(1e300), r#"{"value":1e+300}"#);
        assert_eq!(written(-0.5), r#"{"value":-0.5}"#);
        assert_eq!(written(4.0), r#"{"value":4.0}"#);
    }
}
