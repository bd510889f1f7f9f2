//! What is recorded through the macros of the crate `metrics`. The only folder that names it.
//!
//! ```text
//! metrics::counter!(..) -> register_counter(key) -> Index: hash -> Lookup -> Arc of the series
//!                                                     | not there
//!                                                     v
//!                     the index's lock: Name (help, unit, limit) -> the registry's table
//! ```
//!
//! Every call of a macro asks the recorder for its metric, so that the look-up is the hot path: it takes
//! no lock and allocates nothing, and clones an `Arc`, since that is what the interface hands out.
//!
//! Keys are found by a keyed hash of their texts, and not by the one that `metrics` has put into them:
//! that one is made with secrets which everybody can read, so that label values from outside could be
//! chosen to have one hash, however it was mixed afterwards. It is compared, as a hint.
//!
//! Series are never removed: programs keep what a macro returned, and go on recording through it.
#![forbid(unsafe_code)]

mod context;
mod index;
mod names;
mod recorder;
mod scale;
mod series;

pub use recorder::{MetricsRecorder, RecorderAlreadySet};
