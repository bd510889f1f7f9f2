//! `opentelemetry_sdk`, its limit set to the series that there are, read by
//! `opentelemetry-prometheus`: what that collects, and the text that `prometheus` makes of it.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, LABELS, Made, Reading, Shape, Subject};
use crate::exposition;
use crate::labels::Labels;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry_prometheus::PrometheusExporter;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Instrument, InstrumentKind, Pipeline, SdkMeterProvider, Stream, Temporality,
};
use std::sync::{Arc, Weak};
use std::time::Duration;

struct OpenTelemetry<'s> {
    shape: &'s Shape,
    registry: prometheus::Registry,
    reader: Shared,
    counter: Counter<u64>,
    histogram: Histogram<f64>,
    /// Instruments record to nobody without it.
    _provider: SdkMeterProvider,
}

pub fn unbound(shape: &Shape, _threads: usize) -> Made<'_> {
    let limit = shape.series();
    let registry = prometheus::Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
    let reader = Shared(Arc::new(exporter.expect("a registry that takes it")));
    let provider = SdkMeterProvider::builder()
        .with_reader(reader.clone())
        .with_view(move |_: &Instrument| {
            Stream::builder().with_cardinality_limit(limit).build().ok()
        })
        .build();
    let meter = provider.meter("peers");
    let counter = meter.u64_counter(COUNTERS).build();
    let histogram = meter.f64_histogram(HISTOGRAMS).with_unit("s");
    let histogram = histogram.with_boundaries(crate::buckets::BOUNDS.to_vec()).build();
    shape.counters.iter().for_each(|labels| counter.add(0, &attributes(labels)));
    Box::new(OpenTelemetry { shape, registry, reader, counter, histogram, _provider: provider })
}

fn attributes(Labels { method, route }: &Labels) -> [KeyValue; 2] {
    [KeyValue::new(LABELS[0], method.clone()), KeyValue::new(LABELS[1], route.clone())]
}

impl Subject for OpenTelemetry<'_> {
    fn record(&self, latencies_ns: &[u64]) {
        self.shape.counters.iter().for_each(|labels| self.counter.add(1, &attributes(labels)));
        for labels in &self.shape.histograms {
            let attributes = attributes(labels);
            let record = |&ns: &u64| self.histogram.record(ns as f64 / 1e9, &attributes);
            latencies_ns.iter().for_each(record);
        }
    }

    fn reading(&self) -> Reading<'_> {
        let mut metrics = ResourceMetrics::default();
        Reading {
            snapshot: Ok(Box::new(move || {
                self.reader.collect(&mut metrics).expect("a provider that was not shut down");
            })),
            text: Ok(Box::new(exposition::Prometheus::of(&self.registry))),
        }
    }
}

/// The exporter, which a provider wants for itself.
#[derive(Clone, Debug)]
struct Shared(Arc<PrometheusExporter>);

impl MetricReader for Shared {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
