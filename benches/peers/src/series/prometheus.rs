//! `prometheus`: vectors, with handles that are kept.
#![forbid(unsafe_code)]

use super::Subject;
use crate::labels::Labels;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts};
use std::hint::black_box;

const LABELS: [&str; 2] = ["method", "route"];

pub struct Counters {
    vec: IntCounterVec,
    handles: Vec<IntCounter>,
}

impl Counters {
    pub fn new(labels: &[Labels]) -> Self {
        let options = Opts::new("http_server_requests_total", "Requests.");
        let vec = IntCounterVec::new(options, &LABELS).expect("valid names");
        let handle = |l: &Labels| vec.with_label_values(&[&l.method, &l.route]);
        let handles = labels.iter().map(handle).collect();
        Self { vec, handles }
    }
}

impl Subject for Counters {
    fn touch(&self, _: &[Labels]) {
        self.handles.iter().for_each(|counter| counter.inc());
    }

    fn read(&self) {
        black_box(self.vec.collect());
    }

    fn total(&self) -> u64 {
        let families = self.vec.collect();
        let series = families.iter().flat_map(|family| family.get_metric());
        series.map(|series| series.get_counter().get_value() as u64).sum()
    }
}

pub struct Histograms {
    vec: HistogramVec,
    handles: Vec<Histogram>,
}

impl Histograms {
    pub fn new(labels: &[Labels]) -> Self {
        let options = HistogramOpts::new("http_server_duration_seconds", "Durations.");
        let options = options.buckets(crate::buckets::BOUNDS.to_vec());
        let vec = HistogramVec::new(options, &LABELS).expect("valid names and bounds");
        let handle = |l: &Labels| vec.with_label_values(&[&l.method, &l.route]);
        let handles = labels.iter().map(handle).collect();
        Self { vec, handles }
    }
}

impl Subject for Histograms {
    fn touch(&self, _: &[Labels]) {
        self.handles.iter().for_each(|histogram| histogram.observe(0.012_345));
    }

    fn read(&self) {
        black_box(self.vec.collect());
    }

    fn total(&self) -> u64 {
        let families = self.vec.collect();
        let series = families.iter().flat_map(|family| family.get_metric());
        series.map(|series| series.get_histogram().get_sample_count()).sum()
    }
}
