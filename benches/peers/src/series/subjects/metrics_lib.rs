//! `metrics-lib`: a registry whose limit is set to the series that there are, with handles that are
//! kept; counters of one cell, and of as many as there are cores.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, LABELS, Made, Reading, Shape, Subject};
use crate::buckets::BOUNDS;
use crate::exposition::Scrape;
use crate::labels::Labels;
use metrics_lib::exporters::prometheus;
use metrics_lib::{Counter, Histogram, LabelSet, Registry, ShardedCounter};
use std::hint::black_box;
use std::sync::Arc;

/// `C` is one of the two kinds of counters.
struct MetricsLib<C> {
    registry: Registry,
    counters: Vec<Arc<C>>,
    histograms: Vec<Arc<Histogram>>,
    increment: fn(&C),
    read: fn(&Registry),
}

pub fn plain(shape: &Shape, _threads: usize) -> Made<'_> {
    let read = |registry: &Registry| {
        for (_, _, counter) in registry.counter_entries() {
            black_box(counter.get());
        }
    };
    made(shape, Registry::counter_with, Counter::inc, read)
}

pub fn sharded(shape: &Shape, _threads: usize) -> Made<'_> {
    let read = |registry: &Registry| {
        for (_, _, counter) in registry.sharded_counter_entries() {
            black_box(counter.get());
        }
    };
    made(shape, Registry::sharded_counter_with, ShardedCounter::inc, read)
}

fn made<C: Send + Sync + 'static>(
    shape: &Shape,
    counter: fn(&Registry, &str, &LabelSet) -> Arc<C>,
    increment: fn(&C),
    read: fn(&Registry),
) -> Made<'_> {
    let registry = Registry::with_cardinality_cap(shape.series());
    registry.configure_histogram(HISTOGRAMS, BOUNDS).expect("valid bounds");
    let labels = |Labels { method, route }: &Labels| {
        LabelSet::from([(LABELS[0], method.clone()), (LABELS[1], route.clone())])
    };
    let counter = |of: &Labels| counter(&registry, COUNTERS, &labels(of));
    let counters = shape.counters.iter().map(counter).collect();
    let histogram = |of: &Labels| registry.histogram_with(HISTOGRAMS, &labels(of));
    let histograms = shape.histograms.iter().map(histogram).collect();
    Box::new(MetricsLib { registry, counters, histograms, increment, read })
}

impl<C: Send + Sync> Subject for MetricsLib<C> {
    fn record(&self, latencies_ns: &[u64]) {
        self.counters.iter().for_each(|counter| (self.increment)(counter));
        for histogram in &self.histograms {
            latencies_ns.iter().for_each(|&ns| histogram.observe(ns as f64 / 1e9));
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Ok(Box::new(|| {
                (self.read)(&self.registry);
                for (_, _, histogram) in self.registry.histogram_entries() {
                    black_box(histogram.snapshot());
                }
            })),
            text: Ok(Box::new(Text { registry: &self.registry, text: String::new() })),
        }
    }
}

/// In a buffer that is used again.
struct Text<'p> {
    registry: &'p Registry,
    text: String,
}

impl Scrape for Text<'_> {
    fn scrape(&mut self) -> &[u8] {
        self.text.clear();
        prometheus::render_into(&mut self.text, self.registry);
        self.text.as_bytes()
    }
}
