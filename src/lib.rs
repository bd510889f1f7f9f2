//! draft
mod buckets;
mod client;
mod export;
mod metric;
mod registry;
mod series;
mod snapshot;
#[allow(unsafe_code)]
mod store;
mod sync;

#[cfg(all(loom, test))]
#[path = "../loom-tests/mod.rs"]
mod models;

pub use client::{Delivery, ExportError, Exporter, Flusher, FlusherBuilder, FlusherReport};
pub use export::Console;
pub use metric::{CallSite, Counter, Gauge, Histogram, SampledTimer, Timer, UpDownCounter};
pub use registry::{MetricBuilder, Refusals, Registry, detached_records, registry};
pub use series::{Descriptor, Kind, Label, RegisterError, Unit};
pub use snapshot::{Bucket, HistogramSnapshot, Snapshot, Value};
pub use store::{AlreadyStarted, StoreConfig, StoreUsage, configure, register_thread, store_usage};
