//! HTTP requests that pass through tower's services. The only folder that names `tower-layer`,
//! `tower-service`, `http`, `http-body`, `bytes`, `pin-project-lite` and `axum`.
//!
//! A request is an [`exchange::Exchange`] from the call of the service to the end of the response's
//! body. It moves from the service into the future and from there into the body, and whoever has it
//! last drops it: that drop is the one place where a request is recorded, so that every way out is
//! counted once, an answer as well as a future that nobody polls any more.
//!
//! ```text
//! HttpService::call ──> ResponseFuture ──> ResponseBody
//!    Exchange: in flight + 1 ......... its drop: in flight - 1, duration, sizes
//!    Tally  ──> RequestBody: bytes that the service reads
//! ```
//!
//! Handles are found by labels in [`lookup`], which is read without a lock.
#![forbid(unsafe_code)]

mod exchange;
mod future;
mod labels;
mod layer;
mod lookup;
#[cfg(feature = "axum")]
mod matched_path;
mod metrics;
mod request_body;
mod response_body;
mod tally;

pub use future::ResponseFuture;
pub use layer::{HttpLayer, HttpService};
pub use request_body::RequestBody;
pub use response_body::ResponseBody;
