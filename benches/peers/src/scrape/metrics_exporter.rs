//! `metrics` with `metrics-exporter-prometheus`, whose histograms keep what was recorded since the
//! last scrape; a scrape sorts it into buckets.
#![forbid(unsafe_code)]

use super::workload::{self, Family, Labels};
use super::{Peer, Way};
use crate::exposition;
use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

pub struct MetricsExporter {
    handle: PrometheusHandle,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
}

impl MetricsExporter {
    pub fn new() -> Self {
        let metadata = Metadata::new(module_path!(), Level::INFO, None);
        let recorder = PrometheusBuilder::new()
            .set_buckets(&crate::buckets::BOUNDS)
            .expect("there are bounds")
            .build_recorder();
        let (mut counters, mut histograms) = (Vec::new(), Vec::new());
        for family in workload::counters() {
            let name = format!("{}_total", family.name());
            counters.extend(keys(&name, &family).map(|k| recorder.register_counter(&k, &metadata)));
            recorder.describe_counter(name.into(), None, family.help.into());
        }
        for family in workload::histograms() {
            let name = format!("{}_seconds", family.name());
            let histogram = |key| recorder.register_histogram(&key, &metadata);
            histograms.extend(keys(&name, &family).map(histogram));
            recorder.describe_histogram(name.into(), None, family.help.into());
        }
        Self { handle: recorder.handle(), counters, histograms }
    }
}

fn keys(name: &str, family: &Family) -> impl Iterator<Item = Key> {
    family.series.iter().map(|&Labels { method, route }| {
        let labels = vec![Label::new("method", method), Label::new("route", route)];
        Key::from_parts(name.to_owned(), labels)
    })
}

impl Peer for MetricsExporter {
    fn add(&self, counter: usize, n: u64) {
        self.counters[counter].increment(n);
    }

    fn record(&self, histogram: usize, elapsed_ns: u64) {
        self.histograms[histogram].record(elapsed_ns as f64 / 1e9);
    }

    fn ways(&self) -> Vec<Way<'_>> {
        let scrape = Box::new(exposition::MetricsExporter::of(self.handle.clone()));
        vec![Way { name: "metrics-exporter-prometheus", scrape }]
    }
}
