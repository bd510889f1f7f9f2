//! The `metrics` macros with `metrics-exporter-prometheus`: values that are not static are given away
//! as texts of their own.
#![forbid(unsafe_code)]

use super::workload::Order;
use super::{NAME, Peer};
use crate::exposition;
use crate::labels::Labels;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

pub struct MetricsExporter {
    recorder: PrometheusRecorder,
}

impl MetricsExporter {
    pub fn new(known: &[Labels]) -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || known.iter().for_each(|labels| add(labels, 0)));
        Self { recorder }
    }
}

#[inline(always)]
fn add(Labels { method, route }: &Labels, n: u64) {
    let (method, route) = (method.clone(), route.clone());
    metrics::counter!("http_server_requests_total", "method" => method, "route" => route)
        .increment(n);
}

impl Peer for MetricsExporter {
    fn count(&self, labels: &[Labels], order: &Order) {
        // The macros ask for a thread's own recorder first, whether there is one or not.
        metrics::with_local_recorder(&self.recorder, || order.for_each(|at| add(&labels[at], 1)));
    }

    fn total(&self) -> u64 {
        exposition::records(self.recorder.handle().render().as_bytes(), NAME)
    }
}
