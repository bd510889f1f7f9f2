//! An exporter that keeps what it is given.
#![forbid(unsafe_code)]

use crate::client::{
    CapturedError, CapturedTrace, Delivery, ErrorDelivery, ExportError, Exporter, FailureCause,
    TraceDelivery,
};
use crate::snapshot::Snapshot;
use crate::sync;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An exporter that keeps what it is given, for tests of what a program records.
///
/// Clones are the same exporter: give one to a client, and ask the other one.
///
/// ```
/// use quipu::{Client, Registry, testing::TestExporter};
/// use std::{sync::Arc, time::Duration};
///
/// let registry = Arc::new(Registry::new());
/// let logins = registry.counter("logins").register()?;
/// let exporter = TestExporter::new();
/// let client = Client::builder().registry(registry).exporter(exporter.clone()).start()?;
///
/// logins.increment();
/// exporter.fail_next("no route to host");
/// client.flush(Duration::from_secs(5));
/// logins.increment();
/// client.flush(Duration::from_secs(5));
///
/// // One delivery failed; nothing was lost.
/// assert_eq!(exporter.deliveries().len(), 1);
/// assert_eq!(exporter.counter("logins", &[]), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TestExporter {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    received: Vec<Received>,
    errors: Vec<Arc<CapturedError>>,
    traces: Vec<Arc<CapturedTrace>>,
    failures: VecDeque<String>,
}

/// A delivery that was acknowledged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Received {
    /// The totals.
    pub snapshot: sync::Arc<Snapshot>,
    /// What was recorded since the delivery before.
    pub delta: Snapshot,
    /// Whether it was the last one.
    pub is_last: bool,
}

impl TestExporter {
    /// One that has nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next delivery fail, and the one after it with the next call.
    pub fn fail_next(&self, failure: &str) {
        self.kept().failures.push_back(failure.to_owned());
    }

    /// The deliveries that it acknowledged, oldest first.
    pub fn deliveries(&self) -> Vec<Received> {
        self.kept().received.clone()
    }

    /// The errors that it was given, oldest first.
    pub fn errors(&self) -> Vec<Arc<CapturedError>> {
        self.kept().errors.clone()
    }

    /// The traces that it was given, oldest first.
    pub fn traces(&self) -> Vec<Arc<CapturedTrace>> {
        self.kept().traces.clone()
    }

    /// The sum of a counter over all deltas that it acknowledged; wraps at 2^64.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let sum =
            |sum: u64, it: &Received| sum.wrapping_add(it.delta.counter(name, labels).unwrap_or(0));
        self.kept().received.iter().fold(0, sum)
    }

    /// How many values of a histogram were in all deltas that it acknowledged.
    pub fn histogram_count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let count = |it: &Received| {
            it.delta.histogram(name, labels).map_or(0, |histogram| histogram.count())
        };
        self.kept().received.iter().map(count).sum()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exporter for TestExporter {
    fn name(&self) -> &str {
        "test"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let mut kept = self.kept();
        if let Some(failure) = kept.failures.pop_front() {
            return Err(ExportError::new(FailureCause::Other, failure));
        }
        kept.received.push(Received {
            snapshot: delivery.snapshot().clone(),
            delta: delivery.delta().clone(),
            is_last: delivery.is_last(),
        });
        Ok(())
    }

    fn takes_errors(&self) -> bool {
        true
    }

    fn export_errors(&mut self, delivery: &ErrorDelivery<'_>) -> Result<(), ExportError> {
        self.kept().errors.extend_from_slice(delivery.errors());
        Ok(())
    }

    fn takes_traces(&self) -> bool {
        true
    }

    fn export_traces(&mut self, delivery: &TraceDelivery<'_>) -> Result<(), ExportError> {
        self.kept().traces.extend_from_slice(delivery.traces());
        Ok(())
    }
}
