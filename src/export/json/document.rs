//! A snapshot as one JSON document.
#![forbid(unsafe_code)]

use super::object::{Object, rfc3339};
use crate::snapshot::{Snapshot, Value};

/// Turns snapshots into JSON documents: what a web page or a script reads.
///
/// ```text
/// {"time":"2027-01-05T10:00:10.000Z","since":"2027-01-05T10:00:00.000Z","sequence":2,"uptime_s":10.000021,"pid":4711,"families":[
/// {"name":"http.duration","kind":"histogram","unit":"ns","help":"Time to answer","series":[
/// {"labels":{"method":"GET"},"count":2,"sum":210,"min":100,"max":110,"p50":100,"p90":110,"p99":110,"p99_9":110,"buckets":[[100,100,1],[110,110,1]]}]},
/// {"name":"http.requests","kind":"counter","series":[
/// {"labels":{"method":"GET"},"total":12}]},
/// {"name":"queue.depth","kind":"gauge","series":[
/// {"value":4.5}]}]}
/// ```
///
/// | field | meaning |
/// |---|---|
/// | `time` | when the snapshot was taken, UTC |
/// | `since` | when its counts began: another one than before means that the process has restarted |
/// | `sequence` | the snapshot's number among those of its registry |
/// | `uptime_s` | seconds between the two, by the monotonic clock |
/// | `kind` | `counter`, `up_down_counter`, `gauge` or `histogram` |
/// | `unit`, `help`, `labels` | left out if there are none; the unit is [`Unit::symbol`](crate::Unit::symbol) |
/// | `total` | a counter's count |
/// | `value` | the sum of an up-down counter, the reading of a gauge |
/// | `count`, `sum`, `min`, `max`, `p50` .. `p99_9` | a histogram's; the last six are left out if it has no values |
/// | `buckets` | `[lowest value, highest value, count]`, by value, of those that hold something |
///
/// Families are in the order of their names, series in that of their labels; a line for each is all
/// the white space there is. Integers are written in full, up to 2^64 - 1; JavaScript, and what
/// computes in its way as `jq` does, rounds those above 2^53. A gauge that JSON has no number for is
/// one of the strings `"NaN"`, `"Infinity"` and `"-Infinity"`; one that was never set is left out.
///
/// ```
/// let registry = quipu::Registry::new();
/// registry.counter("jobs").register()?.add(3);
/// let mut json = Vec::new();
/// quipu::JsonEncoder::new().encode(&registry.snapshot(), &mut json);
/// assert!(String::from_utf8(json)?.contains(r#"{"name":"jobs","kind":"counter","series":"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct JsonEncoder {
    _private: (),
}

impl JsonEncoder {
    /// An encoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the snapshot as a document to `out`. Cost: one pass over it; two short texts are
    /// allocated, and what `out` needs to grow.
    pub fn encode(&self, snapshot: &Snapshot, out: &mut Vec<u8>) {
        let mut document = Object::begin(out);
        document.string("time", &rfc3339(snapshot.time()));
        document.string("since", &rfc3339(snapshot.since()));
        document.integer("sequence", snapshot.sequence());
        document.raw("uptime_s", &format!("{:.6}", snapshot.interval().as_secs_f64()));
        document.integer("pid", std::process::id());
        let out = document.key("families");
        out.push(b'[');
        let mut family = None;
        for (descriptor, value) in snapshot.iter() {
            if family == Some(descriptor.name()) {
                out.extend_from_slice(b",\n");
            } else {
                out.extend_from_slice(if family.is_some() { b"]},\n" } else { b"\n" });
                family = Some(descriptor.name());
                let mut family = Object::begin(out);
                family.string("name", descriptor.name());
                family.kind(descriptor);
                family.unit(descriptor);
                if !descriptor.help().is_empty() {
                    family.string("help", descriptor.help());
                }
                family.key("series").extend_from_slice(b"[\n");
            }
            let mut series = Object::begin(out);
            series.labels(descriptor);
            match value {
                Value::Counter(total) => series.integer("total", total),
                Value::UpDownCounter(sum) => series.integer("value", sum),
                Value::Gauge(reading) => series.reading("value", reading),
                Value::Histogram(values) => series.distribution(&values),
            }
            series.end();
        }
        out.extend_from_slice(if family.is_some() { b"]}]}\n" } else { b"]}\n" });
    }
}
