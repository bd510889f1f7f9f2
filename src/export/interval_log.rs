//! HdrHistogram's interval logs: <https://github.com/HdrHistogram/HdrHistogram>, format 1.3, as its
//! `HistogramLogWriter` prints them.
//!
//! Timestamps are absolute, seconds since 1970. Readers disagree on relative ones: with a `StartTime`
//! alone they guess once for the whole file what timestamps are relative to, so that those of a
//! process that was started again and appends would be read wrongly.
#![forbid(unsafe_code)]

use super::lines::Lines;
use crate::client::{Delivery, ExportError, Exporter};
use crate::series::Descriptor;
use crate::snapshot::{HistogramSnapshot, Value};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

const LEGEND: &[u8] =
    b"\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// The largest value and count of a log: other readers' integers have a sign.
const LARGEST: u64 = i64::MAX as u64;

/// Writes each delivery's histograms as lines of an HdrHistogram interval log, which its tools plot,
/// merge and compare, and the libraries of HdrHistogram in many languages read.
///
/// ```text
/// #[Histogram log format version 1.3]
/// #[StartTime: 1799143200.000 (seconds since epoch)]
/// "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
/// Tag=http.duration;method=GET,1799143200.000,10.000,110.000,HISTFAAAACF4nJNpmSzMwMDAzAABzFCaEUozgdkA...
/// ```
///
/// A line is what a histogram recorded since the last delivery that was acknowledged, bucket for
/// bucket; one that recorded nothing has none. Other kinds of metric are not in the log. Timestamps
/// are seconds since 1970, lengths are seconds, and values and maxima are in the metric's own unit.
/// The format's integers have a sign: values above 2^63 - 1 count as that, and of more values than
/// that in one interval the largest are left out. Readers written in JavaScript lose values from
/// 2^53 on.
///
/// The tag is the metric's name, and then `;key=value` for each label. In values all but ASCII
/// letters, digits and ``!#$&()*+-./:<>?@[]^_`{|}~`` is percent-encoded, byte by byte of its UTF-8,
/// so that a tag can be split at `;` and at the first `=`, and has none of what separates fields.
///
/// Needs the feature `interval-log`.
pub struct IntervalLog {
    lines: Lines,
    text: Vec<u8>,
    tag: String,
    serializer: V2DeflateSerializer,
    /// One for each number of significant digits; they are large.
    histograms: [Option<Histogram<u64>>; 4],
}

impl IntervalLog {
    /// Writes to `out`, and flushes it after each delivery.
    ///
    /// What a write took before it failed cannot be taken back: it is in the log once more with the
    /// next delivery.
    pub fn to(out: impl Write + Send + 'static) -> Self {
        Self::with(Lines::to(out))
    }

    /// Appends to the file at `path`, which is created if it does not exist. One process may write
    /// it at a time.
    ///
    /// A delivery is in the file in whole or not at all: where the disk is full, it is taken back,
    /// counted as failed, and part of the next one. A last line that a killed process left
    /// unfinished is cut off first. The file may be renamed, deleted or truncated at any time, as by
    /// logrotate: the next delivery goes to the file that `path` names then, and begins with a
    /// header. A file that has one gets no other, so `StartTime` is that of its first interval. A
    /// device or a named pipe is written as a [stream](Self::to); opening a pipe waits for its
    /// reader.
    ///
    /// # Errors
    ///
    /// The system's, if the file cannot be opened or created; and an error if it begins with
    /// something else than `#`, since it is another file then.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::with(Lines::file(path.as_ref(), b'#')?))
    }

    fn with(lines: Lines) -> Self {
        Self {
            lines,
            text: Vec::new(),
            tag: String::new(),
            serializer: V2DeflateSerializer::new(),
            histograms: [const { None }; 4],
        }
    }
}

impl Exporter for IntervalLog {
    fn name(&self) -> &str {
        "interval_log"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let delta = delivery.delta();
        self.text.clear();
        IntervalLogWriterBuilder::new()
            .add_comment("[Histogram log format version 1.3]")
            .with_start_time(delta.since())
            .begin_log_with(&mut self.text, &mut self.serializer)?;
        self.text.extend_from_slice(LEGEND);
        let header = self.text.len();

        let start = delta.since().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut log =
            IntervalLogWriterBuilder::new().begin_log_with(&mut self.text, &mut self.serializer)?;
        for (descriptor, value) in delta.iter() {
            if let Value::Histogram(recorded) = value {
                if recorded.count() != 0 {
                    write_tag(descriptor, &mut self.tag);
                    let histogram = converted(&recorded, &mut self.histograms);
                    let tag = Tag::new(&self.tag);
                    log.write_histogram(histogram, start, delta.interval(), tag)?;
                }
            }
        }
        delivery.count_bytes(self.lines.append(&self.text, header)?);
        Ok(())
    }
}

/// `recorded`, in the one of `histograms` that has as many digits.
fn converted<'a>(
    recorded: &HistogramSnapshot<'_>,
    histograms: &'a mut [Option<Histogram<u64>>; 4],
) -> &'a Histogram<u64> {
    let digits = recorded.significant_digits();
    let histogram = histograms[usize::from(digits)].get_or_insert_with(|| {
        Histogram::new_with_bounds(1, LARGEST, digits).expect("0 to 3 digits are valid")
    });
    histogram.reset();
    let mut count = recorded.buckets().map(|bucket| bucket.count);
    if count.try_fold(0, u64::checked_add).is_some_and(|count| count <= LARGEST) {
        recorded.add_to(histogram);
    } else {
        let mut left = LARGEST;
        for bucket in recorded.buckets() {
            let count = bucket.count.min(left);
            left -= count;
            histogram.saturating_record_n(bucket.low, count);
        }
    }
    histogram
}

fn write_tag(descriptor: &Descriptor, tag: &mut String) {
    tag.clear();
    tag.push_str(descriptor.name());
    for label in descriptor.labels() {
        tag.push(';');
        tag.push_str(label.key());
        tag.push('=');
        for byte in label.value().bytes() {
            if byte.is_ascii_graphic() && !b"\"%',;=\\".contains(&byte) {
                tag.push(char::from(byte));
            } else {
                write!(tag, "%{byte:02X}").expect("a string takes whatever is written");
            }
        }
    }
}

impl std::fmt::Debug for IntervalLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntervalLog").finish_non_exhaustive()
    }
}
