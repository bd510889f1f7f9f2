//! `metriken`: groups, whose entries have the labels as their metadata; plain ones, and ones with
//! cells for each thread. A walk loads all values; the text is that of `metriken-exposition`.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, LABELS, Made, Reading, Shape, Subject};
use crate::exposition::Scrape;
use crate::labels::Labels;
use metriken::{
    CounterGroup, CounterHistogramGroup, DynBoxedMetric, Metric, MetricBuilder,
    ShardedCounterGroup, ShardedCounterHistogramGroup, Value,
};
use metriken_exposition::{PrometheusOptions, prometheus_text};
use std::collections::HashMap;
use std::hint::black_box;

/// Buckets as wide as quipu's of two digits, up to 18 minutes.
const GROUPING_POWER: u8 = 7;
const MAX_VALUE_POWER: u8 = 40;

/// What is written of a histogram: all of its 4,000 buckets would be lines of their own.
const PERCENTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// `C` and `H` are groups of counters and of histograms, plain or sharded.
struct Metriken<C: Metric, H: Metric> {
    counters: DynBoxedMetric<C>,
    histograms: DynBoxedMetric<H>,
    lengths: [usize; 2],
    increment: fn(&C, usize) -> bool,
    record: fn(&H, usize, u64) -> bool,
}

fn metadata(Labels { method, route }: &Labels) -> HashMap<String, String> {
    LABELS.map(String::from).into_iter().zip([method.clone(), route.clone()]).collect()
}

/// Registered, with metadata for each entry.
fn group<G: Metric>(
    name: &'static str,
    group: G,
    describe: fn(&G, usize, HashMap<String, String>),
    labels: &[Labels],
) -> DynBoxedMetric<G> {
    let group = MetricBuilder::new(name).build(group);
    let all = labels.iter().enumerate();
    all.for_each(|(index, labels)| describe(&group, index, metadata(labels)));
    group
}

pub fn plain(shape: &Shape, _threads: usize) -> Made<'_> {
    let lengths = [shape.counters.len(), shape.histograms.len()];
    let counters = CounterGroup::new(lengths[0]);
    let histograms = CounterHistogramGroup::new(lengths[1], GROUPING_POWER, MAX_VALUE_POWER);
    Box::new(Metriken {
        counters: group(COUNTERS, counters, CounterGroup::set_metadata, &shape.counters),
        histograms: group(
            HISTOGRAMS,
            histograms,
            CounterHistogramGroup::set_metadata,
            &shape.histograms,
        ),
        lengths,
        increment: CounterGroup::increment,
        record: |group, index, value| group.increment(index, value) == Ok(true),
    })
}

pub fn sharded(shape: &Shape, _threads: usize) -> Made<'_> {
    let lengths = [shape.counters.len(), shape.histograms.len()];
    let counters = ShardedCounterGroup::new(lengths[0]);
    let histograms = ShardedCounterHistogramGroup::new(lengths[1], GROUPING_POWER, MAX_VALUE_POWER);
    Box::new(Metriken {
        counters: group(COUNTERS, counters, ShardedCounterGroup::set_metadata, &shape.counters),
        histograms: group(
            HISTOGRAMS,
            histograms,
            ShardedCounterHistogramGroup::set_metadata,
            &shape.histograms,
        ),
        lengths,
        increment: ShardedCounterGroup::increment,
        record: |group, index, value| group.increment(index, value) == Ok(true),
    })
}

impl<C: Metric, H: Metric> Subject for Metriken<C, H> {
    fn record(&self, latencies_ns: &[u64]) {
        for index in 0..self.lengths[0] {
            (self.increment)(&self.counters, index);
        }
        for index in 0..self.lengths[1] {
            for &latency_ns in latencies_ns {
                (self.record)(&self.histograms, index, latency_ns);
            }
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Ok(Box::new(walk)),
            text: Ok(Box::new(Text {
                options: PrometheusOptions::default().with_percentiles(PERCENTILES.to_vec()),
                text: String::new(),
            })),
        }
    }
}

fn walk() {
    for metric in &metriken::metrics() {
        match metric.value() {
            Some(Value::CounterGroup(group)) => drop(black_box(group.load_counters())),
            Some(Value::HistogramGroup(group)) => drop(black_box(group.load_all_histograms())),
            _ => {}
        }
    }
}

/// A new one each time.
struct Text {
    options: PrometheusOptions,
    text: String,
}

impl Scrape for Text {
    fn scrape(&mut self) -> &[u8] {
        self.text = prometheus_text(&self.options);
        self.text.as_bytes()
    }
}
