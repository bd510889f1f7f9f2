//! The service's own metrics, beside those of `quipu::HttpLayer`. They are registered before it
//! serves, so that recording never has to.

use crate::failure::Failure;
use axum::http::StatusCode;
use quipu::{Counter, Gauge, Histogram, RegisterError, TypedFamily, Unit};

/// Answered requests that did not come from the service's own clients; also the name that the totals
/// are read by.
pub const OUTSIDE_REQUESTS: &str = "http.server.requests.outside";

/// Requests that failed, by cause: the layer knows their status, and several causes share one.
pub struct Metrics {
    failures: TypedFamily<Counter, (Failure,)>,
    other_errors: Counter,
}

/// What the worker records.
pub struct IngestMetrics {
    pub queue_depth: Gauge,
    pub duration: Histogram,
    pub documents: Counter,
}

impl Metrics {
    pub fn register() -> Result<Self, RegisterError> {
        let errors = || {
            let errors = quipu::registry().counter("http.server.errors");
            errors.help("requests that failed, by cause")
        };
        Ok(Self {
            failures: errors().typed_family(["cause"]).register()?,
            other_errors: errors().label("cause", "other").register()?,
        })
    }

    pub fn failed(&self, failure: Failure) {
        self.failures.with((failure,)).increment();
    }

    /// A request failed before a handler had a say: a method that a route does not have, a body that
    /// is too long.
    pub fn failed_otherwise(&self) {
        self.other_errors.increment();
    }
}

/// Counted at the call site, in a family: each series comes into being with the first such request.
pub fn count_outside(status: StatusCode) {
    quipu::counter!(OUTSIDE_REQUESTS, "status" => status.as_str()).increment();
}

impl IngestMetrics {
    pub fn register() -> Result<Self, RegisterError> {
        let registry = quipu::registry();
        Ok(Self {
            queue_depth: registry
                .gauge("ingest.queue.depth")
                .help("documents waiting to be indexed")
                .register()?,
            duration: registry
                .histogram("ingest.duration")
                .unit(Unit::Nanoseconds)
                .help("time to index a document")
                .register()?,
            documents: registry.counter("ingest.documents").help("documents indexed").register()?,
        })
    }
}
