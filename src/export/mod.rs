//! Destinations: an encoder each, which turns a snapshot into bytes, and what carries them out.
#![forbid(unsafe_code)]

#[cfg(any(
    feature = "dogstatsd",
    feature = "statsd",
    all(any(feature = "datadog", feature = "otlp", feature = "sentry"), not(loom))
))]
mod batches;
mod console;
mod exponential;
#[cfg(all(any(feature = "http", feature = "datadog", feature = "otlp"), not(loom)))]
mod gzip;
#[cfg(feature = "interval-log")]
mod interval_log;
mod json;
mod lines;
mod log_file;
mod number;
#[cfg(all(feature = "otlp", not(loom)))]
mod otlp;
mod prometheus;
mod provider;
mod scale;
mod test_exporter;
#[cfg(all(any(feature = "datadog", feature = "otlp", feature = "sentry"), not(loom)))]
mod web;
mod wire;

pub use console::Console;
#[cfg(feature = "interval-log")]
pub use interval_log::IntervalLog;
pub use json::{JsonEncoder, JsonLines};
#[cfg(all(feature = "otlp", not(loom)))]
pub use otlp::{Otlp, OtlpError, Temporality};
pub use prometheus::{BoundsError, PrometheusEncoder, PrometheusFormat, PrometheusNames};
pub use test_exporter::{Received, TestExporter};

#[cfg(all(feature = "http", not(loom)))]
pub(crate) use {gzip::Gzip, json::Object};
