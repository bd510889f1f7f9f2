//! Outages of what exporters send to over HTTP: every exporter under every fault of a server. In the
//! end the server has been told exactly what was recorded, and nobody else has noticed.
//!
//! `kinds` are the exporters, `scripts` the faults, `beset` a client among them; the others are a
//! question each.
#![cfg(not(loom))]
#![allow(unsafe_code)]

mod addresses;
mod beset;
#[path = "../counting/mod.rs"]
mod counting;
#[path = "../exporter/mod.rs"]
mod exporter;
#[path = "../fault_server/mod.rs"]
mod fault_server;
mod kinds;
mod load;
mod memory;
mod model;
#[path = "../process/mod.rs"]
#[allow(dead_code)]
mod process;
mod recovery;
mod retries;
mod scripts;
mod secrets;
mod stand_in;
mod stops;
