//! The recorder.
#![forbid(unsafe_code)]

use super::context::{Context, Settings};
use super::index::Index;
use super::scale::Scale;
use super::series::{CounterSeries, GaugeSeries, HistogramSeries};
use crate::family::DEFAULT_MAX_SERIES;
use crate::metric::start_clock;
use crate::registry::{Registry, registry};
use crate::series::Unit;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A [`metrics::Recorder`]: what a program and its libraries record through the macros of the crate
/// `metrics` are series of a [`Registry`], and go wherever its others do.
///
/// ```
/// quipu::MetricsRecorder::new().install()?;
///
/// metrics::counter!("doc.facade.requests", "method" => "GET").increment(1);
/// metrics::histogram!("doc.facade.duration").record(0.0125);
///
/// let snapshot = quipu::registry().snapshot();
/// assert_eq!(snapshot.counter("doc.facade.requests", &[("method", "GET")]), Some(1));
/// let durations = snapshot.histogram("doc.facade.duration", &[]).unwrap();
/// assert_eq!(durations.max(), Some(12_500_000)); // Nanoseconds.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Install it before anything records: what comes earlier is dropped by `metrics`. Settings come before
/// that: each returns a recorder that knows no series yet.
///
/// # What becomes what
///
/// | `metrics` | here |
/// |---|---|
/// | counter, `increment` | [`Counter`](crate::Counter), `add` |
/// | counter, `absolute` | raised to the value, if it holds less |
/// | gauge, `set` | [`Gauge`](crate::Gauge), `set` |
/// | gauge, `increment`, `decrement` | moved from what it holds, 0 if it was never set; no move is lost |
/// | histogram, `record`, `record_many` | [`Histogram`](crate::Histogram) of 2 significant digits, `record`, `record_n` |
///
/// `absolute` takes a lock and reads the cells of all threads. Increments at the same time, which it
/// may not have seen, come on top of the value; otherwise it is the maximum that `metrics` asks for.
///
/// # Histograms hold integers
///
/// | described as | recorded as | exported as |
/// |---|---|---|
/// | a unit of time, or not at all and called `.._seconds` or `.._duration` (or with a dot) | nanoseconds | seconds |
/// | bytes, or kibibytes and so on, or not at all and called `.._bytes` | bytes | bytes |
/// | a count | integers | integers |
/// | anything else, or not at all | [`Unit::Thousandths`](crate::Unit::Thousandths) | plain numbers |
///
/// Values are rounded to the nearest integer of what they are recorded as; [`scale`](Self::scale)
/// chooses another one. One that is none from 0 to 2^64 - 1 then (negative, not a number, infinite, too
/// large) is not recorded, and is counted in `quipu.values.refused`.
///
/// Counters and gauges keep their numbers as they are. Their units are those of this crate where it has
/// the same, and otherwise none.
///
/// # Descriptions
///
/// `describe_counter!` and its siblings give help and unit if they come before the metric's first use;
/// of several the first counts. One that comes later and says something else changes nothing, and is
/// logged once.
///
/// # Names
///
/// Any text is taken. Characters other than ASCII letters, digits and `_.-/` become underscores, and
/// what does not begin with a letter gets `m_` in front (keys of labels: `_`). Where two names come to
/// the same, as `a b` and `a:b` do, they are told apart: the second gets eight hexadecimal digits
/// appended. A gauge or histogram whose name is a counter's already gets its kind appended,
/// `jobs_gauge`; so does one whose name has another unit in the registry. Both is logged. A label's
/// value with a NUL, or of more than 4,096 bytes, is cut and ends in digits that are made from the whole.
/// Of several labels with one key that of the greatest value counts. Targets and levels are not looked at.
///
/// # How many series
///
/// Series are made when their keys occur first, and stay: what a macro has returned can be kept for
/// ever. A name has 2,000 keys at most ([`max_series`](Self::max_series)); further ones, and those with
/// more than 64 labels, are recorded to the series with the one label `overflow="true"`. Past 16,384
/// names of a kind, or the registry's limit, records go to detached metrics
/// ([`detached_records`](crate::detached_records)). [`Registry::refusals`] counts and explains all of
/// it.
///
/// # Cost
///
/// A macro's call takes no lock. With constant labels it allocates nothing after a series' first call
/// and a thread's first; with others, `metrics` allocates the key. Of it, the recorder hashes the texts
/// and compares them once; the rest is the interface's: a virtual call, and a reference count that all
/// threads share, up and down. A handle that is kept, as `metrics::counter!(..)` returns it, costs the
/// virtual call and the record: plain loads and stores for counters and histograms, a compare and
/// exchange for a gauge's `increment`.
pub struct MetricsRecorder {
    context: Context,
    counters: Index<CounterSeries>,
    gauges: Index<GaugeSeries>,
    histograms: Index<HistogramSeries>,
}

impl MetricsRecorder {
    /// A recorder for the process's own registry.
    ///
    /// The first in a process, as the first histogram, calibrates the clock, which can take 200 ms.
    pub fn new() -> Self {
        // Not within the first record.
        start_clock();
        Self::with(Settings {
            registry: Arc::new(registry()),
            max_series: DEFAULT_MAX_SERIES,
            scales: HashMap::new(),
        })
    }

    fn with(settings: Settings) -> Self {
        Self {
            context: Context::new(settings),
            counters: Index::new(),
            gauges: Index::new(),
            histograms: Index::new(),
        }
    }

    fn changed(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.context.settings;
        change(&mut settings);
        Self::with(settings)
    }

    /// Records to another registry, given as a reference that lives for ever or as an `Arc`.
    pub fn registry(self, registry: impl Deref<Target = Registry> + Send + Sync + 'static) -> Self {
        self.changed(|settings| settings.registry = Arc::new(registry))
    }

    /// How many combinations of labels a name has at most, 2,000 by default, for each kind.
    pub fn max_series(self, limit: usize) -> Self {
        self.changed(|settings| settings.max_series = limit)
    }

    /// How the histogram `name` is recorded, whatever it is described as: each value times `factor`,
    /// rounded, is an integer of `unit`.
    ///
    /// ```
    /// use quipu::{MetricsRecorder, Registry, Unit};
    /// use std::sync::Arc;
    ///
    /// let registry = Arc::new(Registry::new());
    /// let recorder = MetricsRecorder::new()
    ///     .registry(registry.clone())
    ///     .scale("queue_wait_ms", 1e6, Unit::Nanoseconds)
    ///     .scale("batch_size", 1.0, Unit::None);
    /// metrics::with_local_recorder(&recorder, || {
    ///     metrics::histogram!("queue_wait_ms").record(2.5);
    /// });
    /// let snapshot = registry.snapshot();
    /// assert_eq!(snapshot.histogram("queue_wait_ms", &[]).unwrap().sum(), 2_500_000);
    /// ```
    pub fn scale(self, name: &str, factor: f64, unit: Unit) -> Self {
        let scale = Scale { factor, unit };
        self.changed(|settings| _ = settings.scales.insert(name.into(), scale))
    }

    /// Makes it the process's recorder, which it is until the end.
    ///
    /// # Errors
    ///
    /// [`RecorderAlreadySet`] if the process has one, which it keeps.
    pub fn install(self) -> Result<(), RecorderAlreadySet> {
        metrics::set_global_recorder(self).map_err(|_| RecorderAlreadySet)
    }
}

/// The process has a recorder already, and can have no other. Leave that one out, or install this one
/// before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderAlreadySet;

impl fmt::Display for RecorderAlreadySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the metrics crate has a recorder already; leave that one out, or install this one \
             before it",
        )
    }
}

impl std::error::Error for RecorderAlreadySet {}

impl Default for MetricsRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MetricsRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsRecorder").finish_non_exhaustive()
    }
}

impl Recorder for MetricsRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<metrics::Unit>, help: SharedString) {
        self.counters.describe(&self.context, name.as_str(), unit, &help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<metrics::Unit>, help: SharedString) {
        self.gauges.describe(&self.context, name.as_str(), unit, &help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<metrics::Unit>, help: SharedString) {
        self.histograms.describe(&self.context, name.as_str(), unit, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.counters.series(&self.context, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.gauges.series(&self.context, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.histograms.series(&self.context, key))
    }
}
