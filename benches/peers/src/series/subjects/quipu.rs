//! quipu: families, whose series are looked up, with histograms that have cells for each thread or
//! share them; and series that are registered one by one, whose handles are kept.
#![forbid(unsafe_code)]

use super::{Made, Reading, Shape, Subject};
use crate::exposition;
use crate::labels::Labels;
use quipu::{Counter, Family, Histogram, MetricBuilder, Registry, Unit};
use std::hint::black_box;

const COUNTERS: &str = "http.server.requests";
const HISTOGRAMS: &str = "http.server.duration";
const KEYS: [&str; 2] = ["method", "route"];

/// Series that a registry has beside those that were asked for: of what is refused.
const OTHERS: usize = 16;

fn registry(shape: &Shape) -> Registry {
    Registry::with_max_series(shape.series() + OTHERS)
}

fn reading(registry: &Registry) -> Reading<'_> {
    Reading {
        snapshot: Ok(Box::new(|| drop(black_box(registry.snapshot())))),
        text: Ok(Box::new(exposition::Quipu::of(registry))),
    }
}

struct OfFamilies<'s> {
    registry: Registry,
    shape: &'s Shape,
    counters: Family<Counter, 2>,
    histograms: Option<Family<Histogram, 2>>,
}

pub fn families(shape: &Shape, _threads: usize) -> Made<'_> {
    of_families(shape, |histogram| histogram)
}

pub fn shared_histograms(shape: &Shape, _threads: usize) -> Made<'_> {
    of_families(shape, |histogram| histogram.shared())
}

fn of_families<'s>(
    shape: &'s Shape,
    kind: fn(MetricBuilder<'_, Histogram>) -> MetricBuilder<'_, Histogram>,
) -> Made<'s> {
    let registry = registry(shape);
    let counters = registry.counter(COUNTERS).help("Requests.").family(KEYS);
    let counters = counters.max_series(shape.counters.len()).register().expect("valid names");
    // Not even an overflow series, where there are no histograms.
    let histograms = (!shape.histograms.is_empty()).then(|| {
        let histogram = registry.histogram(HISTOGRAMS).help("Durations.").unit(Unit::Nanoseconds);
        let histograms = kind(histogram).family(KEYS).max_series(shape.histograms.len());
        histograms.register().expect("valid names")
    });
    for Labels { method, route } in &shape.counters {
        counters.with([method, route]);
    }
    for (Labels { method, route }, histograms) in
        shape.histograms.iter().zip(histograms.iter().cycle())
    {
        histograms.with([method, route]);
    }
    Box::new(OfFamilies { registry, shape, counters, histograms })
}

impl Subject for OfFamilies<'_> {
    fn record(&self, latencies_ns: &[u64]) {
        for Labels { method, route } in &self.shape.counters {
            self.counters.with([method, route]).increment();
        }
        let Some(histograms) = &self.histograms else { return };
        for Labels { method, route } in &self.shape.histograms {
            let histogram = histograms.with([method, route]);
            latencies_ns.iter().for_each(|&latency_ns| histogram.record(latency_ns));
        }
    }

    fn reading(&self) -> Reading<'_> {
        reading(&self.registry)
    }
}

struct Registered {
    registry: Registry,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
}

pub fn registered(shape: &Shape, _threads: usize) -> Made<'_> {
    let registry = registry(shape);
    let counter = |Labels { method, route }: &Labels| {
        let counter = registry.counter(COUNTERS).help("Requests.");
        counter.label("method", method).label("route", route).register().expect("room")
    };
    let counters = shape.counters.iter().map(counter).collect();
    let histogram = |Labels { method, route }: &Labels| {
        let histogram = registry.histogram(HISTOGRAMS).help("Durations.").unit(Unit::Nanoseconds);
        histogram.label("method", method).label("route", route).register().expect("room")
    };
    let histograms = shape.histograms.iter().map(histogram).collect();
    Box::new(Registered { registry, counters, histograms })
}

impl Subject for Registered {
    fn record(&self, latencies_ns: &[u64]) {
        self.counters.iter().for_each(Counter::increment);
        for histogram in &self.histograms {
            latencies_ns.iter().for_each(|&latency_ns| histogram.record(latency_ns));
        }
    }

    fn reading(&self) -> Reading<'_> {
        reading(&self.registry)
    }
}
