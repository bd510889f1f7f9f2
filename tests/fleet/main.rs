//! A fleet of processes, each with a registry of its own: what backends make of its exports is what
//! was recorded, within the error that the format states.
//!
//! - `processes`: who records what; `truth`: all of it, sorted. `exports`: what leaves each
//!   process, by the real encoders and exporters.
//! - `exponential`: buckets that are merged as Prometheus and OpenTelemetry merge them.
//!   `prometheus`, `otlp`, `datadog`: each backend's way, with the readers of the exporters' own
//!   tests.
//! - `restarts`: processes that end in the middle and come again.
//! - `scraped`, `victoria`: real servers. Both are ignored unless they are asked for, and find the
//!   program in `QUIPU_PROMETHEUS` and `QUIPU_VICTORIA_METRICS`.
#![cfg(all(feature = "dogstatsd", feature = "otlp", unix, not(loom)))]

#[allow(dead_code, reason = "streams are for another test")]
#[path = "../dogstatsd/agent.rs"]
mod agent;
#[allow(dead_code, reason = "answers other than the usual one are for another test")]
#[path = "../otlp/collector.rs"]
mod collector;
#[path = "../directory/mod.rs"]
mod directory;
#[allow(dead_code, reason = "single metrics are for another test")]
#[path = "../dogstatsd/reading.rs"]
mod dogstatsd_reading;
#[path = "../exposition/fields.rs"]
mod fields;
#[path = "../otlp/reading.rs"]
mod otlp_reading;
#[path = "../exposition/protobuf.rs"]
mod protobuf;
#[allow(dead_code, reason = "numbers are compared in another test")]
#[path = "../exposition/reading.rs"]
mod reading;
#[allow(dead_code, reason = "jobs of one target, and versions, are for another test")]
#[path = "../prometheus/server.rs"]
mod server;
#[allow(dead_code, reason = "samples by themselves are for another test")]
#[path = "../exposition/text.rs"]
mod text;
#[allow(dead_code, reason = "single series are for another test")]
#[path = "../victoria/mod.rs"]
mod victoria_metrics;

mod datadog;
mod exponential;
mod exports;
mod otlp;
mod processes;
mod prometheus;
mod restarts;
mod scraped;
mod truth;
mod victoria;

use std::time::Duration;

/// Of the simulated fleet.
const PROCESSES: usize = 1_000;

/// The places in which a fleet is looked at.
const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program that a variable names.
fn program(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} names no program"))
}
