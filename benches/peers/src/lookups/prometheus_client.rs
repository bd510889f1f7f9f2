//! `prometheus-client`, which looks up a label set of the user's type by reference: a set of its own
//! texts is made for each record, or one that was kept is used, which a service seldom has.
#![forbid(unsafe_code)]

use super::workload::Order;
use super::{NAME, Peer};
use crate::exposition::{self, Scrape};
use crate::labels::Labels;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

pub struct PrometheusClient {
    registry: Registry,
    family: Family<Labels, Counter>,
}

impl PrometheusClient {
    pub fn new(known: &[Labels]) -> Self {
        let mut registry = Registry::default();
        let family = Family::<Labels, Counter>::default();
        registry.register(NAME, "Requests", family.clone());
        for labels in known {
            drop(family.get_or_create(labels));
        }
        Self { registry, family }
    }
}

impl Peer for PrometheusClient {
    fn count(&self, labels: &[Labels], order: &Order) {
        order.for_each(|at| {
            self.family.get_or_create(&labels[at].clone()).inc();
        });
    }

    fn total(&self) -> u64 {
        exposition::records(exposition::PrometheusClient::of(&self.registry).scrape(), NAME)
    }
}

/// Looks up the labels as they are.
pub struct KeptSets(PrometheusClient);

impl KeptSets {
    pub fn new(known: &[Labels]) -> Self {
        Self(PrometheusClient::new(known))
    }
}

impl Peer for KeptSets {
    fn count(&self, labels: &[Labels], order: &Order) {
        order.for_each(|at| {
            self.0.family.get_or_create(&labels[at]).inc();
        });
    }

    fn total(&self) -> u64 {
        self.0.total()
    }
}
