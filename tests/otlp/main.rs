//! What the exporter to OpenTelemetry collectors sends is what snapshots say, once, whatever becomes
//! of requests.
//!
//! - `collector`: takes requests, or does not. `reading`: a strict reader, which uses the exposition
//!   tests' `fields`. `oracle`: what requests must say.
//! - `sent`: whatever is registered and recorded. `failures`: refusals. `transport`, `configured`.
//! - `python`: OpenTelemetry's own messages; `victoria`: a server that takes them. Both are ignored
//!   unless they are asked for, and find the program in `QUIPU_OTLP_PYTHON`, a Python that has the
//!   package `opentelemetry-proto`, and in `QUIPU_VICTORIA_METRICS`.
#![cfg(all(feature = "otlp", not(loom)))]

#[path = "../exporter/mod.rs"]
mod exporter;
#[path = "../exposition/fields.rs"]
mod fields;
#[path = "../exposition/metrics.rs"]
mod metrics;
#[path = "../process/mod.rs"]
mod process;
#[path = "../exposition/strategies.rs"]
mod strategies;
#[path = "../victoria/mod.rs"]
mod victoria_metrics;

mod collector;
mod configured;
mod failures;
mod oracle;
mod python;
mod reading;
mod sent;
mod transport;
mod victoria;

use collector::{Collector, Received};
use exporter::{NEVER, PATIENCE};
use quipu::{Client, Otlp, Registry, Snapshot, Value};
use reading::{Reading, Request};
use std::sync::Arc;

/// A client that flushes when it is told to.
fn client(registry: &Arc<Registry>, otlp: Otlp) -> Client {
    Client::builder()
        .registry(registry.clone())
        .flush_interval(NEVER)
        .exporter(otlp)
        .start()
        .unwrap()
}

fn otlp(collector: &Collector) -> Otlp {
    Otlp::new(&collector.endpoint()).unwrap()
}

/// The contents of requests.
fn read(received: &[Received]) -> Vec<Request> {
    received.iter().map(|received| reading::request(&received.body)).collect()
}

/// Flushes, and returns what was sent and the snapshot that it is about.
fn flush(
    client: &Client,
    registry: &Registry,
    collector: &Collector,
) -> (Vec<Request>, Arc<Snapshot>) {
    let report = client.flush(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    (read(&collector.take()), registry.latest().unwrap())
}

/// The sum of all integers that requests say of a metric.
fn sum_of(requests: &[Request], name: &str) -> i64 {
    let metrics = requests.iter().flat_map(|request| &request.metrics);
    let points = metrics.filter(|metric| metric.name == name).flat_map(|metric| &metric.points);
    points.map(|point| if let Reading::Int(int) = point.reading { int } else { 0 }).sum()
}

/// How many values the exporter dropped for a reason.
fn dropped(registry: &Registry, cause: &str) -> u64 {
    let labels = [("exporter", "otlp"), ("cause", cause)];
    match registry.snapshot().value("quipu.export.dropped", &labels) {
        Some(Value::Counter(count)) => count,
        other => panic!("{other:?}"),
    }
}
