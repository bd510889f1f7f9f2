//! Where snapshots go.
#![forbid(unsafe_code)]

use super::capture::CapturedError;
use super::failure::{DropCause, ExportError};
use super::measures::{CaptureMeasures, Dropped, ExporterMeasures};
use super::trace::CapturedTrace;
use crate::snapshot::Snapshot;
use crate::sync;
use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A destination for snapshots.
///
/// Each exporter of a [`Client`](crate::Client) has a thread of its own: it may block, fail and panic
/// without an effect on anybody else. What it is given are totals since the process began, and the
/// difference to the last delivery that it acknowledged: it chooses which of the two it sends.
///
/// ```
/// use quipu::{Delivery, ExportError, Exporter};
/// use std::io::Write;
/// use std::net::TcpStream;
///
/// /// Tells a server how many requests came since the last success.
/// struct Requests {
///     server: String,
/// }
///
/// impl Exporter for Requests {
///     fn name(&self) -> &str {
///         "requests"
///     }
///
///     fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
///         let since_the_last_success = delivery.delta().counter("http.requests", &[]);
///         let line = format!("{}\n", since_the_last_success.unwrap_or(0));
///
///         let mut stream = TcpStream::connect(&self.server)?;
///         stream.set_write_timeout(Some(delivery.time_left()))?;
///         stream.write_all(line.as_bytes())?;
///         delivery.count_bytes(line.len());
///         Ok(())
///     }
/// }
/// ```
pub trait Exporter: Send {
    /// What reports, log lines and the pipeline's own metrics call it: short, lower case.
    fn name(&self) -> &str;

    /// Delivers a snapshot.
    ///
    /// `Ok` acknowledges it: the next delta is taken against it. After an error, or a panic, the
    /// pipeline waits and tries again with the newest snapshot; the delta then holds what was not
    /// delivered. An attempt should end before [`Delivery::time_left`] is over; one that does not is
    /// counted and reported, and what it returns in the end is still believed.
    ///
    /// # Errors
    ///
    /// Whatever kept the destination from taking the snapshot. Any error converts by `?`;
    /// [`ExportError::new`] states a cause, and [`ExportError::retry_after`] when to try again.
    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError>;

    /// Whether [`export_errors`](Self::export_errors) does something. Asked once, at the start.
    fn takes_errors(&self) -> bool {
        false
    }

    /// Delivers captured errors, oldest first, soon after they were captured.
    ///
    /// `Ok` acknowledges them. After a failure they come again, unless its cause is
    /// [`Rejected`](crate::FailureCause::Rejected): what was refused is dropped, and counted.
    ///
    /// # Errors
    ///
    /// Whatever kept the destination from taking them.
    fn export_errors(&mut self, delivery: &ErrorDelivery<'_>) -> Result<(), ExportError> {
        let _ = delivery;
        Ok(())
    }

    /// Whether [`export_traces`](Self::export_traces) does something. Asked once, at the start.
    fn takes_traces(&self) -> bool {
        false
    }

    /// Delivers captured traces, oldest first, soon after they were captured.
    ///
    /// `Ok` acknowledges them. After a failure they come again, as errors do.
    ///
    /// # Errors
    ///
    /// Whatever kept the destination from taking them.
    fn export_traces(&mut self, delivery: &TraceDelivery<'_>) -> Result<(), ExportError> {
        let _ = delivery;
        Ok(())
    }
}

impl<E: Exporter + ?Sized> Exporter for Box<E> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        (**self).export(delivery)
    }

    fn takes_errors(&self) -> bool {
        (**self).takes_errors()
    }

    fn export_errors(&mut self, delivery: &ErrorDelivery<'_>) -> Result<(), ExportError> {
        (**self).export_errors(delivery)
    }

    fn takes_traces(&self) -> bool {
        (**self).takes_traces()
    }

    fn export_traces(&mut self, delivery: &TraceDelivery<'_>) -> Result<(), ExportError> {
        (**self).export_traces(delivery)
    }
}

/// What an [`Exporter`] is to deliver.
pub struct Delivery<'a> {
    pub(super) snapshot: &'a sync::Arc<Snapshot>,
    pub(super) acknowledged: Option<&'a Snapshot>,
    pub(super) is_last: bool,
    pub(super) deadline: Instant,
    pub(super) measures: &'a ExporterMeasures,
    /// Computed when it is asked for, into the buffers of an earlier one.
    pub(super) delta: OnceCell<Snapshot>,
    pub(super) buffers: Cell<Option<Snapshot>>,
}

impl<'a> Delivery<'a> {
    /// The newest totals, cumulative since the process began to record. May be kept.
    pub fn snapshot(&self) -> &'a sync::Arc<Snapshot> {
        self.snapshot
    }

    /// The last snapshot that this exporter acknowledged.
    pub fn acknowledged(&self) -> Option<&'a Snapshot> {
        self.acknowledged
    }

    /// What was recorded since the last acknowledged snapshot, or since the process began.
    ///
    /// The first call computes it, in one pass over all series.
    pub fn delta(&self) -> &Snapshot {
        match self.acknowledged {
            Some(acknowledged) => self
                .delta
                .get_or_init(|| self.snapshot.delta_into(acknowledged, self.buffers.take())),
            None => self.snapshot,
        }
    }

    /// Whether no delivery follows, because the client stops. If this one fails, another attempt may
    /// be made before the stop's timeout is over.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// How long the attempt may still take, for timeouts of sockets; never zero, since to a socket
    /// that would mean no timeout.
    pub fn time_left(&self) -> Duration {
        time_until(self.deadline)
    }

    /// Counts bytes of snapshots that were sent, in `quipu.export.bytes`.
    pub fn count_bytes(&self, bytes: usize) {
        self.measures.bytes.add(bytes as u64);
    }

    /// Counts values of series that will not be delivered, neither now nor later, in
    /// `quipu.export.dropped`.
    pub fn count_dropped(&self, cause: DropCause, values: usize) {
        self.measures.dropped(cause).add(values as u64);
    }

    /// What is left of it that can be used again.
    pub(super) fn into_buffers(self) -> Option<Snapshot> {
        self.delta.into_inner().or(self.buffers.into_inner())
    }
}

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("sequence", &self.snapshot.sequence())
            .field("acknowledged", &self.acknowledged.map(Snapshot::sequence))
            .field("is_last", &self.is_last)
            .finish_non_exhaustive()
    }
}

/// Captured errors that an [`Exporter`] is to deliver.
pub struct ErrorDelivery<'a> {
    pub(super) errors: &'a [Arc<CapturedError>],
    pub(super) deadline: Instant,
    pub(super) measures: &'a CaptureMeasures,
}

impl<'a> ErrorDelivery<'a> {
    /// The errors, oldest first: at least one, and at most 64. May be kept.
    pub fn errors(&self) -> &'a [Arc<CapturedError>] {
        self.errors
    }

    /// How long the attempt may still take, as [`Delivery::time_left`].
    pub fn time_left(&self) -> Duration {
        time_until(self.deadline)
    }

    /// Counts errors that the destination refused for good, in `quipu.errors.dropped`, where it took
    /// others: to fail as [`Rejected`](crate::FailureCause::Rejected) would give up all of them.
    pub fn count_rejected(&self, errors: usize) {
        self.measures.dropped(Dropped::Rejected).add(errors as u64);
    }
}

impl std::fmt::Debug for ErrorDelivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ErrorDelivery").field("errors", &self.errors).finish_non_exhaustive()
    }
}

/// Captured traces that an [`Exporter`] is to deliver.
pub struct TraceDelivery<'a> {
    pub(super) traces: &'a [Arc<CapturedTrace>],
    pub(super) deadline: Instant,
    pub(super) measures: &'a CaptureMeasures,
}

impl<'a> TraceDelivery<'a> {
    /// The traces, oldest first: at least one, and at most 64. May be kept.
    pub fn traces(&self) -> &'a [Arc<CapturedTrace>] {
        self.traces
    }

    /// How long the attempt may still take, as [`Delivery::time_left`].
    pub fn time_left(&self) -> Duration {
        time_until(self.deadline)
    }

    /// Counts traces that the destination refused for good, as [`ErrorDelivery::count_rejected`].
    pub fn count_rejected(&self, traces: usize) {
        self.measures.dropped(Dropped::Rejected).add(traces as u64);
    }

    /// Counts traces that will not be delivered since the destination wants none for the time being, in
    /// `quipu.traces.dropped`. To fail instead would hold metrics and errors up as well.
    pub fn count_rate_limited(&self, traces: usize) {
        self.measures.dropped(Dropped::RateLimited).add(traces as u64);
    }
}

impl std::fmt::Debug for TraceDelivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceDelivery").field("traces", &self.traces).finish_non_exhaustive()
    }
}

/// A duration that a socket takes for a timeout.
fn time_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
