//! The delivery thread: takes the newest snapshot that waits, and has one exporter deliver it.
//!
//! | state | until | then |
//! |---|---|---|
//! | waiting | a snapshot, something captured or the end comes | attempt |
//! | attempt | the exporter returns or panics | waiting; after a failure, pause |
//! | pause | it is over, or a caller's flush or the end cuts a backoff short | waiting |
//! | ended | | |
//!
//! A failed snapshot goes back to where it waited, unless a newer one is there. The snapshot that was
//! acknowledged last is this thread's alone, and whatever an attempt returns, however late, is what
//! counts: so each record is in exactly one acknowledged delta.
#![forbid(unsafe_code)]

use super::capture::CapturedError;
use super::captured::CaptureQueue;
use super::clock::{Clock, Sleeper, Waker};
use super::contained::contained;
use super::delay::{Backoff, LONGEST_RETRY_AFTER, Pause};
use super::exporter::{Delivery, ErrorDelivery, Exporter, TraceDelivery};
use super::failure::{ExportError, FailureCause};
use super::handover::{Handover, Taken};
use super::measures::{CaptureMeasures, Dropped, ExporterMeasures, Measures};
use super::standing::{Standing, Waiters};
use super::trace::CapturedTrace;
use crate::series::Consumer;
use crate::snapshot::Snapshot;
use crate::sync;
use std::cell::{Cell, OnceCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Texts of failures end up in reports and log lines.
const MAX_FAILURE_CHARS: usize = 1_000;

/// What everybody else knows of an exporter.
pub(super) struct Destination {
    pub(super) name: String,
    pub(super) handover: Handover<sync::Arc<Snapshot>>,
    pub(super) standing: Standing,
    pub(super) measures: ExporterMeasures,
    pub(super) waker: Waker,
    /// Where captured errors go, if the exporter takes them.
    pub(super) errors: Option<CaptureQueue<CapturedError>>,
    /// The same of captured traces.
    pub(super) traces: Option<CaptureQueue<CapturedTrace>>,
}

impl Consumer for Destination {
    fn acknowledged(&self) -> Option<u64> {
        let acknowledged = self.standing.acknowledged().map_or(0, |(sequence, _)| sequence);
        (!self.standing.has_ended()).then_some(acknowledged)
    }
}

impl Destination {
    /// Hands a snapshot over.
    pub(super) fn put(&self, snapshot: sync::Arc<Snapshot>, is_urgent: bool) {
        let replaced = self.handover.put(snapshot, is_urgent);
        self.measures.coalesced.add(u64::from(replaced));
        self.waker.wake();
    }

    /// Hands the last one over, to be delivered by `deadline`.
    pub(super) fn close(&self, snapshot: sync::Arc<Snapshot>, deadline: Instant) {
        let replaced = self.handover.close(Some(snapshot), deadline);
        self.measures.coalesced.add(u64::from(replaced));
        self.waker.wake();
    }

    /// Counts and reports an attempt under way that is late.
    pub(super) fn check_overrun(&self, now: Instant, timeout: Duration) {
        let is_late = |since| now.saturating_duration_since(since) > timeout;
        if self.standing.overruns(is_late) {
            self.measures.failure(FailureCause::Overran);
            tell(
                log::Level::Warn,
                format_args!("{} has not returned from a delivery within {timeout:?}", self.name),
            );
        }
    }
}

/// One exporter's thread.
pub(super) struct DeliveryThread {
    pub(super) exporter: Box<dyn Exporter>,
    pub(super) destination: Arc<Destination>,
    pub(super) clock: Clock,
    pub(super) sleeper: Sleeper,
    pub(super) attempt_timeout: Duration,
    pub(super) measures: Arc<Measures>,
    pub(super) waiters: Arc<Waiters>,
    pub(super) course: Course,
}

/// What a delivery thread keeps from one attempt to the next.
pub(super) struct Course {
    acknowledged: Option<sync::Arc<Snapshot>>,
    /// Buffers for the next delta.
    buffers: Option<Snapshot>,
    /// Captured errors that were not acknowledged yet.
    errors: Vec<Arc<CapturedError>>,
    /// The same of captured traces.
    traces: Vec<Arc<CapturedTrace>>,
    /// After what was captured it is the snapshot's turn: neither holds the other up.
    is_snapshots_turn: bool,
    /// Nor do errors and traces.
    is_traces_turn: bool,
    backoff: Backoff,
    pause: Pause,
    is_closing: bool,
}

impl Course {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self {
            acknowledged: None,
            buffers: None,
            errors: Vec::new(),
            traces: Vec::new(),
            is_snapshots_turn: false,
            is_traces_turn: false,
            backoff,
            pause: Pause::None,
            is_closing: false,
        }
    }
}

struct Failure {
    cause: FailureCause,
    text: String,
    retry_after: Option<Duration>,
}

impl DeliveryThread {
    /// Delivers until the hand-over is closed and empty, or its deadline has come.
    pub(super) fn run(mut self) {
        while self.step() {}
        let Self { exporter, destination, measures, waiters, course, .. } = self;
        // Closes its connections; its code, so it may panic.
        let _ = contained(|| drop(exporter));
        let traces = destination.traces.as_ref().map_or(0, CaptureQueue::close);
        let traces = course.traces.len() + traces;
        measures.traces.dropped(Dropped::Stopped).add(traces as u64);
        let errors = destination.errors.as_ref().map_or(0, CaptureQueue::close);
        let errors = course.errors.len() + errors;
        measures.errors.dropped(Dropped::Stopped).add(errors as u64);
        destination.standing.end(errors as u64);
        waiters.wake_all();
    }

    /// Makes one attempt, or waits; returns whether there is more to come.
    fn step(&mut self) -> bool {
        let closed = self.destination.handover.closed();
        if closed.is_some() && !self.course.is_closing {
            self.begin_closing();
        }
        let now = self.now();
        let paused = self.course.pause.until(now);
        if closed.is_some_and(|deadline| deadline <= paused.unwrap_or(now)) {
            return false;
        }
        let is_captures_turn =
            paused.is_none() && !std::mem::take(&mut self.course.is_snapshots_turn);
        if is_captures_turn && self.receive_captured() {
            self.deliver_captured();
            return true;
        }
        if !matches!((paused, self.course.pause), (Some(_), Pause::RetryAfter(_))) {
            match self.destination.handover.take(paused.is_some()) {
                Taken::Item { item, is_last } => {
                    self.deliver(item, is_last);
                    return true;
                }
                Taken::End if !self.receive_captured() => return false,
                Taken::End | Taken::Later | Taken::Nothing => {}
            }
        }
        if paused.is_none() && !is_captures_turn {
            // There was no snapshot.
            return true;
        }
        match closed {
            None => self.sleeper.sleep_until(paused),
            Some(deadline) => self.sleeper.sleep_until_system_time(paused.unwrap_or(deadline)),
        }
        true
    }

    /// From here on time is the system's, since whoever stops waits in it. There is an attempt at
    /// once, unless the destination asked for silence.
    fn begin_closing(&mut self) {
        let left = match self.course.pause {
            Pause::RetryAfter(until) => until.saturating_duration_since(self.clock.now().at),
            Pause::None | Pause::Backoff(_) => Duration::ZERO,
        };
        self.course.is_closing = true;
        self.course.pause = match left {
            Duration::ZERO => Pause::None,
            left => Pause::RetryAfter(Instant::now() + left),
        };
    }

    fn now(&self) -> Instant {
        if self.course.is_closing { Instant::now() } else { self.clock.now().at }
    }

    /// When an attempt that begins now is late.
    fn deadline(&self) -> Instant {
        let deadline = Instant::now() + self.attempt_timeout;
        self.destination.handover.closed().map_or(deadline, |closed| closed.min(deadline))
    }

    fn deliver(&mut self, snapshot: sync::Arc<Snapshot>, is_last: bool) {
        let deadline = self.deadline();
        let acknowledged = self.course.acknowledged.take();
        let delivery = Delivery {
            snapshot: &snapshot,
            acknowledged: acknowledged.as_deref(),
            is_last,
            deadline,
            measures: &self.destination.measures,
            delta: OnceCell::new(),
            buffers: Cell::new(self.course.buffers.take()),
        };
        let exporter = &mut self.exporter;
        self.destination.standing.begin(self.clock.now().at);
        let outcome = attempt(&self.destination.measures, || exporter.export(&delivery));
        self.course.buffers = delivery.into_buffers();
        self.destination.check_overrun(self.clock.now().at, self.attempt_timeout);
        match outcome {
            Ok(()) => {
                let taken = (snapshot.sequence(), snapshot.instant());
                self.course.acknowledged = Some(snapshot);
                self.succeeded(Some(taken));
            }
            Err(failure) => {
                self.course.acknowledged = acknowledged;
                let sequence = snapshot.sequence();
                if self.destination.handover.put_back(snapshot) {
                    self.destination.measures.coalesced.increment();
                }
                self.failed(Some(sequence), failure);
            }
        }
    }

    /// Takes what was captured from the queues; whether there is something to deliver.
    fn receive_captured(&mut self) -> bool {
        if let Some(errors) = &self.destination.errors {
            errors.take(&mut self.course.errors);
        }
        if let Some(traces) = &self.destination.traces {
            traces.take(&mut self.course.traces);
        }
        !(self.course.errors.is_empty() && self.course.traces.is_empty())
    }

    /// Delivers errors or traces, in turns.
    fn deliver_captured(&mut self) {
        let (deadline, measures) = (self.deadline(), self.measures.clone());
        let is_traces_turn = std::mem::take(&mut self.course.is_traces_turn);
        if self.course.errors.is_empty() || (is_traces_turn && !self.course.traces.is_empty()) {
            let traces = std::mem::take(&mut self.course.traces);
            let measures = &measures.traces;
            let delivery = TraceDelivery { traces: &traces, deadline, measures };
            if self.attempt_captured(measures, traces.len(), |it| it.export_traces(&delivery)) {
                self.course.traces = traces;
            }
        } else {
            let errors = std::mem::take(&mut self.course.errors);
            let measures = &measures.errors;
            let delivery = ErrorDelivery { errors: &errors, deadline, measures };
            self.course.is_traces_turn = true;
            if self.attempt_captured(measures, errors.len(), |it| it.export_errors(&delivery)) {
                self.course.errors = errors;
            }
        }
        self.course.is_snapshots_turn = true;
    }

    /// Has `export` deliver so many; whether they are to come again.
    fn attempt_captured(
        &mut self,
        measures: &CaptureMeasures,
        len: usize,
        export: impl FnOnce(&mut dyn Exporter) -> Result<(), ExportError>,
    ) -> bool {
        let exporter = &mut *self.exporter;
        self.destination.standing.begin(self.clock.now().at);
        let outcome = attempt(&self.destination.measures, || export(exporter));
        self.destination.check_overrun(self.clock.now().at, self.attempt_timeout);
        let Err(failure) = outcome else {
            self.succeeded(None);
            return false;
        };
        // What was refused will be refused again.
        let is_refused = failure.cause == FailureCause::Rejected;
        if is_refused {
            measures.dropped(Dropped::Rejected).add(len as u64);
        }
        self.failed(None, failure);
        !is_refused
    }

    fn succeeded(&mut self, snapshot: Option<(u64, Instant)>) {
        self.course.pause = Pause::None;
        self.course.backoff.reset();
        let failures = self.destination.standing.succeeded(snapshot);
        self.waiters.wake_all();
        if failures != 0 {
            let name = &self.destination.name;
            tell(
                log::Level::Info,
                format_args!("{name} delivers again, after {failures} failures"),
            );
        }
    }

    fn failed(&mut self, sequence: Option<u64>, failure: Failure) {
        let Failure { cause, text, retry_after } = failure;
        let delay = match retry_after {
            Some(asked) => asked.min(LONGEST_RETRY_AFTER),
            None => self.course.backoff.next(),
        };
        let until = self.now() + delay;
        self.course.pause =
            if retry_after.is_some() { Pause::RetryAfter(until) } else { Pause::Backoff(until) };
        self.destination.measures.failure(cause);
        let name = &self.destination.name;
        let silent_until = retry_after.map(|_| until);
        let standing = &self.destination.standing;
        let in_a_row = standing.failed(sequence, text.clone(), silent_until);
        self.waiters.wake_all();
        // One line for the first of a row, and ever fewer for those that follow.
        if in_a_row.is_power_of_two() {
            tell(
                log::Level::Warn,
                format_args!(
                    "{name} failed ({}): {text}; failures in a row: {in_a_row}; the next delivery \
                     carries what this one did not",
                    cause.name()
                ),
            );
        }
    }
}

/// Has an exporter do its work, with its time measured and its panics contained.
fn attempt(
    measures: &ExporterMeasures,
    work: impl FnOnce() -> Result<(), ExportError>,
) -> Result<(), Failure> {
    measures.attempts.increment();
    let _timer = measures.duration.start();
    // The error is turned into text inside, since that runs somebody else's code as well.
    let outcome = contained(|| {
        work().map_err(|error| Failure {
            cause: error.cause(),
            retry_after: error.retry_after(),
            text: excerpt(&error.to_string()),
        })
    });
    outcome.unwrap_or_else(|panic| {
        Err(Failure { cause: FailureCause::Panicked, text: excerpt(&panic), retry_after: None })
    })
}

/// Its beginning, as one line.
fn excerpt(text: &str) -> String {
    let one_line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    one_line.take(MAX_FAILURE_CHARS).collect()
}

/// Writes a log line; a logger that panics does no more than that.
pub(crate) fn tell(level: log::Level, text: std::fmt::Arguments<'_>) {
    let _ = contained(|| log::log!(target: "quipu", level, "{text}"));
}
