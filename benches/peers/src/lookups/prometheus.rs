//! `prometheus`, whose vector takes the values as they are.
#![forbid(unsafe_code)]

use super::Peer;
use super::workload::Order;
use crate::labels::Labels;
use prometheus::core::Collector;
use prometheus::{IntCounterVec, Opts};

pub struct Prometheus {
    counters: IntCounterVec,
}

impl Prometheus {
    pub fn new(known: &[Labels]) -> Self {
        let options = Opts::new("http_server_requests_total", "Requests.");
        let counters = IntCounterVec::new(options, &["method", "route"]).expect("valid names");
        for Labels { method, route } in known {
            counters.with_label_values(&[method, route]);
        }
        Self { counters }
    }
}

impl Peer for Prometheus {
    fn count(&self, labels: &[Labels], order: &Order) {
        order.for_each(|at| {
            let Labels { method, route } = &labels[at];
            self.counters.with_label_values(&[method, route]).inc();
        });
    }

    fn total(&self) -> u64 {
        let families = self.counters.collect();
        let series = families.iter().flat_map(|family| family.get_metric());
        series.map(|series| series.get_counter().get_value() as u64).sum()
    }
}
