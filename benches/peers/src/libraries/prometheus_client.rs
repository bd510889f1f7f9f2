//! `prometheus-client`: handles, and a family whose label set has two enums.
#![forbid(unsafe_code)]

use super::values::{METHODS, Method, ROUTES, Route};
use super::{
    Counter, Counters, Gauge, Histogram, Library, Reason, boxed, total_of_text, try_boxed,
};
use crate::buckets::BOUNDS;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::metrics::histogram;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Request {
    method: Method,
    route: Route,
}

type OwnCounter = counter::Counter<u64, AtomicU64>;
type OwnGauge = gauge::Gauge<f64, AtomicU64>;
type Requests = Family<Request, OwnCounter>;

pub struct PrometheusClient {
    registry: Registry,
}

impl Library for PrometheusClient {
    const NAME: &str = "prometheus-client";

    type Counter = OwnCounter;
    type Counters = Box<[OwnCounter]>;
    type Typed = Requests;
    type Gauge = OwnGauge;
    type Histogram = histogram::Histogram;
    type Histograms = Box<[histogram::Histogram]>;

    const LABELS: &str = "two enums, looked up";

    fn new() -> Self {
        Self { registry: Registry::default() }
    }

    fn counter(&mut self) -> OwnCounter {
        let counter = OwnCounter::default();
        self.registry.register("requests", "Requests", counter.clone());
        counter
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Requests {
        let family = Requests::default();
        self.registry.register("requests", "Requests", family.clone());
        family
    }

    fn gauge(&mut self) -> Result<OwnGauge, Reason> {
        Ok(OwnGauge::default())
    }

    fn histogram(&mut self) -> Result<histogram::Histogram, Reason> {
        let histogram = histogram::Histogram::new(BOUNDS);
        self.registry.register("duration", "Durations", histogram.clone());
        Ok(histogram)
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        let mut samples = String::new();
        text::encode(&mut samples, &self.registry).expect("a String takes all");
        total_of_text(&samples)
    }
}

impl Counter for OwnCounter {
    #[inline(always)]
    fn increment(&self) {
        self.inc();
    }
}

impl Counters for Requests {
    #[inline(always)]
    fn increment(&self, at: usize) {
        let request = Request { method: METHODS[at % 4], route: ROUTES[at / 4] };
        self.get_or_create(&request).inc();
    }
}

impl Gauge for OwnGauge {
    #[inline(always)]
    fn set(&self, value: f64) {
        OwnGauge::set(self, value);
    }
}

impl Histogram for histogram::Histogram {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        self.observe(latency_ns as f64 * 1e-9);
    }
}
