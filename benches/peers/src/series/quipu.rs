//! quipu: counters that a family makes when they are looked up, counters and shared histograms that
//! are registered one by one.
#![forbid(unsafe_code)]

use super::Subject;
use crate::labels::Labels;
use quipu::{Counter, Family, Histogram, Registry, Value};
use std::hint::black_box;

const NAME: &str = "http.server.requests";

/// Series that a registry has beside those that were asked for: of what is refused.
const OTHERS: usize = 16;

fn registry(labels: &[Labels]) -> Registry {
    Registry::with_max_series(labels.len() + OTHERS)
}

fn read(registry: &Registry) {
    black_box(registry.snapshot());
}

fn total(registry: &Registry) -> u64 {
    let snapshot = registry.snapshot();
    let records = snapshot.iter().filter(|(series, _)| series.name() == NAME);
    let records = records.map(|(_, value)| match value {
        Value::Counter(count) => count,
        Value::Histogram(histogram) => histogram.count(),
        _ => 0,
    });
    records.sum()
}

pub struct OfFamily {
    registry: Registry,
    family: Family<Counter, 2>,
}

impl OfFamily {
    pub fn new(labels: &[Labels]) -> Self {
        let registry = registry(labels);
        let family = registry.counter(NAME).family(["method", "route"]);
        let family = family.max_series(labels.len()).register().expect("valid names");
        for Labels { method, route } in labels {
            family.with([method, route]);
        }
        Self { registry, family }
    }
}

impl Subject for OfFamily {
    fn touch(&self, labels: &[Labels]) {
        for Labels { method, route } in labels {
            self.family.with([method, route]).increment();
        }
    }

    fn read(&self) {
        read(&self.registry);
    }

    fn total(&self) -> u64 {
        total(&self.registry)
    }
}

pub struct Counters {
    registry: Registry,
    counters: Vec<Counter>,
}

impl Counters {
    pub fn new(labels: &[Labels]) -> Self {
        let registry = registry(labels);
        let counter = |Labels { method, route }: &Labels| {
            let counter = registry.counter(NAME).label("method", method).label("route", route);
            counter.register().expect("room")
        };
        let counters = labels.iter().map(counter).collect();
        Self { registry, counters }
    }
}

impl Subject for Counters {
    fn touch(&self, _: &[Labels]) {
        self.counters.iter().for_each(Counter::increment);
    }

    fn read(&self) {
        read(&self.registry);
    }

    fn total(&self) -> u64 {
        total(&self.registry)
    }
}

pub struct SharedHistograms {
    registry: Registry,
    histograms: Vec<Histogram>,
}

impl SharedHistograms {
    pub fn new(labels: &[Labels]) -> Self {
        let registry = registry(labels);
        let histogram = |Labels { method, route }: &Labels| {
            let histogram = registry.histogram(NAME).label("method", method).label("route", route);
            histogram.shared().register().expect("room")
        };
        let histograms = labels.iter().map(histogram).collect();
        Self { registry, histograms }
    }
}

impl Subject for SharedHistograms {
    fn touch(&self, _: &[Labels]) {
        self.histograms.iter().for_each(|histogram| histogram.record(12_345));
    }

    fn read(&self) {
        read(&self.registry);
    }

    fn total(&self) -> u64 {
        total(&self.registry)
    }
}
