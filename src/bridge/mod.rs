//! Where other crates' interfaces meet this one's: what they call is recorded here.
#![forbid(unsafe_code)]

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "metrics")]
pub use self::metrics::{MetricsRecorder, RecorderAlreadySet};
#[cfg(feature = "tower")]
pub use tower::{HttpLayer, HttpService, RequestBody, ResponseBody, ResponseFuture};
#[cfg(feature = "tracing")]
pub use tracing::TracingLayer;
