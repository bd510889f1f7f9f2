//! `prometheus-client`: families, with handles that are kept.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, Made, Reading, Shape, Subject};
use crate::exposition;
use crate::labels::Labels;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

struct PrometheusClient {
    registry: Registry,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
}

pub fn families(shape: &Shape, _threads: usize) -> Made<'_> {
    let mut registry = Registry::default();
    let family = Family::<Labels, Counter>::default();
    let handle = |labels| family.get_or_create_owned(labels);
    let counters = shape.counters.iter().map(handle).collect();
    registry.register(COUNTERS, "Requests", family);

    let histogram: fn() -> Histogram = || Histogram::new(crate::buckets::BOUNDS);
    let family = Family::<Labels, Histogram>::new_with_constructor(histogram);
    let handle = |labels| family.get_or_create_owned(labels);
    let histograms = shape.histograms.iter().map(handle).collect();
    registry.register(format!("{HISTOGRAMS}_seconds"), "Durations", family);
    Box::new(PrometheusClient { registry, counters, histograms })
}

impl Subject for PrometheusClient {
    fn record(&self, latencies_ns: &[u64]) {
        for counter in &self.counters {
            counter.inc();
        }
        for histogram in &self.histograms {
            latencies_ns.iter().for_each(|&ns| histogram.observe(ns as f64 / 1e9));
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Err("writes its text, and reads in no way short of it"),
            text: Ok(Box::new(exposition::PrometheusClient::of(&self.registry))),
        }
    }
}
