//! `metrics-lib`: its plain metrics, with a histogram of buckets that are given and its timer; and
//! those for many threads and for quantiles, its sharded counter and its summary.
#![forbid(unsafe_code)]

use super::{
    Counter, Gauge, Histogram, LABEL_SETS, Library, MOST_THREADS, Readers, Reason, boxed, try_boxed,
};
use crate::buckets::BOUNDS;
use metrics_lib::{ShardedCounter, Summary, SummaryConfig, Timer};
use std::sync::Arc;

/// As narrow as quipu's buckets.
const ACCURACY: f64 = 0.0078;

#[derive(Default)]
pub struct Plain {
    readers: Readers,
}

/// A histogram, and the timer that counts sections beside it.
#[derive(Clone)]
pub struct Durations {
    histogram: Arc<metrics_lib::Histogram>,
    timer: Arc<Timer>,
}

impl Library for Plain {
    const NAME: &str = "metrics-lib";

    type Counter = Arc<metrics_lib::Counter>;
    type Counters = Box<[Arc<metrics_lib::Counter>]>;
    type Typed = Box<[Arc<metrics_lib::Counter>]>;
    type Gauge = Arc<metrics_lib::Gauge>;
    type Histogram = Durations;
    type Histograms = Box<[Durations]>;

    const TIMED: &str = "count, sum, min and max: its timer";

    fn new() -> Self {
        Self::default()
    }

    fn counter(&mut self) -> Self::Counter {
        self.readers.keep(Arc::new(metrics_lib::Counter::new()), |counter| counter.get())
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Self::Typed {
        self.counters(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<Self::Gauge, Reason> {
        Ok(Arc::new(metrics_lib::Gauge::new()))
    }

    fn histogram(&mut self) -> Result<Durations, Reason> {
        let histogram = Arc::new(metrics_lib::Histogram::with_buckets(BOUNDS));
        let durations = Durations { histogram, timer: Arc::new(Timer::new()) };
        let read = |durations: &Durations| durations.histogram.count() + durations.timer.count();
        Ok(self.readers.keep(durations, read))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        self.readers.sum()
    }
}

#[derive(Default)]
pub struct Sharded {
    readers: Readers,
}

impl Library for Sharded {
    const NAME: &str = "metrics-lib, sharded";

    type Counter = Arc<ShardedCounter>;
    type Counters = Box<[Arc<ShardedCounter>]>;
    type Typed = Box<[Arc<ShardedCounter>]>;
    type Gauge = Arc<metrics_lib::Gauge>;
    type Histogram = Arc<Summary>;
    type Histograms = Box<[Arc<Summary>]>;

    const RECORD: &str = "within 0.8 % from 1 ns to 100 s, sum, min and max";
    const TIMED: &str = "within 0.8 % from 1 ns to 100 s, sum, min and max; two Instants";

    fn new() -> Self {
        Self::default()
    }

    fn counter(&mut self) -> Self::Counter {
        let counter = Arc::new(ShardedCounter::with_shards(MOST_THREADS));
        self.readers.keep(counter, |counter| counter.get())
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Self::Typed {
        self.counters(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<Self::Gauge, Reason> {
        Ok(Arc::new(metrics_lib::Gauge::new()))
    }

    fn histogram(&mut self) -> Result<Self::Histogram, Reason> {
        let config = SummaryConfig::default().with_relative_accuracy(ACCURACY);
        let summary = Summary::with_config(config.with_range(1e-9, 1e2)).expect("a valid range");
        Ok(self.readers.keep(Arc::new(summary), |summary| summary.count()))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        self.readers.sum()
    }
}

impl Counter for Arc<metrics_lib::Counter> {
    #[inline(always)]
    fn increment(&self) {
        self.inc();
    }
}

impl Counter for Arc<ShardedCounter> {
    #[inline(always)]
    fn increment(&self) {
        self.inc();
    }
}

impl Gauge for Arc<metrics_lib::Gauge> {
    #[inline(always)]
    fn set(&self, value: f64) {
        metrics_lib::Gauge::set(self, value);
    }
}

impl Histogram for Durations {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        self.histogram.observe(latency_ns as f64 * 1e-9);
    }

    #[inline(always)]
    fn time(&self) {
        drop(self.timer.start());
    }
}

impl Histogram for Arc<Summary> {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        self.observe(latency_ns as f64 * 1e-9);
    }
}
