//! Destinations: an encoder each, which turns a snapshot into bytes, and what carries them out.
#![forbid(unsafe_code)]

mod console;
#[cfg(feature = "interval-log")]
mod interval_log;
mod json;
mod lines;
mod log_file;
mod number;
mod prometheus;
mod provider;
mod test_exporter;

pub use console::Console;
#[cfg(feature = "interval-log")]
pub use interval_log::IntervalLog;
pub use json::{JsonEncoder, JsonLines};
pub use prometheus::{BoundsError, PrometheusEncoder, PrometheusFormat, PrometheusNames};
pub use test_exporter::{Received, TestExporter};

#[cfg(all(feature = "http", not(loom)))]
pub(crate) use json::Object;
