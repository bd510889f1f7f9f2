//! Sentry, against a server that behaves as a test tells it, badly included. What arrives is read by
//! the SDK's own types.
#![cfg(all(feature = "sentry", not(loom)))]

#[path = "../exporter/mod.rs"]
mod exporter;
#[path = "../process/mod.rs"]
mod process;

mod captured;
mod dsns;
mod metrics;
mod server;
