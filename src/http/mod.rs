//! Metrics, health and a page over HTTP.
//!
//! ```text
//! a request -> endpoint: route --+--> exposition, a thread: snapshot -> body --+--> response
//!                                +--> readiness, a thread: checks -------------+
//!                                +--> client: health --------------------------+
//! ```
//!
//! - `endpoint`, `builder`, `response`: what is mounted, with any runtime and any framework.
//! - `route`, `negotiation`: what is asked for. `bodies`: what is sent.
//! - `exposition`, `readiness`: the work, in threads that `job_thread` starts when there is some.
//! - `measures`: the same as metrics. `server`: a server for those who have none.
//!
//! Everything here reads what the layers below offer; nothing is known below of HTTP.
#![forbid(unsafe_code)]

mod bodies;
mod builder;
mod endpoint;
mod exposition;
mod job_thread;
mod measures;
mod negotiation;
mod readiness;
mod response;
mod route;
mod server;

pub use builder::EndpointBuilder;
pub use endpoint::Endpoint;
pub use response::{EndpointBody, EndpointFuture};
pub use server::{EndpointServer, ServeError};
