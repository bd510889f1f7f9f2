//! `prometheus-client`, in OpenMetrics' text format. Its labels are a struct whose encoder is
//! derived.
#![forbid(unsafe_code)]

use super::{Peer, Way, workload};
use crate::exposition;
use crate::labels::Labels;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub struct PrometheusClient {
    registry: Registry,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
}

impl From<&workload::Labels> for Labels {
    fn from(labels: &workload::Labels) -> Self {
        Self { method: labels.method.into(), route: labels.route.into() }
    }
}

impl PrometheusClient {
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let (mut counters, mut histograms) = (Vec::new(), Vec::new());
        for described in workload::counters() {
            let family = Family::<Labels, Counter>::default();
            let counter = |labels| family.get_or_create_owned(&Labels::from(labels));
            counters.extend(described.series.iter().map(counter));
            registry.register(described.name(), described.help, family);
        }
        for described in workload::histograms() {
            let histogram: fn() -> Histogram = || Histogram::new(crate::buckets::BOUNDS);
            let family = Family::<Labels, Histogram>::new_with_constructor(histogram);
            let histogram = |labels| family.get_or_create_owned(&Labels::from(labels));
            histograms.extend(described.series.iter().map(histogram));
            registry.register(format!("{}_seconds", described.name()), described.help, family);
        }
        Self { registry, counters, histograms }
    }
}

impl Peer for PrometheusClient {
    fn add(&self, counter: usize, n: u64) {
        self.counters[counter].inc_by(n);
    }

    fn record(&self, histogram: usize, elapsed_ns: u64) {
        self.histograms[histogram].observe(elapsed_ns as f64 / 1e9);
    }

    fn ways(&self) -> Vec<Way<'_>> {
        let scrape = Box::new(exposition::PrometheusClient::of(&self.registry));
        vec![Way { name: "prometheus-client", scrape }]
    }
}
