//! `metriken`: its plain metrics, which all threads share, and its sharded ones, whose counters are
//! the entries of a group. Their histograms have buckets as narrow as quipu's.
#![forbid(unsafe_code)]

use super::{
    Counter, Counters, Gauge, Histogram, LABEL_SETS, Library, Readers, Reason, boxed, try_boxed,
};
use metriken::{AtomicCounterHistogram, ShardedCounterGroup, ShardedCounterHistogram};
use std::sync::Arc;

/// 128 buckets for each power of two, over all numbers of 64 bits.
const GROUPING_POWER: u8 = 7;
const MAX_VALUE_POWER: u8 = 64;

const RECORD: &str = "within 0.8 %; no sum, min or max";
const TIMED: &str = "within 0.8 %; no sum, min or max; two Instants";

#[derive(Default)]
pub struct Plain {
    readers: Readers,
}

impl Library for Plain {
    const NAME: &str = "metriken";

    type Counter = Arc<metriken::Counter>;
    type Counters = Box<[Arc<metriken::Counter>]>;
    type Typed = Box<[Arc<metriken::Counter>]>;
    type Gauge = Arc<metriken::Gauge>;
    type Histogram = Arc<AtomicCounterHistogram>;
    type Histograms = Box<[Arc<AtomicCounterHistogram>]>;

    const SET: &str = "whole numbers";
    const RECORD: &str = RECORD;
    const TIMED: &str = TIMED;

    fn new() -> Self {
        Self::default()
    }

    fn counter(&mut self) -> Self::Counter {
        self.readers.keep(Arc::new(metriken::Counter::new()), |counter| counter.value())
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Self::Typed {
        self.counters(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<Self::Gauge, Reason> {
        Ok(Arc::new(metriken::Gauge::new()))
    }

    fn histogram(&mut self) -> Result<Self::Histogram, Reason> {
        let histogram = AtomicCounterHistogram::new(GROUPING_POWER, MAX_VALUE_POWER);
        Ok(self.readers.keep(Arc::new(histogram), |histogram| counted(histogram.load())))
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

/// The only entry of a group.
pub struct OnlyEntry(Arc<ShardedCounterGroup>);

impl Sharded {
    fn group(&mut self, entries: usize) -> Arc<ShardedCounterGroup> {
        self.readers.keep(Arc::new(ShardedCounterGroup::new(entries)), |group| {
            group.load().unwrap_or_default().iter().sum()
        })
    }
}

impl Library for Sharded {
    const NAME: &str = "metriken, sharded";

    type Counter = OnlyEntry;
    type Counters = Arc<ShardedCounterGroup>;
    type Typed = Arc<ShardedCounterGroup>;
    type Gauge = Arc<metriken::Gauge>;
    type Histogram = Arc<ShardedCounterHistogram>;
    type Histograms = Box<[Arc<ShardedCounterHistogram>]>;

    const SET: &str = "whole numbers";
    const RECORD: &str = RECORD;
    const TIMED: &str = TIMED;
    const LABELS: &str = "a group of 32 entries";

    fn new() -> Self {
        Self::default()
    }

    fn counter(&mut self) -> OnlyEntry {
        OnlyEntry(self.group(1))
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        self.group(many)
    }

    fn typed(&mut self) -> Self::Typed {
        self.group(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<Self::Gauge, Reason> {
        Ok(Arc::new(metriken::Gauge::new()))
    }

    fn histogram(&mut self) -> Result<Self::Histogram, Reason> {
        let histogram = ShardedCounterHistogram::new(GROUPING_POWER, MAX_VALUE_POWER);
        Ok(self.readers.keep(Arc::new(histogram), |histogram| counted(histogram.load())))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        self.readers.sum()
    }
}

fn counted(histogram: Option<metriken::histogram::Histogram>) -> u64 {
    histogram.map_or(0, |histogram| histogram.as_slice().iter().sum())
}

impl Counter for Arc<metriken::Counter> {
    #[inline(always)]
    fn increment(&self) {
        metriken::Counter::increment(self);
    }
}

impl Counter for OnlyEntry {
    #[inline(always)]
    fn increment(&self) {
        self.0.increment(0);
    }
}

impl Counters for Arc<ShardedCounterGroup> {
    #[inline(always)]
    fn increment(&self, at: usize) {
        ShardedCounterGroup::increment(self, at);
    }
}

impl Gauge for Arc<metriken::Gauge> {
    /// A whole number, which is all that it takes.
    #[inline(always)]
    fn set(&self, value: f64) {
        metriken::Gauge::set(self, value as i64);
    }
}

impl Histogram for Arc<AtomicCounterHistogram> {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        self.increment(latency_ns).expect("all numbers are in range");
    }
}

impl Histogram for Arc<ShardedCounterHistogram> {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        self.increment(latency_ns).expect("all numbers are in range");
    }
}
