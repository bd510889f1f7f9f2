//! `prometheus-client`: families, with handles that are kept.
#![forbid(unsafe_code)]

use super::Subject;
use crate::labels::Labels;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::{Mutex, PoisonError};

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

/// Into a buffer that is used again.
struct Text {
    registry: Registry,
    text: Mutex<String>,
}

impl Text {
    fn of(registry: Registry) -> Self {
        Self { registry, text: Mutex::new(String::new()) }
    }

    fn read(&self) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        text.clear();
        text::encode(&mut *text, &self.registry).expect("a String takes all");
    }

    fn total(&self, sample: &str) -> u64 {
        self.read();
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = text.lines().filter(|line| line.starts_with(sample));
        let value = |line: &str| line.rsplit(' ').next()?.parse::<u64>().ok();
        lines.filter_map(value).sum()
    }
}

pub struct Counters {
    text: Text,
    handles: Vec<Counter>,
}

impl Counters {
    pub fn new(labels: &[Labels]) -> Self {
        let mut registry = Registry::default();
        let family = Family::<LabelSet, Counter>::default();
        let handle = |labels| family.get_or_create_owned(&LabelSet::from(labels));
        let handles = labels.iter().map(handle).collect();
        registry.register("http_server_requests", "Requests", family);
        Self { text: Text::of(registry), handles }
    }
}

impl Subject for Counters {
    fn touch(&self, _: &[Labels]) {
        for counter in &self.handles {
            counter.inc();
        }
    }

    fn read(&self) {
        self.text.read();
    }

    fn total(&self) -> u64 {
        self.text.total("http_server_requests_total{")
    }
}

pub struct Histograms {
    text: Text,
    handles: Vec<Histogram>,
}

impl Histograms {
    pub fn new(labels: &[Labels]) -> Self {
        let mut registry = Registry::default();
        let histogram: fn() -> Histogram = || Histogram::new(crate::buckets::BOUNDS);
        let family = Family::<LabelSet, Histogram>::new_with_constructor(histogram);
        let handle = |labels| family.get_or_create_owned(&LabelSet::from(labels));
        let handles = labels.iter().map(handle).collect();
        registry.register("http_server_duration_seconds", "Durations", family);
        Self { text: Text::of(registry), handles }
    }
}

impl Subject for Histograms {
    fn touch(&self, _: &[Labels]) {
        self.handles.iter().for_each(|histogram| histogram.observe(0.012_345));
    }

    fn read(&self) {
        self.text.read();
    }

    fn total(&self) -> u64 {
        self.text.total("http_server_duration_seconds_count{")
    }
}
