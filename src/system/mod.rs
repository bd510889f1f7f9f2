//! What the process takes of the system, as metrics.
#![forbid(unsafe_code)]

mod collector;
mod process;
#[cfg(feature = "tokio")]
mod runtime;

pub use collector::SystemCollector;
