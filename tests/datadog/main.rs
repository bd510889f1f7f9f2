//! What Datadog's API gets over HTTP, and what a server that speaks it makes of it.
//!
//! The test with VictoriaMetrics is ignored unless it is asked for, and finds the program in
//! `QUIPU_VICTORIA_METRICS`.
#![cfg(all(feature = "datadog", unix, not(loom)))]

#[path = "../victoria/mod.rs"]
mod victoria;

mod faults;
mod intake;
mod real;
mod series;

use quipu::{Client, ClientBuilder, Registry};
use std::sync::Arc;
use std::time::Duration;

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

const KEY: &str = "5entine15entine15entine15entine1";

fn client_of(registry: &Arc<Registry>) -> ClientBuilder {
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    client.backoff(NEVER..=NEVER)
}
