//! `fast-telemetry`: with histograms of buckets that are given, or with its distributions.
#![forbid(unsafe_code)]

use super::{
    BOUNDS_NS, Counter, Counters, Gauge, Histogram, IN_15_BUCKETS, IN_15_BUCKETS_BY_INSTANTS,
    LABEL_SETS, Library, MOST_THREADS, Readers, Reason, boxed, try_boxed,
};
use fast_telemetry::{Distribution, GaugeF64, LabelEnum, LabeledCounter};
use std::marker::PhantomData;
use std::sync::Arc;

/// The two label values of a request as one, since its labelled counters have one label.
#[derive(Clone, Copy, Debug)]
pub struct Request(u8);

impl LabelEnum for Request {
    const CARDINALITY: usize = LABEL_SETS;
    const LABEL_NAME: &'static str = "request";

    #[inline(always)]
    fn as_index(self) -> usize {
        usize::from(self.0)
    }

    fn from_index(index: usize) -> Self {
        Self(index as u8)
    }

    fn variant_name(self) -> &'static str {
        "request"
    }
}

/// What it keeps latencies in.
pub trait Latencies: Histogram + Sized {
    const NAME: &str;
    const RECORD: &str;
    const TIMED: &str;

    fn new() -> Self;

    fn count(&self) -> u64;
}

pub struct FastTelemetry<H> {
    readers: Readers,
    histograms: PhantomData<fn() -> H>,
}

pub type WithHistograms = FastTelemetry<fast_telemetry::Histogram>;
pub type WithDistributions = FastTelemetry<Distribution>;

impl<H: Latencies> Library for FastTelemetry<H> {
    const NAME: &str = H::NAME;

    type Counter = Arc<fast_telemetry::Counter>;
    type Counters = Box<[Arc<fast_telemetry::Counter>]>;
    type Typed = Arc<LabeledCounter<Request>>;
    type Gauge = Arc<GaugeF64>;
    type Histogram = Arc<H>;
    type Histograms = Box<[Arc<H>]>;

    const RECORD: &str = H::RECORD;
    const TIMED: &str = H::TIMED;
    const LABELS: &str = "one label of 32 values";

    fn new() -> Self {
        Self { readers: Readers::default(), histograms: PhantomData }
    }

    fn counter(&mut self) -> Self::Counter {
        let counter = Arc::new(fast_telemetry::Counter::new(MOST_THREADS));
        self.readers.keep(counter, |counter| counter.sum() as u64)
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Self::Typed {
        let counter = Arc::new(LabeledCounter::new(MOST_THREADS));
        self.readers.keep(counter, |counter| counter.sum_all() as u64)
    }

    fn gauge(&mut self) -> Result<Self::Gauge, Reason> {
        Ok(Arc::new(GaugeF64::new()))
    }

    fn histogram(&mut self) -> Result<Self::Histogram, Reason> {
        Ok(self.readers.keep(Arc::new(H::new()), |histogram| histogram.count()))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        self.readers.sum()
    }
}

impl Latencies for fast_telemetry::Histogram {
    const NAME: &str = "fast-telemetry";
    const RECORD: &str = IN_15_BUCKETS;
    const TIMED: &str = IN_15_BUCKETS_BY_INSTANTS;

    fn new() -> Self {
        Self::new(&BOUNDS_NS, MOST_THREADS)
    }

    fn count(&self) -> u64 {
        self.count()
    }
}

impl Latencies for Distribution {
    const NAME: &str = "fast-telemetry, distributions";
    const RECORD: &str = "powers of 2, sum";
    const TIMED: &str = "powers of 2, sum; two Instants";

    fn new() -> Self {
        Self::new(MOST_THREADS)
    }

    fn count(&self) -> u64 {
        self.count()
    }
}

impl Counter for Arc<fast_telemetry::Counter> {
    #[inline(always)]
    fn increment(&self) {
        self.inc();
    }
}

impl Counters for Arc<LabeledCounter<Request>> {
    #[inline(always)]
    fn increment(&self, at: usize) {
        self.inc(Request(at as u8));
    }
}

impl Gauge for Arc<GaugeF64> {
    #[inline(always)]
    fn set(&self, value: f64) {
        GaugeF64::set(self, value);
    }
}

impl Histogram for fast_telemetry::Histogram {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        fast_telemetry::Histogram::record(self, latency_ns);
    }
}

impl Histogram for Distribution {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        Distribution::record(self, latency_ns);
    }
}

impl<H: Latencies> Histogram for Arc<H> {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        H::record(self, latency_ns);
    }
}
