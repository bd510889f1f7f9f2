//! Bringing snapshots to where they are read: the flusher, and what it delivers to.
#![forbid(unsafe_code)]

mod exporter;
mod flusher;

pub use exporter::{Delivery, ExportError, Exporter};
pub use flusher::{Flusher, FlusherBuilder, FlusherReport};
