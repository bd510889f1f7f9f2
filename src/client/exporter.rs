//! Where snapshots go.
#![forbid(unsafe_code)]

use crate::snapshot::Snapshot;
use std::borrow::Cow;

/// Why a delivery failed.
pub type ExportError = Box<dyn std::error::Error + Send + Sync>;

/// A destination for snapshots.
///
/// ```
/// use quipu::{Delivery, ExportError, Exporter};
///
/// /// Sends the number of requests since the last success.
/// struct Requests(std::sync::mpsc::Sender<u64>);
///
/// impl Exporter for Requests {
///     fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
///         let delta = delivery.delta();
///         self.0.send(delta.counter("http.requests", &[]).unwrap_or(0))?;
///         Ok(())
///     }
/// }
/// ```
pub trait Exporter: Send {
    /// Delivers a snapshot.
    ///
    /// `Ok` acknowledges it: the next delta is taken against it. An error, or a panic, is counted,
    /// and what was not delivered is part of the next delta.
    ///
    /// # Errors
    ///
    /// Whatever kept the destination from taking the snapshot.
    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError>;
}

/// What an [`Exporter`] is to deliver.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) acknowledged: Option<&'a Snapshot>,
    pub(super) is_last: bool,
}

impl<'a> Delivery<'a> {
    /// The newest totals.
    pub fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// The last snapshot that this exporter acknowledged.
    pub fn acknowledged(&self) -> Option<&'a Snapshot> {
        self.acknowledged
    }

    /// What was recorded since the last acknowledged snapshot, or since the process began.
    pub fn delta(&self) -> Cow<'a, Snapshot> {
        match self.acknowledged {
            Some(acknowledged) => Cow::Owned(self.snapshot.delta(acknowledged)),
            None => Cow::Borrowed(self.snapshot),
        }
    }

    /// Whether no delivery follows, because the flusher stops.
    pub fn is_last(&self) -> bool {
        self.is_last
    }
}
