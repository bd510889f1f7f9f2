//! Setting a client up.
#![forbid(unsafe_code)]

use super::cancel::CancelToken;
use super::clock::{Clock, ManualClock};
use super::config::{
    DEFAULT_FLUSH_INTERVAL, DEFAULT_SAMPLE_RATE, DEFAULT_TRACES_RATE, LONGEST_INTERVAL,
    SHORTEST_INTERVAL,
};
use super::delay::DEFAULT_BACKOFF;
use super::exporter::Exporter;
use super::flusher::Source;
use super::pipeline::Pipeline;
use super::settings::{Settings, StartError};
use super::{Client, delivery};
use crate::registry::Registry;
use std::fmt;
use std::ops::{Deref, RangeInclusive};
use std::time::Duration;

const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Describes a [`Client`]; from [`Client::builder`].
///
/// What is set here wins over what a [`Config`](crate::Config) says, in whichever order they come.
#[must_use = "nothing runs until `start` is called"]
pub struct ClientBuilder {
    registry: Source,
    exporters: Vec<Box<dyn Exporter>>,
    clock: Clock,
    cancel: Option<CancelToken>,
    interval: Option<Duration>,
    sample_rate: Option<f64>,
    traces_rate: Option<f64>,
    attempt_timeout: Duration,
    stop_timeout: Duration,
    backoff: RangeInclusive<Duration>,
    configured: Configured,
}

/// What a configuration says.
pub(crate) struct Configured {
    pub(crate) is_enabled: bool,
    pub(crate) interval: Duration,
    pub(crate) sample_rate: f64,
    pub(crate) traces_rate: f64,
    pub(crate) exporters: Vec<Box<dyn Exporter>>,
    /// Why the configuration cannot be used.
    pub(crate) error: Option<StartError>,
}

impl ClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            registry: Box::new(crate::registry::registry()),
            exporters: Vec::new(),
            clock: Clock::System,
            cancel: None,
            interval: None,
            sample_rate: None,
            traces_rate: None,
            attempt_timeout: DEFAULT_ATTEMPT_TIMEOUT,
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            backoff: DEFAULT_BACKOFF,
            configured: Configured {
                is_enabled: true,
                interval: DEFAULT_FLUSH_INTERVAL,
                sample_rate: DEFAULT_SAMPLE_RATE,
                traces_rate: DEFAULT_TRACES_RATE,
                exporters: Vec::new(),
                error: None,
            },
        }
    }

    /// The registry whose series are delivered, as a reference that lives for ever or as an `Arc`;
    /// by default [`registry()`](crate::registry()).
    pub fn registry<R>(mut self, registry: R) -> Self
    where
        R: Deref<Target = Registry> + Send + Sync + 'static,
    {
        self.registry = Box::new(registry);
        self
    }

    /// Adds a destination. Each has a thread of its own.
    pub fn exporter(mut self, exporter: impl Exporter + 'static) -> Self {
        self.exporters.push(Box::new(exporter));
        self
    }

    /// Time between two snapshots: 30 seconds by default, 1 millisecond at least, and at most a
    /// century.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// The share of captured errors that are delivered, 0 to 1; 1 by default. Values outside are
    /// clamped, and NaN counts as 1.
    pub fn sample_rate(mut self, rate: f64) -> Self {
        self.sample_rate = Some(if rate.is_nan() { 1.0 } else { rate.clamp(0.0, 1.0) });
        self
    }

    /// The share of captured traces that are delivered, 0 to 1; 0 by default. Values outside are
    /// clamped, and NaN counts as 0.
    pub fn traces_rate(mut self, rate: f64) -> Self {
        self.traces_rate = Some(if rate.is_nan() { 0.0 } else { rate.clamp(0.0, 1.0) });
        self
    }

    /// How long one attempt to deliver may take; 10 seconds by default, 1 millisecond at least.
    ///
    /// An exporter is told how much of it is left. One that does not return in time cannot be
    /// interrupted: it is counted and reported as overrun.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        self
    }

    /// The shortest and the longest time that an exporter is left alone after a failure: half a
    /// second to 30 seconds by default. Each failure in a row doubles it, and chance adds up to as
    /// much again.
    pub fn backoff(mut self, range: RangeInclusive<Duration>) -> Self {
        let (shortest, longest) = range.into_inner();
        let shortest = shortest.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        self.backoff = shortest..=longest.clamp(shortest, LONGEST_INTERVAL);
        self
    }

    /// How long a stop may take that comes from dropping the client or from its cancel token; 5
    /// seconds by default.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout.min(LONGEST_INTERVAL);
        self
    }

    /// Stops the client when `token` is cancelled: a last flush, its delivery within the
    /// [`stop_timeout`](Self::stop_timeout), the end of its threads. [`Client::stop`] may still be
    /// called, to wait for that and to get the report.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.cancel = Some(token.clone());
        self
    }

    /// Makes `clock` the client's time, for tests.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Clock::Manual(clock);
        self
    }

    /// Starts the threads: one that flushes, and one for each exporter.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing runs then.
    pub fn start(self) -> Result<Client, StartError> {
        if let Some(error) = self.configured.error {
            return Err(error);
        }
        if !self.configured.is_enabled {
            return Ok(Client::disabled(None));
        }
        let interval = self.interval.unwrap_or(self.configured.interval);
        let settings = Settings {
            registry: self.registry,
            exporters: self.exporters.into_iter().chain(self.configured.exporters).collect(),
            clock: self.clock,
            interval: interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL),
            sample_rate: self.sample_rate.unwrap_or(self.configured.sample_rate),
            traces_rate: self.traces_rate.unwrap_or(self.configured.traces_rate),
            attempt_timeout: self.attempt_timeout,
            backoff: self.backoff,
        };
        let pipeline = Pipeline::start(settings)?;
        Ok(Client::running(pipeline, self.stop_timeout, self.cancel.as_ref()))
    }

    /// Starts the threads or, if that fails, logs why and returns a client that does nothing, so
    /// that the program runs on. Recording is valid either way; [`Client::health`] says what is
    /// wrong.
    pub fn start_or_disabled(self) -> Client {
        self.start().unwrap_or_else(|error| {
            delivery::tell(log::Level::Error, format_args!("nothing will be delivered: {error}"));
            Client::disabled(Some(error.to_string()))
        })
    }

    /// Applies what a configuration says, instead of an earlier one.
    pub(crate) fn configured(mut self, configured: Configured) -> Self {
        // One that can be used does not make up for one before it that cannot.
        let error = self.configured.error.take();
        self.configured = Configured { error, ..configured };
        self
    }

    /// Makes `start` fail.
    pub(crate) fn failed(mut self, error: StartError) -> Self {
        self.configured.error.get_or_insert(error);
        self
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exporters = self.exporters.iter().chain(&self.configured.exporters);
        let exporters: Vec<_> = exporters.map(|exporter| exporter.name()).collect();
        f.debug_struct("ClientBuilder").field("exporters", &exporters).finish_non_exhaustive()
    }
}
