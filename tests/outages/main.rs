//! Outages of what exporters send to over HTTP: every exporter under every fault of a server. In the
//! end the server has been told exactly what was recorded, and nobody else has noticed.
//!
//! `kinds` are the exporters, `scripts` the faults, `beset` a client among them; the others are a
//! question each.
#![cfg(all(any(feature = "datadog", feature = "otlp", feature = "sentry"), not(loom)))]
#![allow(unsafe_code)]

mod addresses;
mod beset;
#[path = "../counting/mod.rs"]
mod counting;
#[cfg(feature = "datadog")]
mod datadog;
#[path = "../exporter/mod.rs"]
mod exporter;
#[path = "../fault_server/mod.rs"]
mod fault_server;
#[cfg(feature = "otlp")]
#[path = "../exposition/fields.rs"]
mod fields;
mod kinds;
mod load;
mod memory;
mod model;
#[cfg(feature = "otlp")]
mod otlp;
#[path = "../process/mod.rs"]
#[allow(dead_code)]
mod process;
#[cfg(feature = "otlp")]
#[path = "../otlp/reading.rs"]
#[allow(dead_code)]
mod reading;
mod recovery;
mod retries;
mod scripts;
mod secrets;
#[cfg(feature = "sentry")]
mod sentry;
mod stops;
