//! What a program records through: handles over slots of the store.
//!
//! A handle is cheap to clone and to send; it keeps its slot alive, so recording through it is valid
//! for as long as it exists, whatever became of the registry. Every recording method is two
//! functions: the public one for the calling thread, and one that takes the place to record to.
#![forbid(unsafe_code)]

mod call_site;
mod counter;
mod gauge;
mod histogram;
mod timer;
mod typed;
mod up_down_counter;

pub use call_site::CallSite;
pub use counter::Counter;
pub use gauge::Gauge;
pub use histogram::Histogram;
pub use timer::{SampledTimer, Timer};
pub use typed::{LabelValue, LabelValues, SmallInt, TypedFamily, TypedMember, all_differ};
pub use up_down_counter::UpDownCounter;

pub(crate) use gauge::UNSET_GAUGE;
pub(crate) use timer::{Beginning, start_clock};
