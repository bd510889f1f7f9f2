//! `measured`, whose label group interns its values; ids of series are kept.
#![forbid(unsafe_code)]

use super::{COUNTERS, HISTOGRAMS, Made, Reading, Shape, Subject};
use crate::buckets::BOUNDS;
use crate::exposition::Scrape;
use crate::labels::Labels;
use measured::lasso::ThreadedRodeo;
use measured::metric::histogram::Thresholds;
use measured::metric::name::MetricName;
use measured::metric::{LabelId, MetricFamilyEncoding};
use measured::text::TextEncoder;
use measured::{CounterVec, HistogramVec, LabelGroup};

#[derive(LabelGroup)]
#[label(set = RequestSet)]
struct Request<'a> {
    #[label(dynamic_with = ThreadedRodeo, default)]
    method: &'a str,
    #[label(dynamic_with = ThreadedRodeo, default)]
    route: &'a str,
}

impl<'a> From<&'a Labels> for Request<'a> {
    fn from(Labels { method, route }: &'a Labels) -> Self {
        Self { method, route }
    }
}

struct Measured {
    counters: CounterVec<RequestSet>,
    histograms: HistogramVec<RequestSet, { BOUNDS.len() }>,
    counter_ids: Vec<LabelId<RequestSet>>,
    histogram_ids: Vec<LabelId<RequestSet>>,
}

pub fn vectors(shape: &Shape, _threads: usize) -> Made<'_> {
    let counters = CounterVec::with_label_set(RequestSet::default());
    let thresholds = Thresholds::with_buckets(BOUNDS);
    let histograms = HistogramVec::with_label_set_and_metadata(RequestSet::default(), thresholds);
    let id = |labels: &Labels| counters.with_labels(labels.into());
    let counter_ids = shape.counters.iter().map(id).collect();
    let id = |labels: &Labels| histograms.with_labels(labels.into());
    let histogram_ids = shape.histograms.iter().map(id).collect();
    Box::new(Measured { counters, histograms, counter_ids, histogram_ids })
}

impl Subject for Measured {
    fn record(&self, latencies_ns: &[u64]) {
        self.counter_ids.iter().for_each(|&id| self.counters.get_metric(id).inc());
        for &id in &self.histogram_ids {
            let record = |&ns: &u64| self.histograms.get_metric(id).observe(ns as f64 / 1e9);
            latencies_ns.iter().for_each(record);
        }
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            snapshot: Err("writes its text, and reads in no way short of it"),
            text: Ok(Box::new(Text { measured: self, text: Vec::new() })),
        }
    }
}

/// In a buffer that is used again.
struct Text<'p> {
    measured: &'p Measured,
    text: Vec<u8>,
}

impl Scrape for Text<'_> {
    fn scrape(&mut self) -> &[u8] {
        let Measured { counters, histograms, .. } = self.measured;
        self.text.clear();
        let mut encoder = TextEncoder::new(&mut self.text);
        let name = MetricName::from_str(COUNTERS);
        counters.collect_family_into(name, &mut encoder).expect("a buffer takes all");
        let name = MetricName::from_str(HISTOGRAMS);
        histograms.collect_family_into(name, &mut encoder).expect("a buffer takes all");
        encoder.flush().expect("a buffer takes all");
        &self.text
    }
}
