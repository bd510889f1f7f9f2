//! A request on its way through a service, until its response has gone out.
#![forbid(unsafe_code)]

use super::labels::{Labels, Outcome, RequestLabels};
use super::metrics::{Measures, Metrics};
use super::tally::Tally;
use crate::metric::Beginning;
use std::fmt;
use std::mem;
use std::sync::Arc;

/// Counted as in flight while it exists, and recorded when it is dropped.
pub(super) struct Exchange {
    metrics: Arc<Metrics>,
    labels: RequestLabels,
    beginning: Beginning,
    /// `None` for a request without a body.
    request_bytes: Option<Tally>,
    response_bytes: u64,
    /// What it is until somebody knows better: an exchange that is dropped was waited for by
    /// nobody.
    outcome: Outcome,
}

impl Exchange {
    pub(super) fn begin(
        metrics: Arc<Metrics>,
        labels: RequestLabels,
        beginning: Beginning,
        request_bytes: Option<Tally>,
    ) -> Self {
        metrics.active(labels).increment();
        let outcome = Outcome::Cancelled;
        Self { metrics, labels, beginning, request_bytes, response_bytes: 0, outcome }
    }

    pub(super) fn labels(&self) -> RequestLabels {
        self.labels
    }

    pub(super) fn add_response_bytes(&mut self, bytes: u64) {
        self.response_bytes = self.response_bytes.wrapping_add(bytes);
    }

    pub(super) fn response_bytes(&self) -> u64 {
        self.response_bytes
    }

    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let measures = Measures {
            elapsed_ns: self.beginning.elapsed_ns(),
            request_bytes: self.request_bytes.as_ref().map_or(0, Tally::bytes),
            response_bytes: self.response_bytes,
        };
        let labels = Labels { request: self.labels, outcome: self.outcome };
        self.metrics.record(labels, measures);
        self.metrics.trace(labels, measures.elapsed_ns);
        self.metrics.active(self.labels).decrement();
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

/// Does `work`, which is part of the exchange: if it panics, the exchange has ended with that,
/// whoever catches the panic and whenever the rest is dropped.
#[inline]
pub(super) fn within<T>(exchange: &mut Option<Exchange>, work: impl FnOnce() -> T) -> T {
    struct Unwinding<'a>(&'a mut Option<Exchange>);

    impl Drop for Unwinding<'_> {
        fn drop(&mut self) {
            if let Some(exchange) = self.0.take() {
                exchange.end(Outcome::Panicked);
            }
        }
    }

    let unwinding = Unwinding(exchange);
    let done = work();
    mem::forget(unwinding);
    done
}
