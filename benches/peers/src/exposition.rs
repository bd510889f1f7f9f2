//! Text for a scraper, as several cases have their peers write it, and what it says was recorded.
#![forbid(unsafe_code)]

use metrics_exporter_prometheus::PrometheusHandle;
use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames};

/// A way to scrape a peer.
pub trait Scrape {
    /// The text of this moment; empty if it makes none.
    fn scrape(&mut self) -> &[u8];
}

/// quipu's snapshot and its text, in Prometheus' format, in a buffer that is used again.
pub struct Quipu<'p> {
    registry: &'p quipu::Registry,
    encoder: PrometheusEncoder,
    pub text: Vec<u8>,
}

impl<'p> Quipu<'p> {
    pub fn of(registry: &'p quipu::Registry) -> Self {
        Self { registry, encoder: PrometheusEncoder::new(), text: Vec::new() }
    }
}

impl Scrape for Quipu<'_> {
    fn scrape(&mut self) -> &[u8] {
        self.text.clear();
        let snapshot = self.registry.snapshot();
        let (format, names) = (PrometheusFormat::Text, PrometheusNames::Underscores);
        self.encoder.encode(&snapshot, format, names, &mut self.text);
        &self.text
    }
}

/// What a registry of `prometheus` gathers, in its text format, in a buffer that is used again.
pub struct Prometheus<'p> {
    registry: &'p prometheus::Registry,
    text: String,
}

impl<'p> Prometheus<'p> {
    pub fn of(registry: &'p prometheus::Registry) -> Self {
        Self { registry, text: String::new() }
    }
}

impl Scrape for Prometheus<'_> {
    fn scrape(&mut self) -> &[u8] {
        self.text.clear();
        let families = self.registry.gather();
        let encoder = prometheus::TextEncoder::new();
        encoder.encode_utf8(&families, &mut self.text).expect("a String takes all");
        self.text.as_bytes()
    }
}

/// `prometheus-client`, in OpenMetrics' text format, in a buffer that is used again.
pub struct PrometheusClient<'p> {
    registry: &'p prometheus_client::registry::Registry,
    text: String,
}

impl<'p> PrometheusClient<'p> {
    pub fn of(registry: &'p prometheus_client::registry::Registry) -> Self {
        Self { registry, text: String::new() }
    }
}

impl Scrape for PrometheusClient<'_> {
    fn scrape(&mut self) -> &[u8] {
        self.text.clear();
        prometheus_client::encoding::text::encode(&mut self.text, self.registry)
            .expect("a String takes all");
        self.text.as_bytes()
    }
}

/// `metrics-exporter-prometheus`, whose text is a new `String` each time.
pub struct MetricsExporter {
    handle: PrometheusHandle,
    text: String,
}

impl MetricsExporter {
    pub fn of(handle: PrometheusHandle) -> Self {
        Self { handle, text: String::new() }
    }
}

impl Scrape for MetricsExporter {
    fn scrape(&mut self) -> &[u8] {
        self.text = self.handle.render();
        self.text.as_bytes()
    }
}

/// How many records a text has of the names that begin so: the sum of its counters, and of its
/// histograms' counts.
pub fn records(text: &[u8], name: &str) -> u64 {
    let text = std::str::from_utf8(text).expect("the formats are UTF-8");
    let records = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let name = series.split('{').next()?;
        let is_count = !name.ends_with("_bucket") && !name.ends_with("_sum");
        (is_count && !series.contains("quantile=\"")).then(|| value.parse::<f64>().ok())?
    });
    records.sum::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_the_counts_of_histograms_and_summaries_are_records() {
        let text = b"# TYPE http_requests counter\n\
            http_requests_total{route=\"/a b\"} 3\n\
            http_duration_bucket{le=\"1\"} 4\n\
            http_duration_sum 5.5\n\
            http_duration_count 7\n\
            http_size{quantile=\"0.5\"} 100\n\
            http_size_count{} 20\n\
            quipu_refused 9\n";
        assert_eq!(records(text, "http_"), 30);
        assert_eq!(records(text, "http_requests"), 3);
    }
}
