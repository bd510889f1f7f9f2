//! What a plain StatsD server gets, and what Etsy's makes of it.
//!
//! The tests with the real server are ignored unless they are asked for, and find its `stats.js` in
//! `QUIPU_STATSD`: `npm install --ignore-scripts --omit=optional statsd@0.9.0` installs it.
#![cfg(all(feature = "statsd", unix, not(loom)))]

#[path = "../directory/mod.rs"]
mod directory;
#[path = "../etsy/mod.rs"]
mod etsy;

mod lines;
mod reading;
mod real;

use quipu::{Client, ClientBuilder, Registry};
use std::sync::Arc;
use std::time::Duration;

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn client_of(registry: &Arc<Registry>) -> ClientBuilder {
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    client.backoff(NEVER..=NEVER)
}
