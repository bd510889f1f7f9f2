//! Bringing snapshots to where they are read.
//!
//! ```text
//! cells -> flusher thread: snapshot, published -+-> hand-over -> delivery thread: exporter 1
//!          (every interval, or when asked)      +-> hand-over -> delivery thread: exporter 2
//! ```
//!
//! - `builder`, `config`, `settings`: what is to run. `pipeline`: the threads, started and stopped.
//! - `orders`: what callers ask of the `flusher`. `handover`: one place for the newest snapshot.
//! - `delivery`: attempts, backoff, acknowledgement; `exporter`, `failure`: what it runs.
//! - `standing`: how deliveries go; `report`, `health`: the same for people; `measures`: as metrics.
//! - `capture`, `trace`: errors, panics and timed work of the program; `captured`: on their way.
//! - `clock`, `cancel`: time and the wish to stop.
//!
//! No lock is held while anything blocks: exporters run without one, and callers wait parked.
#![forbid(unsafe_code)]

mod builder;
mod cancel;
mod capture;
mod captured;
mod clock;
mod config;
mod contained;
mod cut;
mod delay;
mod delivery;
mod exporter;
mod failure;
mod flusher;
mod handover;
mod health;
mod join;
mod measures;
mod orders;
mod pipeline;
mod report;
mod settings;
mod standing;
mod trace;

pub use builder::ClientBuilder;
pub use cancel::{CancelToken, Subscription};
pub use capture::CapturedError;
pub use clock::ManualClock;
pub use config::{CheckedConfig, Config, ConfigError, ConfigSource, Provider, Secret};
pub use exporter::{Delivery, ErrorDelivery, Exporter, TraceDelivery};
pub use failure::{DropCause, ExportError, FailureCause};
pub use health::{Health, Liveness};
pub use report::{ExporterReport, Report};
pub use settings::StartError;
pub use trace::CapturedTrace;

pub(crate) use builder::Configured;
pub(crate) use clock::after;
pub(crate) use contained::contained;
#[cfg(all(feature = "tracing", not(loom)))]
pub(crate) use cut::cut;
pub(crate) use delivery::tell;
#[cfg(all(feature = "http", not(loom)))]
pub(crate) use flusher::Source;
pub(crate) use join::join_by;

#[cfg(all(loom, test))]
pub(crate) use {
    handover::{Handover, Taken},
    orders::{Order, Orders},
};

use pipeline::Pipeline;
use std::error::Error;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

/// What a program starts once and forgets: it publishes the snapshots of a registry at an interval,
/// and delivers them.
///
/// No count is lost on the way. Each exporter's deltas are taken against the last snapshot that it
/// acknowledged, so a delivery that fails, is skipped or comes late is part of the next one. Each has
/// a thread of its own, and a newer snapshot replaces one that waits: an exporter that is slow, down
/// or hangs for ever delays neither a recording thread, nor another exporter, nor [`stop`](Self::stop)
/// beyond its timeout.
///
/// Clones are the same client. It stops when it is told to, when its cancel token is cancelled, or
/// when the last clone is dropped.
///
/// ```
/// use std::time::Duration;
///
/// let client = quipu::Client::builder()
///     .flush_interval(Duration::from_secs(5))
///     .exporter(quipu::Console::stdout())
///     .start()?;
/// quipu::counter!("doc.client.work").increment();
/// let report = client.stop(Duration::from_secs(2));
/// assert!(report.is_delivered(), "{report}");
/// # Ok::<(), quipu::StartError>(())
/// ```
///
/// In a forked child a client of the parent does nothing, and nothing of what the parent recorded
/// is there: the child's counts begin at zero, and a client that it starts delivers those.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    state: State,
    stop_timeout: Duration,
    /// A forked child has the client's memory but not its threads.
    process: u32,
    _cancel: Option<Subscription>,
}

enum State {
    Running(Arc<Pipeline>),
    /// With the reason, unless it was asked for.
    Disabled(Option<String>),
}

impl Client {
    /// Describes a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    fn running(pipeline: Pipeline, stop_timeout: Duration, cancel: Option<&CancelToken>) -> Self {
        let pipeline = Arc::new(pipeline);
        let cancel = cancel.map(|token| {
            let pipeline = Arc::downgrade(&pipeline);
            token.on_cancel(move || {
                if let Some(pipeline) = pipeline.upgrade() {
                    pipeline.begin_stop(stop_timeout);
                }
            })
        });
        Self::new(State::Running(pipeline), stop_timeout, cancel)
    }

    fn disabled(reason: Option<String>) -> Self {
        Self::new(State::Disabled(reason), Duration::ZERO, None)
    }

    fn new(state: State, stop_timeout: Duration, cancel: Option<Subscription>) -> Self {
        let process = std::process::id();
        Self { shared: Arc::new(Shared { state, stop_timeout, process, _cancel: cancel }) }
    }

    /// The threads, unless it is disabled or they stayed behind in the process that this one was
    /// forked from, where its locks may be held for ever.
    fn pipeline(&self) -> Option<&Arc<Pipeline>> {
        self.shared.pipeline()
    }

    /// Whether it was started: not disabled by its configuration, nor by a failed set-up.
    pub fn is_enabled(&self) -> bool {
        matches!(self.shared.state, State::Running(_))
    }

    /// Takes and publishes a snapshot now, and returns when every exporter has acknowledged it or
    /// failed to, or after `timeout`.
    ///
    /// The snapshot holds all that was recorded before the call. An exporter that is being left
    /// alone after a failure is tried at once, unless its destination asked for silence: it is not
    /// waited for then. The report says what was not delivered; that is part of the next delivery.
    pub fn flush(&self, timeout: Duration) -> Report {
        self.pipeline().map_or_else(Report::default, |pipeline| pipeline.flush(timeout))
    }

    /// Stops: no more ticks, a last snapshot, its delivery everywhere, the end of connections and
    /// threads.
    ///
    /// All that was recorded before the call is in the last snapshot. An exporter that fails is
    /// tried again for as long as the timeout allows. Returns within `timeout` and 100 ms, whatever
    /// exporters do; the report names what was not delivered. May be called more than once, from any
    /// thread: later calls wait for the same end. Called from one of its own exporters it does not
    /// wait.
    pub fn stop(&self, timeout: Duration) -> Report {
        self.pipeline().map_or_else(Report::default, |pipeline| pipeline.stop(timeout))
    }

    /// What it has done so far.
    pub fn report(&self) -> Report {
        self.pipeline().map_or_else(Report::default, |pipeline| pipeline.report())
    }

    /// Whether flushes and deliveries go on, and if not, why.
    pub fn health(&self) -> Health {
        match (&self.shared.state, self.pipeline()) {
            (_, Some(pipeline)) => pipeline.health(),
            (State::Disabled(None), _) => {
                let reasons = vec!["disabled by its configuration".to_owned()];
                Health { reasons, ..Health::live() }
            }
            (State::Disabled(Some(error)), _) => Health::dead(error),
            (State::Running(_), None) => {
                Health::dead("its threads are in the process that this one was forked from")
            }
        }
    }

    /// Passes an error on to the exporters that take errors, with what is known of the circumstances.
    ///
    /// Never waits for an exporter: where its queue is full, the error is dropped and counted in
    /// `quipu.errors.dropped`. Cost: texts of the error, its sources and the context are made on the
    /// calling thread. Of all errors the configured share is passed on.
    ///
    /// ```
    /// # let client = quipu::Client::builder().start()?;
    /// let query = "SELECT * FROM users";
    /// if let Err(error) = "4,711".parse::<u32>() {
    ///     quipu::counter!("db.errors", "operation" => "query").increment();
    ///     client.capture_error(&error, &[("query", &query), ("attempt", &3)]);
    /// }
    /// # Ok::<(), quipu::StartError>(())
    /// ```
    pub fn capture_error(&self, error: &dyn Error, context: &[(&str, &dyn Display)]) {
        if let Some(pipeline) = self.pipeline() {
            pipeline.capture_error(|| CapturedError::of_error(error, context));
        }
    }

    /// Passes what `trace` makes on to the exporters that take traces.
    ///
    /// Of all traces the configured share is passed on, and `trace` is called for those alone: one that
    /// is sampled out costs a counter and a random number. Never waits for an exporter: where its
    /// queue is full, the trace is dropped and counted in `quipu.traces.dropped`.
    ///
    /// ```
    /// # let client = quipu::Client::builder().start()?;
    /// # fn query() {}
    /// use quipu::CapturedTrace;
    /// use std::time::{Instant, SystemTime};
    ///
    /// let (start, clock) = (SystemTime::now(), Instant::now());
    /// query();
    /// client.capture_trace(|| {
    ///     CapturedTrace::new("SELECT users", "db.query", start, clock.elapsed())
    ///         .attribute("db.system", "postgresql")
    /// });
    /// # Ok::<(), quipu::StartError>(())
    /// ```
    pub fn capture_trace(&self, trace: impl FnOnce() -> CapturedTrace) {
        if let Some(pipeline) = self.pipeline() {
            pipeline.capture_trace(trace);
        }
    }

    /// From now on passes on every panic of the program as [`capture_error`](Self::capture_error)
    /// does, before the panic hook that is there now runs.
    ///
    /// Panics of the client's own exporters are left out; they are failures of deliveries. The hook
    /// stays when the client is gone, and does nothing then.
    pub fn capture_panics(&self) {
        let State::Running(pipeline) = &self.shared.state else { return };
        let (pipeline, process) = (Arc::downgrade(pipeline), self.shared.process);
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let pipeline = pipeline.upgrade().filter(|_| process == std::process::id());
            if let Some(pipeline) = pipeline.filter(|pipeline| !pipeline.is_own_thread()) {
                pipeline.capture_error(|| CapturedError::of_panic(panic));
            }
            next(panic);
        }));
    }
}

impl Shared {
    fn pipeline(&self) -> Option<&Arc<Pipeline>> {
        match &self.state {
            State::Running(pipeline) if self.process == std::process::id() => Some(pipeline),
            _ => None,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline() {
            pipeline.stop(self.stop_timeout);
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let process = (self.shared.process == std::process::id()).then_some(());
        f.debug_struct("Client")
            .field("is_enabled", &self.is_enabled())
            .field("is_of_this_process", &process.is_some())
            .finish_non_exhaustive()
    }
}
