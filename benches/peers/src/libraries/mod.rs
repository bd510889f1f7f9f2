//! The libraries that are compared: how each counts, sets and records through handles that are
//! kept, in the way that its documentation advises for speed. Loops around these are compiled for
//! each library.
#![forbid(unsafe_code)]

pub mod contatori;
pub mod fast_telemetry;
pub mod measured;
pub mod metrics_exporter;
pub mod metrics_lib;
pub mod metriken;
pub mod nm;
pub mod opentelemetry;
pub mod prometheus;
pub mod prometheus_client;
pub mod quipu;
mod values;

use crate::buckets::BOUNDS;
use std::time::Instant;

/// The most threads that ever record. Peers that have to be told get a shard for each.
pub const MOST_THREADS: usize = 32;
/// Label sets that are known when compiled: those of a label with 4 values and one with 8.
pub const LABEL_SETS: usize = 32;

/// Why a library cannot do something.
pub type Reason = &'static str;

const IN_15_BUCKETS: &str = "15 buckets, sum";
const IN_15_BUCKETS_BY_INSTANTS: &str = "15 buckets, sum; two Instants";
const OF_HANDLES: &str = "a table of 32 handles";

/// [`BOUNDS`] in nanoseconds.
const BOUNDS_NS: [u64; BOUNDS.len()] = {
    let mut bounds = [0; BOUNDS.len()];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = (BOUNDS[at] * 1e9) as u64;
        at += 1;
    }
    bounds
};

pub trait Counter: Send + Sync + 'static {
    fn increment(&self);
}

/// Counters of which one is chosen.
pub trait Counters: Send + Sync + 'static {
    fn increment(&self, at: usize);
}

pub trait Gauge: Send + Sync + 'static {
    fn set(&self, value: f64);
}

pub trait Histogram: Send + Sync + 'static {
    fn record(&self, latency_ns: u64);

    /// Times a section without any work, and records that.
    #[inline(always)]
    fn time(&self) {
        self.record(Instant::now().elapsed().as_nanos() as u64);
    }
}

/// Histograms of which one is chosen.
pub trait Histograms: Send + Sync + 'static {
    fn record(&self, at: usize, latency_ns: u64);
}

impl<C: Counter> Counters for Box<[C]> {
    #[inline(always)]
    fn increment(&self, at: usize) {
        self[at].increment();
    }
}

impl<H: Histogram> Histograms for Box<[H]> {
    #[inline(always)]
    fn record(&self, at: usize, latency_ns: u64) {
        self[at].record(latency_ns);
    }
}

/// An instrument that a library does not have.
pub enum Never {}

impl Gauge for Never {
    fn set(&self, _: f64) {
        match *self {}
    }
}

impl Histogram for Never {
    fn record(&self, _: u64) {
        match *self {}
    }
}

impl Histograms for Never {
    fn record(&self, _: usize, _: u64) {
        match *self {}
    }
}

/// A library with whatever it keeps its metrics in, if it has such a thing.
pub trait Library: Send + Sync + 'static {
    const NAME: &str;

    type Counter: Counter;
    type Counters: Counters;
    type Typed: Counters;
    type Gauge: Gauge;
    type Histogram: Histogram;
    type Histograms: Histograms;

    /// What is to be said of its counters and gauges, what is kept of a latency and of a section
    /// that is timed, and how labels are found.
    const COUNTED: &str = "";
    const SET: &str = "";
    const RECORD: &str = IN_15_BUCKETS;
    const TIMED: &str = IN_15_BUCKETS_BY_INSTANTS;
    const LABELS: &str = OF_HANDLES;
    /// Threads have cells of their own, under names that a second instance would share.
    const IS_SINGLE: bool = false;
    /// Threads have something to do between rounds.
    const SETTLES: bool = false;

    fn new() -> Self;

    fn counter(&mut self) -> Self::Counter;

    fn counters(&mut self, many: usize) -> Self::Counters;

    /// Counters of [`LABEL_SETS`], found by labels that are typed.
    fn typed(&mut self) -> Self::Typed;

    fn gauge(&mut self) -> Result<Self::Gauge, Reason>;

    fn histogram(&mut self) -> Result<Self::Histogram, Reason>;

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason>;

    /// What all counters, and the counts of all histograms, add up to.
    fn count(&self) -> u64;

    /// What the thread of this number has to do between rounds.
    fn settle(&self, thread: usize) {
        let _ = thread;
    }
}

/// Functions that read the instruments of a library without a registry.
#[derive(Default)]
struct Readers(Vec<Box<dyn Fn() -> u64 + Send + Sync>>);

impl Readers {
    /// Keeps how an instrument is read, and gives it back.
    fn keep<T>(&mut self, instrument: T, read: impl Fn(&T) -> u64 + Send + Sync + 'static) -> T
    where
        T: Clone + Send + Sync + 'static,
    {
        let kept = instrument.clone();
        self.0.push(Box::new(move || read(&kept)));
        instrument
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|read| read()).sum()
    }
}

fn boxed<T>(many: usize, mut make: impl FnMut() -> T) -> Box<[T]> {
    (0..many).map(|_| make()).collect()
}

/// As many as it takes, unless there is a reason for none.
fn try_boxed<T>(
    many: usize,
    mut make: impl FnMut() -> Result<T, Reason>,
) -> Result<Box<[T]>, Reason> {
    (0..many).map(|_| make()).collect()
}

/// The sum of the samples of a text in Prometheus' format that are counters, or counts of
/// histograms.
fn total_of_text(text: &str) -> u64 {
    let is_counted = |series: &str| {
        let name = series.split('{').next().unwrap_or_default();
        name.ends_with("_total") || name.ends_with("_count")
    };
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let samples = samples.filter_map(|line| line.rsplit_once(' '));
    let counted = samples.filter(|(series, _)| is_counted(series));
    counted.map(|(_, value)| value.parse::<f64>().expect("a number") as u64).sum()
}
