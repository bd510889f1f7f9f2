//! `fast-telemetry`'s dynamic counter, with as many shards as there are threads, and its limit set
//! to the series that there are. A thread finds the last few values that it had in a cache, which
//! an order that is drawn makes little use of.
#![forbid(unsafe_code)]

use super::Peer;
use super::workload::Order;
use crate::labels::Labels;
use fast_telemetry::DynamicCounter;

pub struct FastTelemetry {
    counter: DynamicCounter,
}

impl FastTelemetry {
    pub fn new(known: &[Labels], threads: usize) -> Self {
        let counter = DynamicCounter::with_max_series(threads, known.len());
        known.iter().for_each(|labels| drop(counter.series(&pairs(labels))));
        Self { counter }
    }
}

#[inline(always)]
fn pairs(Labels { method, route }: &Labels) -> [(&str, &str); 2] {
    [("method", method), ("route", route)]
}

impl Peer for FastTelemetry {
    fn count(&self, labels: &[Labels], order: &Order) {
        order.for_each(|at| self.counter.inc(&pairs(&labels[at])));
    }

    fn total(&self) -> u64 {
        self.counter.sum_all() as u64
    }
}
