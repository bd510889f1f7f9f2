//! Series: names with labels, and the handles that stand behind them.
//!
//! The table is written by registrations, under its lock. New series wait for a collector in a list of
//! their own, so that no size of the table delays it; it takes the table's lock to see which series are
//! retired.
#![forbid(unsafe_code)]

mod consumer;
mod descriptor;
mod error;
mod families;
mod handle;
mod hash;
mod labels;
mod name;
mod refusals;
mod table;
mod unit;

pub use descriptor::{Descriptor, Kind};
pub use error::RegisterError;
pub use labels::{Label, Labels};
pub use refusals::Refusals;
pub use unit::Unit;

pub use handle::Metric;

pub(crate) use consumer::Consumer;
pub(crate) use error::excerpt;
pub(crate) use families::AnyFamily;
pub(crate) use handle::{Detached, Handle};
pub(crate) use hash::{HashKey, ends};
pub(crate) use labels::LabelList;
#[cfg(all(feature = "tracing", not(loom)))]
pub(crate) use name::fault_of_key;
pub(crate) use name::fault_of_value;
#[cfg(all(feature = "metrics", not(loom)))]
pub(crate) use name::{MAX_LABELS, MAX_NAME_BYTES, MAX_VALUE_BYTES};
pub(crate) use table::{Collection, DEFAULT_MAX_SERIES, Request, Series, Table};
