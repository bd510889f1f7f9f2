//! `metrics` with `metrics-exporter-prometheus`, and handles that are kept; the macros of each call
//! are a case of their own. Samples of histograms pile up until somebody drains them, which its
//! server does every 5 seconds, and here is done between rounds.
#![forbid(unsafe_code)]

use super::{
    Counter, Gauge, Histogram, LABEL_SETS, Library, Reason, boxed, total_of_text, try_boxed,
};
use crate::buckets::BOUNDS;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

pub struct MetricsExporter {
    recorder: PrometheusRecorder,
    registered: usize,
}

impl MetricsExporter {
    fn number(&mut self) -> usize {
        self.registered += 1;
        self.registered
    }
}

impl Library for MetricsExporter {
    const NAME: &str = "metrics, its exporter";

    type Counter = metrics::Counter;
    type Counters = Box<[metrics::Counter]>;
    type Typed = Box<[metrics::Counter]>;
    type Gauge = metrics::Gauge;
    type Histogram = metrics::Histogram;
    type Histograms = Box<[metrics::Histogram]>;

    const RECORD: &str = "all, until it is drained beside the clock: 15 buckets, sum";
    const TIMED: &str = "all, until it is drained beside the clock: 15 buckets, sum; two Instants";
    const SETTLES: bool = true;

    fn new() -> Self {
        let recorder = PrometheusBuilder::new().set_buckets(&BOUNDS).expect("bounds");
        Self { recorder: recorder.build_recorder(), registered: 0 }
    }

    fn counter(&mut self) -> metrics::Counter {
        let name = format!("requests_{}_total", self.number());
        metrics::with_local_recorder(&self.recorder, || metrics::counter!(name))
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Self::Typed {
        self.counters(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<metrics::Gauge, Reason> {
        let name = format!("load_{}", self.number());
        Ok(metrics::with_local_recorder(&self.recorder, || metrics::gauge!(name)))
    }

    fn histogram(&mut self) -> Result<metrics::Histogram, Reason> {
        let name = format!("duration_{}", self.number());
        Ok(metrics::with_local_recorder(&self.recorder, || metrics::histogram!(name)))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        total_of_text(&self.recorder.handle().render())
    }

    fn settle(&self, thread: usize) {
        if thread == 0 {
            self.recorder.handle().run_upkeep();
        }
    }
}

impl Counter for metrics::Counter {
    #[inline(always)]
    fn increment(&self) {
        metrics::Counter::increment(self, 1);
    }
}

impl Gauge for metrics::Gauge {
    #[inline(always)]
    fn set(&self, value: f64) {
        metrics::Gauge::set(self, value);
    }
}

impl Histogram for metrics::Histogram {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        metrics::Histogram::record(self, latency_ns as f64 * 1e-9);
    }
}
