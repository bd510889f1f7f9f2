//! Where other crates' interfaces meet this one's: what they call is recorded here.
#![forbid(unsafe_code)]

mod tower;

pub use tower::{HttpLayer, HttpService, RequestBody, ResponseBody, ResponseFuture};
