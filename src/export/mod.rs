//! Destinations: an encoder each, which turns a snapshot into bytes, and what carries them out.
#![forbid(unsafe_code)]

mod console;
#[cfg(feature = "interval-log")]
mod interval_log;
mod json;
mod lines;
mod log_file;
mod provider;
mod test_exporter;

pub use console::Console;
#[cfg(feature = "interval-log")]
pub use interval_log::IntervalLog;
pub use json::JsonLines;
pub use test_exporter::{Received, TestExporter};
