//! Destinations: an encoder each, which turns a snapshot into bytes, and what carries them out.
#![forbid(unsafe_code)]

#[cfg(any(
    feature = "dogstatsd",
    feature = "statsd",
    all(any(feature = "datadog", feature = "otlp", feature = "sentry"), not(loom))
))]
mod batches;
mod console;
#[cfg(any(feature = "datadog", feature = "dogstatsd"))]
mod datadog;
#[cfg(any(feature = "dogstatsd", feature = "statsd"))]
mod datagram;
mod exponential;
#[cfg(all(any(feature = "http", feature = "datadog", feature = "otlp"), not(loom)))]
mod gzip;
mod hash;
#[cfg(feature = "interval-log")]
mod interval_log;
mod json;
mod lines;
mod log_file;
mod number;
#[cfg(all(feature = "otlp", not(loom)))]
mod otlp;
mod pieces;
mod prometheus;
mod provider;
#[cfg(any(feature = "datadog", feature = "dogstatsd", feature = "statsd"))]
mod rendered;
mod scale;
#[cfg(all(feature = "sentry", not(loom)))]
mod sentry;
#[cfg(feature = "statsd")]
mod statsd;
mod test_exporter;
#[cfg(all(any(feature = "datadog", feature = "otlp", feature = "sentry"), not(loom)))]
mod web;
mod wire;

pub use console::Console;
#[cfg(feature = "dogstatsd")]
pub use datadog::DogStatsd;
#[cfg(all(feature = "datadog", not(loom)))]
pub use datadog::{Datadog, DatadogError};
#[cfg(any(feature = "dogstatsd", feature = "statsd"))]
pub use datagram::AddressError;
#[cfg(feature = "interval-log")]
pub use interval_log::IntervalLog;
pub use json::{JsonEncoder, JsonLines};
#[cfg(all(feature = "otlp", not(loom)))]
pub use otlp::{Otlp, OtlpError, Temporality};
pub use prometheus::{BoundsError, PrometheusEncoder, PrometheusFormat, PrometheusNames};
#[cfg(all(feature = "sentry", not(loom)))]
pub use sentry::{Sentry, SentryDsnError};
#[cfg(feature = "statsd")]
pub use statsd::{Statsd, StatsdTags};
pub use test_exporter::{Received, TestExporter};

#[cfg(all(feature = "http", not(loom)))]
pub(crate) use gzip::Gzip;
#[cfg(all(feature = "metrics", not(loom)))]
pub(crate) use hash::hash;
pub(crate) use json::Object;
