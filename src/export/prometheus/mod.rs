//! The formats that Prometheus and what understands it reads.
//!
//! - `name`: what families are called there. `labels`: what labels are. `bounds`: classic buckets.
//! - `plan`: for each series what stays the same in every scrape, rendered once.
//! - `text`: the two text formats. `protobuf`: the third.
#![forbid(unsafe_code)]

mod bounds;
mod labels;
mod name;
mod plan;
mod protobuf;
mod text;

pub use bounds::BoundsError;

use crate::snapshot::Snapshot;
use bounds::Bounds;
use plan::Plan;
use protobuf::{Protobuf, Workspace};
use std::fmt;
use text::{Dialect, Text};

/// One of the formats that [`PrometheusEncoder`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrometheusFormat {
    /// Prometheus' text format, version 0.0.4.
    Text,
    /// OpenMetrics' text format, version 1.0.0.
    OpenMetrics,
    /// Delimited protobuf messages `io.prometheus.client.MetricFamily`, with native histograms.
    Protobuf,
}

/// How names that are no plain identifiers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PrometheusNames {
    /// With underscores for all that is not a letter or a digit: for every reader.
    #[default]
    Underscores,
    /// As they were registered, in quotes: for readers that ask for `escaping=allow-utf-8`.
    Utf8,
}

impl PrometheusFormat {
    /// The value for a `Content-Type` header.
    pub fn content_type(self, names: PrometheusNames) -> &'static str {
        use PrometheusFormat::{OpenMetrics, Protobuf, Text};
        use PrometheusNames::{Underscores, Utf8};
        match (self, names) {
            (Text, Underscores) => "text/plain; version=0.0.4; charset=utf-8",
            (Text, Utf8) => "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
            (OpenMetrics, Underscores) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
            (OpenMetrics, Utf8) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            (Protobuf, Underscores) => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited"
            }
            (Protobuf, Utf8) => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited; escaping=allow-utf-8"
            }
        }
    }
}

/// Turns snapshots into what Prometheus reads.
///
/// | quipu | Prometheus |
/// |---|---|
/// | `http.server.requests`, a counter | `http_server_requests_total` |
/// | `http.active`, an up-down counter; `queue.depth`, a gauge | gauges `http_active`, `queue_depth` |
/// | `http.server.request.duration`, a histogram in nanoseconds | `http_server_request_duration_seconds` |
///
/// Names end in the base unit: `seconds`, `bytes` or `ratio` (percents are divided by 100), and values
/// are converted to it; those of integers without rounding in the text formats. A last part of a name
/// that says the recorded unit is replaced, `_total` is not doubled. Metrics without a help text have
/// their registered name for one. A gauge that was never set is left out.
///
/// # Names that fall together
///
/// `a.b` and `a_b`, or a counter `a` and a gauge `a.total`, would be one name. The one that was
/// registered first has it; the others get eight hexadecimal digits appended, made from their own
/// name, and a warning is logged when they are first written in a spelling. Labels of a series whose keys fall together get `_` appended;
/// a series that only differs from another one in such keys, or in labels with empty values, which are
/// none to Prometheus, has a label `quipu_keys` with its keys. A key that begins with two underscores, and `le` on a histogram, gets `exported_` in front.
///
/// # Histograms
///
/// *Classic buckets*, in all formats: by default at the bounds of OpenTelemetry's conventions for
/// durations (5 ms to 10 s), powers of 4 for bytes (64 to 2^30), and otherwise the defaults of
/// OpenTelemetry's SDKs (0 to 10,000); [`bounds`](Self::bounds) sets others. Every value up to a bound
/// is counted there, and in addition those that share quipu's bucket with it: at most 6.25 %, 0.79 %
/// or 0.1 % above the bound for 1, 2 or 3 significant digits, and none if the bucket is as narrow as
/// the value's unit.
///
/// *Native histograms*, in protobuf, beside those: of schema 3, 6 or 8 for 1, 2 or 3 significant
/// digits, so buckets that grow by 9.1 %, 1.1 % or 0.27 %. Each value is in a bucket that holds it, or
/// a value at most 3.2 %, 0.4 % or 0.05 % away from it. Prometheus' settings
/// `native_histogram_bucket_limit` and `native_histogram_min_bucket_factor` make them coarser.
///
/// # Cost
///
/// What stays the same is rendered once: for each series and format in use its name and labels as they
/// are written, and 16 bytes. The first encoding after series were registered does it for those, and
/// the first one after some have left for all. Every other one copies it and writes numbers, in one
/// pass, and allocates nothing but what `out` needs to grow.
///
/// ```
/// use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames};
///
/// let registry = quipu::Registry::new();
/// registry.counter("jobs.done").label("queue", "mail").help("Jobs done").register()?.add(3);
/// let mut text = Vec::new();
/// PrometheusEncoder::new().encode(
///     &registry.snapshot(),
///     PrometheusFormat::Text,
///     PrometheusNames::Underscores,
///     &mut text,
/// );
/// let lines = [
///     "# HELP jobs_done_total Jobs done\n",
///     "# TYPE jobs_done_total counter\n",
///     "jobs_done_total{queue=\"mail\"} 3\n",
/// ];
/// assert_eq!(String::from_utf8(text)?, lines.concat());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct PrometheusEncoder {
    bounds: Bounds,
    is_without_created: bool,
    /// By spelling; those that were asked for.
    text: [Option<Plan<Text>>; 2],
    protobuf: [Option<Plan<Protobuf>>; 2],
    workspace: Workspace,
    /// When counts began, as OpenMetrics writes it.
    created: Vec<u8>,
}

impl PrometheusEncoder {
    /// An encoder with default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the bounds of classic buckets of the histogram with this registered name, in the exported
    /// unit: seconds, bytes, ratios or plain numbers. The bucket without a bound is always there.
    ///
    /// ```
    /// let encoder = quipu::PrometheusEncoder::new().bounds("db.query", &[0.001, 0.01, 0.1, 1.0])?;
    /// # Ok::<(), quipu::BoundsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BoundsError`], if they are not finite numbers from 0 on, in ascending order.
    pub fn bounds(mut self, name: &str, bounds: &[f64]) -> Result<Self, BoundsError> {
        self.bounds.set(name, bounds)?;
        self.forget();
        Ok(self)
    }

    /// Leaves out the samples of OpenMetrics that end in `_created`, one for each counter and histogram:
    /// when its counts began. By default they are written.
    ///
    /// Prometheus keeps each of them as a series of its own: half of all series of a program that has
    /// counters only. What is lost is a moment that it does not use by default. In protobuf, where it
    /// is no series, the moment stays.
    pub fn without_created(mut self) -> Self {
        self.is_without_created = true;
        self
    }

    /// Appends the snapshot in the format to `out`.
    ///
    /// Meant for snapshots of one registry: what was rendered for another one is rendered anew.
    pub fn encode(
        &mut self,
        snapshot: &Snapshot,
        format: PrometheusFormat,
        names: PrometheusNames,
        out: &mut Vec<u8>,
    ) {
        let dialect = match format {
            PrometheusFormat::Text => Dialect::Prometheus,
            PrometheusFormat::OpenMetrics => Dialect::OpenMetrics,
            PrometheusFormat::Protobuf => {
                let plan = &mut self.protobuf[names as usize];
                let plan = plan.get_or_insert_with(|| Plan::new(names));
                plan.follow(snapshot.catalog(), &self.bounds);
                return protobuf::write(plan, snapshot, &mut self.workspace, out);
            }
        };
        let plan = self.text[names as usize].get_or_insert_with(|| Plan::new(names));
        plan.follow(snapshot.catalog(), &self.bounds);
        let created = (!self.is_without_created).then_some(&mut self.created);
        text::write(plan, snapshot, dialect, created, out);
    }

    fn forget(&mut self) {
        (self.text, self.protobuf) = Default::default();
    }
}

/// With the same settings.
impl Clone for PrometheusEncoder {
    fn clone(&self) -> Self {
        Self {
            bounds: self.bounds.clone(),
            is_without_created: self.is_without_created,
            ..Self::default()
        }
    }
}

impl fmt::Debug for PrometheusEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusEncoder")
            .field("bounds", &self.bounds)
            .field("is_without_created", &self.is_without_created)
            .finish_non_exhaustive()
    }
}
