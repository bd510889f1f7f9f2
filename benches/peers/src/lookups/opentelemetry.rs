//! `opentelemetry_sdk`: attributes own their values, unless these are static. Its limit is set to the
//! series that there are.
#![forbid(unsafe_code)]

use super::Peer;
use super::workload::Order;
use crate::labels::Labels;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, MeterProvider};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, Instrument, SdkMeterProvider, Stream};

pub struct OpenTelemetry {
    exporter: InMemoryMetricExporter,
    provider: SdkMeterProvider,
    counter: Counter<u64>,
}

impl OpenTelemetry {
    pub fn new(known: &[Labels]) -> Self {
        let limit = known.len();
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder()
            .with_periodic_exporter(exporter.clone())
            .with_view(move |_: &Instrument| {
                Stream::builder().with_cardinality_limit(limit).build().ok()
            })
            .build();
        let counter = provider.meter("peers").u64_counter("http.server.requests").build();
        known.iter().for_each(|labels| counter.add(0, &attributes(labels)));
        Self { exporter, provider, counter }
    }
}

#[inline(always)]
fn attributes(Labels { method, route }: &Labels) -> [KeyValue; 2] {
    [KeyValue::new("method", method.clone()), KeyValue::new("route", route.clone())]
}

impl Peer for OpenTelemetry {
    fn count(&self, labels: &[Labels], order: &Order) {
        order.for_each(|at| self.counter.add(1, &attributes(&labels[at])));
    }

    fn total(&self) -> u64 {
        self.provider.force_flush().expect("an exporter that works");
        let exported = self.exporter.get_finished_metrics().expect("an exporter that works");
        let last = exported.last().expect("it was flushed");
        let metrics = last.scope_metrics().flat_map(|scope| scope.metrics());
        let sums = metrics.filter_map(|metric| match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => Some(sum),
            _ => None,
        });
        sums.flat_map(|sum| sum.data_points()).map(|point| point.value()).sum()
    }
}
