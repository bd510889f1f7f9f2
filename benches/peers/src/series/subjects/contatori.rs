//! `contatori`: counters, named and labelled by texts that live for ever, as its own groups are.
#![forbid(unsafe_code)]

use super::{COUNTERS, Made, Reading, Shape, Subject};
use crate::labels::Labels;
use contatori::counters::monotone::Monotone;
use contatori::counters::{CounterValue, MetricKind, Observable, ObservableEntry};
use contatori::snapshot::MetricsSnapshot;
use std::hint::black_box;

/// The label has the values of both: an entry has no more than one.
#[derive(Debug)]
struct Labelled {
    counter: Monotone,
    value: &'static str,
}

impl Observable for Labelled {
    fn name(&self) -> &'static str {
        COUNTERS
    }

    fn metric_kind(&self) -> MetricKind {
        MetricKind::Counter
    }

    fn value(&self) -> CounterValue {
        self.counter.value()
    }

    fn expand(&self) -> Vec<ObservableEntry> {
        vec![ObservableEntry {
            name: self.name(),
            label: Some(("endpoint", self.value)),
            value: self.value(),
            metric_kind: self.metric_kind(),
        }]
    }
}

struct Contatori {
    counters: Vec<Labelled>,
    histograms: usize,
}

pub fn counters(shape: &Shape, _threads: usize) -> Made<'_> {
    let counter = |Labels { method, route }: &Labels| Labelled {
        counter: Monotone::new(),
        value: format!("{method} {route}").leak(),
    };
    let counters = shape.counters.iter().map(counter).collect();
    Box::new(Contatori { counters, histograms: shape.histograms.len() })
}

impl Contatori {
    fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot::collect(self.counters.iter().map(|counter| counter as &dyn Observable))
    }
}

impl Subject for Contatori {
    fn record(&self, _latencies_ns: &[u64]) {
        self.counters.iter().for_each(|labelled| labelled.counter.add(1));
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Ok(Box::new(|| drop(black_box(self.snapshot())))),
            text: Err("its text needs the crate prometheus with other features than are measured"),
        }
    }

    fn counted(&self) -> Option<u64> {
        Some(self.snapshot().counters.iter().map(|counter| counter.value.as_u64()).sum())
    }

    fn left_out(&self, latencies: usize) -> usize {
        self.histograms * latencies
    }
}
