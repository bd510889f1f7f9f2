//! quipu: a look-up in a family, and handles that were kept, which look up nothing.
#![forbid(unsafe_code)]

use super::Peer;
use super::workload::Order;
use crate::labels::Labels;
use quipu::{Counter, Family, Registry, Value};

pub struct Quipu {
    registry: Registry,
    family: Family<Counter, 2>,
}

impl Quipu {
    pub fn new(known: &[Labels]) -> Self {
        let registry = Registry::new();
        let family = registry.counter("http.server.requests").family(["method", "route"]);
        let family = family.max_series(known.len()).register().expect("valid names");
        for Labels { method, route } in known {
            family.with([method, route]);
        }
        Self { registry, family }
    }
}

impl Peer for Quipu {
    fn count(&self, labels: &[Labels], order: &Order) {
        order.for_each(|at| {
            let Labels { method, route } = &labels[at];
            self.family.with([method, route]).increment();
        });
    }

    fn total(&self) -> u64 {
        total(&self.registry)
    }
}

pub struct Kept {
    quipu: Quipu,
    handles: Vec<Counter>,
}

impl Kept {
    pub fn new(known: &[Labels]) -> Self {
        let quipu = Quipu::new(known);
        let handle = |labels: &Labels| quipu.family.with([&labels.method, &labels.route]).clone();
        let handles = known.iter().map(handle).collect();
        Self { quipu, handles }
    }
}

impl Peer for Kept {
    fn count(&self, _: &[Labels], order: &Order) {
        order.for_each(|at| self.handles[at].increment());
    }

    fn total(&self) -> u64 {
        self.quipu.total()
    }
}

/// What is counted by the series of a registry, that for overflow too.
pub fn total(registry: &Registry) -> u64 {
    let snapshot = registry.snapshot();
    let counts = snapshot.iter().map(|(series, value)| match value {
        Value::Counter(count) if series.name() == "http.server.requests" => count,
        _ => 0,
    });
    counts.sum()
}
