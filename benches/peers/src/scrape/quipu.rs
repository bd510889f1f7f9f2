//! quipu: the snapshot and its text, into a buffer that is used again and into a new one for each
//! response, and the snapshot without the text.
#![forbid(unsafe_code)]

use super::workload::{self, Labels};
use super::{Peer, Way};
use crate::exposition::{self, Scrape};
use quipu::{Counter, Histogram, Registry, Unit};
use std::hint::black_box;

pub struct Quipu {
    registry: Registry,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
}

impl Quipu {
    pub fn new() -> Self {
        let registry = Registry::new();
        let (mut counters, mut histograms) = (Vec::new(), Vec::new());
        for family in workload::counters() {
            let name = format!("{}.{}", family.subsystem, family.event);
            counters.extend(family.series.iter().map(|&Labels { method, route }| {
                let counter = registry.counter(&name).help(&family.help);
                let counter = counter.label("method", method).label("route", route).register();
                counter.expect("valid names")
            }));
        }
        for family in workload::histograms() {
            let name = format!("{}.{}", family.subsystem, family.event);
            histograms.extend(family.series.iter().map(|&Labels { method, route }| {
                let histogram = registry.histogram(&name).help(&family.help);
                let histogram = histogram.label("method", method).label("route", route);
                histogram.unit(Unit::Nanoseconds).register().expect("valid names")
            }));
        }
        Self { registry, counters, histograms }
    }
}

impl Peer for Quipu {
    fn add(&self, counter: usize, n: u64) {
        self.counters[counter].add(n);
    }

    fn record(&self, histogram: usize, elapsed_ns: u64) {
        self.histograms[histogram].record(elapsed_ns);
    }

    fn ways(&self) -> Vec<Way<'_>> {
        let registry = &self.registry;
        let text = || exposition::Quipu::of(registry);
        vec![
            Way { name: "quipu", scrape: Box::new(text()) },
            Way { name: "quipu, a new response", scrape: Box::new(NewResponse(text())) },
            Way { name: "quipu, snapshot alone", scrape: Box::new(SnapshotAlone { registry }) },
        ]
    }
}

/// As for a server that gives each response away: with as much room as the last one took.
struct NewResponse<'p>(exposition::Quipu<'p>);

impl Scrape for NewResponse<'_> {
    fn scrape(&mut self) -> &[u8] {
        let room = self.0.text.len() + self.0.text.len() / 64;
        self.0.text = Vec::with_capacity(room);
        self.0.scrape()
    }
}

struct SnapshotAlone<'p> {
    registry: &'p Registry,
}

impl Scrape for SnapshotAlone<'_> {
    fn scrape(&mut self) -> &[u8] {
        black_box(self.registry.snapshot());
        &[]
    }
}
