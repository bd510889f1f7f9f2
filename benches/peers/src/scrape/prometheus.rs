//! `prometheus`, in its text format.
#![forbid(unsafe_code)]

use super::workload::{self, Labels};
use super::{Peer, Way};
use crate::exposition;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

pub struct Prometheus {
    registry: Registry,
    counters: Vec<IntCounter>,
    histograms: Vec<Histogram>,
}

const LABELS: [&str; 2] = ["method", "route"];

impl Prometheus {
    pub fn new() -> Self {
        let registry = Registry::new();
        let (mut counters, mut histograms) = (Vec::new(), Vec::new());
        let values = |labels: &Labels| [labels.method, labels.route];
        for family in workload::counters() {
            let options = Opts::new(format!("{}_total", family.name()), family.help);
            let vec = IntCounterVec::new(options, &LABELS).expect("valid names");
            counters.extend(family.series.iter().map(|l| vec.with_label_values(&values(l))));
            registry.register(Box::new(vec)).expect("each name once");
        }
        for family in workload::histograms() {
            let name = format!("{}_seconds", family.name());
            let options =
                HistogramOpts::new(name, family.help).buckets(crate::buckets::BOUNDS.to_vec());
            let vec = HistogramVec::new(options, &LABELS).expect("valid names and bounds");
            histograms.extend(family.series.iter().map(|l| vec.with_label_values(&values(l))));
            registry.register(Box::new(vec)).expect("each name once");
        }
        Self { registry, counters, histograms }
    }
}

impl Peer for Prometheus {
    fn add(&self, counter: usize, n: u64) {
        self.counters[counter].inc_by(n);
    }

    fn record(&self, histogram: usize, elapsed_ns: u64) {
        self.histograms[histogram].observe(elapsed_ns as f64 / 1e9);
    }

    fn ways(&self) -> Vec<Way<'_>> {
        let scrape = Box::new(exposition::Prometheus::of(&self.registry));
        vec![Way { name: "prometheus", scrape }]
    }
}
