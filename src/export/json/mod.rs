//! JSON: lines for log shippers, `jq` and `grep`, and a document for pages and scripts.
#![forbid(unsafe_code)]

mod document;
mod line;
mod object;

pub use document::JsonEncoder;

pub(crate) use object::Object;
#[cfg(all(feature = "sentry", not(loom)))]
pub(super) use object::{quote, rfc3339};

use super::lines::Lines;
use crate::client::{Delivery, ErrorDelivery, ExportError, Exporter};
use std::io::{self, Write};
use std::path::Path;

/// Writes each delivery as lines of JSON: one about the delivery, and then one for each series.
///
/// ```text
/// {"kind":"snapshot","time":"2027-01-05T10:00:10.000Z","sequence":2,"since":"2027-01-05T10:00:00.000Z","since_sequence":1,"interval_s":10.000021,"series":4,"last":false}
/// {"kind":"counter","time":"2027-01-05T10:00:10.000Z","name":"http.requests","labels":{"method":"GET"},"interval_s":10.000021,"total":12,"delta":3}
/// {"kind":"up_down_counter","time":"2027-01-05T10:00:10.000Z","name":"http.active","interval_s":10.000021,"value":2,"delta":-1}
/// {"kind":"gauge","time":"2027-01-05T10:00:10.000Z","name":"queue.depth","value":4.5}
/// {"kind":"histogram","time":"2027-01-05T10:00:10.000Z","name":"http.duration","unit":"ns","interval_s":10.000021,"total":{"count":9,"sum":900},"count":2,"sum":210,"min":100,"max":110,"p50":100,"p90":110,"p99":110,"p99_9":110,"buckets":[[100,100,1],[110,110,1]]}
/// ```
///
/// | field | meaning |
/// |---|---|
/// | `kind` | `snapshot`, or the metric's: `counter`, `up_down_counter`, `gauge`, `histogram` |
/// | `time` | when the snapshot was taken, UTC: the same in all lines of a delivery |
/// | `labels`, `unit` | left out if there are none; the unit is [`Unit::symbol`](crate::Unit::symbol) |
/// | `interval_s` | seconds since the last delivery that was acknowledged, or since the start |
/// | `delta` | what was added in that interval |
/// | `total` | what was added since the start |
/// | `value` | what it is now |
/// | `count`, `sum`, `min`, `max`, `p50` .. `p99_9` | of the interval; the last six are left out if it has no values |
/// | `buckets` | of the interval: `[lowest value, highest value, count]`, by value |
///
/// Every series is in every delivery, gauges never set excepted. Buckets of lines with the same name
/// can be added up, over time and over machines, without loss.
///
/// Integers are written in full, up to 2^64 - 1. JavaScript, and what computes in its way as `jq`
/// does, rounds those above 2^53. A gauge that JSON has no number for is one of the strings `"NaN"`,
/// `"Infinity"` and `"-Infinity"`.
///
/// # Deliveries
///
/// `series` is the number of lines that follow; fewer mean that the process was killed meanwhile.
/// `since_sequence` is the `sequence` of the delivery that the deltas are taken against, 0 for the
/// start of the process. Into a [`file`](Self::file) a delivery goes in whole or not at all. A
/// [stream](Self::to) that fails in the middle keeps what it took, and the next delivery covers that
/// interval once more: a delivery counts if the next one's `since_sequence` is its `sequence`.
/// `last` is true when the client was stopped.
///
/// # Captured errors
///
/// Each is a line of its own, soon after it was captured:
///
/// ```text
/// {"kind":"error","time":"2027-01-05T10:00:03.141Z","message":"query failed","sources":["connection reset"],"thread":"worker-3","context":{"query":"SELECT 1"}}
/// {"kind":"panic","time":"2027-01-05T10:00:03.200Z","message":"index out of bounds","sources":[],"thread":"worker-3","location":"src/main.rs:10:5"}
/// ```
pub struct JsonLines {
    lines: Lines,
    text: Vec<u8>,
}

impl JsonLines {
    /// Writes to the standard output, which is locked for each delivery, so that no other thread's
    /// text gets in between.
    pub fn stdout() -> Self {
        Self::with(Lines::stdout())
    }

    /// Writes to `out`, and flushes it after each delivery.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self::with(Lines::to(out))
    }

    /// Appends to the file at `path`, which is created if it does not exist. One process may write
    /// it at a time.
    ///
    /// A delivery is in the file in whole or not at all: where the disk is full, it is taken back,
    /// counted as failed, and part of the next one. A last line that a killed process left
    /// unfinished is cut off first. The file may be renamed, deleted or truncated at any time, as by
    /// logrotate: the next delivery goes to the file that `path` names then. A device or a named
    /// pipe is written as a [stream](Self::to); opening a pipe waits for its reader.
    ///
    /// # Errors
    ///
    /// The system's, if the file cannot be opened or created; and an error if it begins with
    /// something else than `{`, since it is another file then.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::with(Lines::file(path.as_ref(), b'{')?))
    }

    fn with(lines: Lines) -> Self {
        Self { lines, text: Vec::new() }
    }
}

impl Exporter for JsonLines {
    fn name(&self) -> &str {
        "json"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.text.clear();
        line::encode(delivery, &mut self.text);
        delivery.count_bytes(self.lines.append(&self.text, 0)?);
        Ok(())
    }

    fn takes_errors(&self) -> bool {
        true
    }

    fn export_errors(&mut self, delivery: &ErrorDelivery<'_>) -> Result<(), ExportError> {
        self.text.clear();
        delivery.errors().iter().for_each(|error| line::encode_error(error, &mut self.text));
        self.lines.append(&self.text, 0)?;
        Ok(())
    }
}

impl std::fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}
