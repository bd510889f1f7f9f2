//! `prometheus`: counters of whole numbers.
#![forbid(unsafe_code)]

use super::{Counter, Gauge, Histogram, LABEL_SETS, Library, Readers, Reason, boxed, try_boxed};
use crate::buckets::BOUNDS;
use prometheus::{HistogramOpts, IntCounter};

#[derive(Default)]
pub struct Prometheus {
    readers: Readers,
}

impl Library for Prometheus {
    const NAME: &str = "prometheus";

    type Counter = IntCounter;
    type Counters = Box<[IntCounter]>;
    type Typed = Box<[IntCounter]>;
    type Gauge = prometheus::Gauge;
    type Histogram = prometheus::Histogram;
    type Histograms = Box<[prometheus::Histogram]>;

    const TIMED: &str = "15 buckets, sum";
    const LABELS: &str = "a table of 32 handles, as its macro for static metrics makes it";

    fn new() -> Self {
        Self::default()
    }

    fn counter(&mut self) -> IntCounter {
        let counter = IntCounter::new("requests", "Requests.").expect("a valid name");
        self.readers.keep(counter, IntCounter::get)
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Self::Typed {
        self.counters(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<prometheus::Gauge, Reason> {
        Ok(prometheus::Gauge::new("load", "Load.").expect("a valid name"))
    }

    fn histogram(&mut self) -> Result<prometheus::Histogram, Reason> {
        let options = HistogramOpts::new("duration", "Durations.").buckets(BOUNDS.to_vec());
        let histogram = prometheus::Histogram::with_opts(options).expect("valid buckets");
        Ok(self.readers.keep(histogram, prometheus::Histogram::get_sample_count))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        self.readers.sum()
    }
}

impl Counter for IntCounter {
    #[inline(always)]
    fn increment(&self) {
        self.inc();
    }
}

impl Gauge for prometheus::Gauge {
    #[inline(always)]
    fn set(&self, value: f64) {
        prometheus::Gauge::set(self, value);
    }
}

impl Histogram for prometheus::Histogram {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        self.observe(latency_ns as f64 * 1e-9);
    }

    #[inline(always)]
    fn time(&self) {
        drop(self.start_timer());
    }
}
