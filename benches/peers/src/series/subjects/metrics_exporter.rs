//! `metrics` with `metrics-exporter-prometheus`, with handles that are kept.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, LABELS, Made, Reading, Shape, Subject};
use crate::exposition;
use crate::labels::Labels;
use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

struct MetricsExporter {
    handle: PrometheusHandle,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
}

pub fn kept(shape: &Shape, _threads: usize) -> Made<'_> {
    let metadata = Metadata::new(module_path!(), Level::INFO, None);
    let builder = PrometheusBuilder::new().set_buckets(&crate::buckets::BOUNDS);
    let recorder = builder.expect("there are bounds").build_recorder();
    let name = format!("{COUNTERS}_total");
    let counter = |labels| recorder.register_counter(&key(&name, labels), &metadata);
    let counters = shape.counters.iter().map(counter).collect();
    let name = format!("{HISTOGRAMS}_seconds");
    let histogram = |labels| recorder.register_histogram(&key(&name, labels), &metadata);
    let histograms = shape.histograms.iter().map(histogram).collect();
    Box::new(MetricsExporter { handle: recorder.handle(), counters, histograms })
}

fn key(name: &str, Labels { method, route }: &Labels) -> Key {
    let labels = [Label::new(LABELS[0], method.clone()), Label::new(LABELS[1], route.clone())];
    Key::from_parts(name.to_owned(), labels.to_vec())
}

impl Subject for MetricsExporter {
    fn record(&self, latencies_ns: &[u64]) {
        self.counters.iter().for_each(|counter| counter.increment(1));
        for histogram in &self.histograms {
            latencies_ns.iter().for_each(|&ns| histogram.record(ns as f64 / 1e9));
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Err("writes its text, and reads in no way short of it"),
            text: Ok(Box::new(exposition::MetricsExporter::of(self.handle.clone()))),
        }
    }
}
