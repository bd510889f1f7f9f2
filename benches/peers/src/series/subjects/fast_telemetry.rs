//! `fast-telemetry`: dynamic counters and histograms, with as many shards as threads and handles
//! that are kept.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, Made, Reading, Shape, Subject};
use crate::buckets::BOUNDS;
use crate::exposition::Scrape;
use crate::labels::Labels;
use fast_telemetry::{
    DynamicCounter, DynamicCounterSeries, DynamicHistogram, DynamicHistogramSeries,
    PrometheusExport,
};
use std::hint::black_box;

struct FastTelemetry {
    counter: DynamicCounter,
    histogram: DynamicHistogram,
    counters: Vec<DynamicCounterSeries>,
    histograms: Vec<DynamicHistogramSeries>,
}

pub fn dynamic(shape: &Shape, threads: usize) -> Made<'_> {
    let counter = DynamicCounter::with_max_series(threads, shape.counters.len());
    let bounds_ns = BOUNDS.map(|bound| (bound * 1e9) as u64);
    // None at all is not a limit that it takes.
    let most = shape.histograms.len().max(1);
    let histogram = DynamicHistogram::with_limits(&bounds_ns, threads, most);
    let counters = shape.counters.iter().map(|labels| counter.series(&pairs(labels))).collect();
    let histograms =
        shape.histograms.iter().map(|labels| histogram.series(&pairs(labels))).collect();
    Box::new(FastTelemetry { counter, histogram, counters, histograms })
}

fn pairs(Labels { method, route }: &Labels) -> [(&str, &str); 2] {
    [("method", method), ("route", route)]
}

impl Subject for FastTelemetry {
    fn record(&self, latencies_ns: &[u64]) {
        self.counters.iter().for_each(DynamicCounterSeries::inc);
        for histogram in &self.histograms {
            latencies_ns.iter().for_each(|&latency_ns| histogram.record(latency_ns));
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Ok(Box::new(|| {
                black_box((self.counter.snapshot(), self.histogram.snapshot()));
            })),
            text: Ok(Box::new(Text { of: self, text: String::new() })),
        }
    }
}

/// In a buffer that is used again.
struct Text<'p> {
    of: &'p FastTelemetry,
    text: String,
}

impl Scrape for Text<'_> {
    fn scrape(&mut self) -> &[u8] {
        self.text.clear();
        self.of.counter.export_prometheus(&mut self.text, COUNTERS, "Requests.");
        self.of.histogram.export_prometheus(&mut self.text, HISTOGRAMS, "Durations.");
        self.text.as_bytes()
    }
}
