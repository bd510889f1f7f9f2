//! The endpoint over HTTP: what it answers, how fresh that is, and what it stands.
#![cfg(all(feature = "http", not(loom)))]

#[path = "../exporter/mod.rs"]
mod exporter;
#[cfg(target_os = "linux")]
#[path = "../process/mod.rs"]
mod process;

mod broken;
mod crowds;
mod fresh;
mod health;
mod mounted;
mod routes;
mod served;
mod wire;
