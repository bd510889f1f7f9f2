//! Prometheus itself, its linter and its strict parser take what the endpoint and the encoders write.
//!
//! Each test is ignored unless it is asked for, and finds the program in an environment variable:
//! `QUIPU_PROMETHEUS`, `QUIPU_PROMTOOL`, and `QUIPU_OPENMETRICS_PYTHON`, a Python that has the package
//! `prometheus-client`. `bash .ci/run prometheus` installs and runs all of them.
#![cfg(all(feature = "http", feature = "system", feature = "tower", unix, not(loom)))]

#[path = "../exposition/metrics.rs"]
mod metrics;
#[allow(dead_code, reason = "numbers are compared in another test")]
#[path = "../exposition/reading.rs"]
mod reading;
#[path = "../exposition/strategies.rs"]
mod strategies;
#[path = "../exposition/text.rs"]
mod text;

mod linter;
mod parser;
mod scraped;
mod server;

use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames, Snapshot};

/// The program that a variable names.
fn program(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} names no program"))
}

fn body(snapshot: &Snapshot, format: PrometheusFormat, names: PrometheusNames) -> String {
    let mut body = Vec::new();
    PrometheusEncoder::new().encode(snapshot, format, names, &mut body);
    String::from_utf8(body).unwrap()
}
