//! Datadog: through an agent, as lines of DogStatsD, or over HTTPS.
//!
//! - `tags`: names and tags by Datadog's rules. `seconds`: times of points.
//! - `agent`: [`DogStatsd`]. `api`: [`Datadog`].
#![forbid(unsafe_code)]

#[cfg(feature = "dogstatsd")]
mod agent;
#[cfg(all(feature = "datadog", not(loom)))]
mod api;
mod seconds;
mod tags;

#[cfg(feature = "dogstatsd")]
pub use agent::DogStatsd;
#[cfg(all(feature = "datadog", not(loom)))]
pub use api::{Datadog, DatadogError};
