//! `prometheus`: vectors, with handles that are kept.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, LABELS, Made, Reading, Shape, Subject};
use crate::exposition;
use crate::labels::Labels;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};
use std::hint::black_box;

struct Prometheus {
    registry: Registry,
    counters: Vec<IntCounter>,
    histograms: Vec<Histogram>,
}

pub fn vectors(shape: &Shape, _threads: usize) -> Made<'_> {
    let registry = Registry::new();
    let options = Opts::new(format!("{COUNTERS}_total"), "Requests.");
    let vec = IntCounterVec::new(options, &LABELS).expect("valid names");
    let handle = |l: &Labels| vec.with_label_values(&[&l.method, &l.route]);
    let counters = shape.counters.iter().map(handle).collect();
    registry.register(Box::new(vec)).expect("each name once");

    let options = HistogramOpts::new(format!("{HISTOGRAMS}_seconds"), "Durations.");
    let options = options.buckets(crate::buckets::BOUNDS.to_vec());
    let vec = HistogramVec::new(options, &LABELS).expect("valid names and bounds");
    let handle = |l: &Labels| vec.with_label_values(&[&l.method, &l.route]);
    let histograms = shape.histograms.iter().map(handle).collect();
    registry.register(Box::new(vec)).expect("each name once");
    Box::new(Prometheus { registry, counters, histograms })
}

impl Subject for Prometheus {
    fn record(&self, latencies_ns: &[u64]) {
        self.counters.iter().for_each(IntCounter::inc);
        for histogram in &self.histograms {
            latencies_ns.iter().for_each(|&ns| histogram.observe(ns as f64 / 1e9));
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Ok(Box::new(|| drop(black_box(self.registry.gather())))),
            text: Ok(Box::new(exposition::Prometheus::of(&self.registry))),
        }
    }
}
