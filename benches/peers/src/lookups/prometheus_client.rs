//! `prometheus-client`, which looks up a label set of the user's type by reference: a set of its own
//! texts is made for each record, or one that was kept is used, which a service seldom has.
#![forbid(unsafe_code)]

use super::workload::Order;
use super::{Peer, sum_of_samples};
use crate::labels::Labels;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LabelSet {
    method: String,
    route: String,
}

impl From<&Labels> for LabelSet {
    fn from(labels: &Labels) -> Self {
        Self { method: labels.method.clone(), route: labels.route.clone() }
    }
}

pub struct PrometheusClient {
    registry: Registry,
    family: Family<LabelSet, Counter>,
}

impl PrometheusClient {
    pub fn new(known: &[Labels]) -> Self {
        let mut registry = Registry::default();
        let family = Family::<LabelSet, Counter>::default();
        registry.register("http_server_requests", "Requests", family.clone());
        for labels in known {
            drop(family.get_or_create(&labels.into()));
        }
        Self { registry, family }
    }
}

impl Peer for PrometheusClient {
    fn count(&self, labels: &[Labels], order: &Order) {
        order.for_each(|at| {
            self.family.get_or_create(&LabelSet::from(&labels[at])).inc();
        });
    }

    fn total(&self) -> u64 {
        let mut samples = String::new();
        text::encode(&mut samples, &self.registry).expect("a String takes all");
        sum_of_samples(&samples)
    }
}

pub struct KeptSets {
    client: PrometheusClient,
    sets: Vec<LabelSet>,
}

impl KeptSets {
    pub fn new(known: &[Labels]) -> Self {
        let sets = known.iter().map(LabelSet::from).collect();
        Self { client: PrometheusClient::new(known), sets }
    }
}

impl Peer for KeptSets {
    fn count(&self, _: &[Labels], order: &Order) {
        order.for_each(|at| {
            self.client.family.get_or_create(&self.sets[at]).inc();
        });
    }

    fn total(&self) -> u64 {
        self.client.total()
    }
}
