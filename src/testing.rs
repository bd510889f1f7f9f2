//! For tests of programs that use quipu: an exporter that keeps what it gets, and a clock that waits
//! to be told.
#![forbid(unsafe_code)]

pub use crate::client::ManualClock;
pub use crate::export::{Received, TestExporter};
