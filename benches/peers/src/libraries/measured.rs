//! `measured`: a label group of two enums is an index.
#![forbid(unsafe_code)]

use super::values::{METHODS, Method, ROUTES, Route};
use super::{
    Counter, Counters, Gauge, Histogram, LABEL_SETS, Library, Readers, Reason, boxed, try_boxed,
};
use crate::buckets::BOUNDS;
use measured::metric::histogram::Thresholds;
use measured::{CounterVec, FloatGauge, LabelGroup};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

#[derive(LabelGroup)]
#[label(set = RequestSet)]
pub struct Request {
    method: Method,
    route: Route,
}

#[inline(always)]
fn request(at: usize) -> Request {
    Request { method: METHODS[at % 4], route: ROUTES[at / 4] }
}

type OwnHistogram = measured::Histogram<{ BOUNDS.len() }>;
type Requests = CounterVec<RequestSet>;

#[derive(Default)]
pub struct Measured {
    readers: Readers,
}

impl Library for Measured {
    const NAME: &str = "measured";

    type Counter = Arc<measured::Counter>;
    type Counters = Box<[Arc<measured::Counter>]>;
    type Typed = Arc<Requests>;
    type Gauge = Arc<FloatGauge>;
    type Histogram = Arc<OwnHistogram>;
    type Histograms = Box<[Arc<OwnHistogram>]>;

    const TIMED: &str = "15 buckets, sum";
    const LABELS: &str = "two enums, an index";

    fn new() -> Self {
        Self::default()
    }

    fn counter(&mut self) -> Self::Counter {
        let counter = Arc::new(measured::Counter::new());
        self.readers.keep(counter, |counter| counter.get_metric().count.load(Relaxed))
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Self::Typed {
        let family = Arc::new(CounterVec::with_label_set(RequestSet::default()));
        self.readers.keep(family, |family: &Arc<Requests>| {
            let of_a_set = |at| family.get_metric(family.with_labels(request(at)));
            (0..LABEL_SETS).map(|at| of_a_set(at).count.load(Relaxed)).sum()
        })
    }

    fn gauge(&mut self) -> Result<Self::Gauge, Reason> {
        Ok(Arc::new(FloatGauge::new()))
    }

    fn histogram(&mut self) -> Result<Self::Histogram, Reason> {
        let thresholds = Thresholds::with_buckets(BOUNDS);
        let histogram = Arc::new(OwnHistogram::with_metadata(thresholds));
        Ok(self.readers.keep(histogram, |histogram| {
            let metric = histogram.get_metric();
            let state = metric.inner.read();
            let counts = state.buckets.iter().chain([&state.inf]);
            counts.map(|count| count.load(Relaxed)).sum()
        }))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        self.readers.sum()
    }
}

impl Counter for Arc<measured::Counter> {
    #[inline(always)]
    fn increment(&self) {
        self.inc();
    }
}

impl Counters for Arc<Requests> {
    #[inline(always)]
    fn increment(&self, at: usize) {
        self.inc(request(at));
    }
}

impl Gauge for Arc<FloatGauge> {
    #[inline(always)]
    fn set(&self, value: f64) {
        FloatGauge::set(self, value);
    }
}

impl Histogram for Arc<OwnHistogram> {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        self.observe(latency_ns as f64 * 1e-9);
    }

    #[inline(always)]
    fn time(&self) {
        drop(self.start_timer());
    }
}
