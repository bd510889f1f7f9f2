//! Where other crates' interfaces meet this one's: what they call is recorded here.
#![forbid(unsafe_code)]

#[cfg(feature = "tower")]
mod tower;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "tower")]
pub use tower::{HttpLayer, HttpService, RequestBody, ResponseBody, ResponseFuture};
#[cfg(feature = "tracing")]
pub use tracing::TracingLayer;
