//! A real HTTP service that is measured with quipu.
//!
//! It serves the files of this checkout on loopback, sends itself requests as its users would,
//! delivers its metrics as it is configured to, every five seconds as a table if it is not, and at its
//! end compares what its metrics say with what its clients saw.
//!
//! It is a library, so that a bench can hold its hot path to bounds (`benches/hot_path.rs`).

pub mod app;
pub mod archive;
pub mod backend;
pub mod corpus;
pub mod failure;
pub mod index;
pub mod ingest;
pub mod load;
pub mod metrics;
pub mod observe;
pub mod options;
pub mod routes;
pub mod signals;
pub mod telemetry;
pub mod totals;
