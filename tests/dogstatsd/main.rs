//! What an agent gets by DogStatsD, over real sockets: every line means what was recorded, and each
//! record comes once, whatever happens to the agent.
#![cfg(all(feature = "dogstatsd", unix, not(loom)))]

#[path = "../directory/mod.rs"]
mod directory;

mod agent;
mod faults;
mod lines;
mod reading;
mod telemetry;

use quipu::{Client, ClientBuilder, DogStatsd, Registry};
use std::sync::Arc;
use std::time::Duration;

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn client_of(registry: &Arc<Registry>) -> ClientBuilder {
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    client.backoff(NEVER..=NEVER)
}

/// Without what depends on the machine and on time.
fn plain(exporter: DogStatsd) -> DogStatsd {
    exporter.without_origin_detection().without_telemetry()
}

/// What the pipeline counted as dropped, by its cause.
fn dropped(registry: &Registry, cause: &str) -> u64 {
    let labels = [("exporter", "dogstatsd"), ("cause", cause)];
    registry.snapshot().counter("quipu.export.dropped", &labels).unwrap_or(0)
}
