//! A real VictoriaMetrics that a fleet sends its totals to.

use super::exponential::stated_error;
use super::processes::{self, fleet};
use super::victoria_metrics::{Victoria, encoded};
use super::{NEVER, PATIENCE, QUANTILES, exports};
use quipu::{Client, Registry};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Instant;

const MEMBERS: usize = 100;

/// The value of a query, if there is one.
fn number(server: &Victoria, query: &str) -> Option<f64> {
    let body = server.get(&format!("/api/v1/query?query={}", encoded(query))).unwrap();
    let answer: Json = serde_json::from_str(&body).unwrap();
    match &answer["data"]["result"].as_array().map(Vec::as_slice) {
        None | Some([]) => None,
        Some([series]) => Some(series["value"][1].as_str().unwrap().parse().unwrap()),
        Some(more) => panic!("{query}: {more:?}"),
    }
}

#[test]
#[ignore = "needs a victoria-metrics, in QUIPU_VICTORIA_METRICS"]
fn victoria_metrics_adds_a_fleet_up_within_the_stated_error() {
    let server = Victoria::start();
    let endpoint = format!("http://{}/opentelemetry", server.address);
    for process in fleet(MEMBERS) {
        let registry = Arc::new(Registry::new());
        let client = Client::builder()
            .registry(registry.clone())
            .flush_interval(NEVER)
            .exporter(exports::otlp(&endpoint, &process))
            .start()
            .unwrap();
        let metrics = process.register(&registry);
        metrics.record(&process.values);
        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
    }
    let truth = processes::truth(MEMBERS);
    let started = Instant::now();
    while number(&server, "sum(requests)") != Some(truth.count() as f64) {
        assert!(started.elapsed() < PATIENCE, "{:?}", number(&server, "sum(requests)"));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let number = |query: &str| number(&server, query).unwrap_or_else(|| panic!("no {query}"));
    for name in ["latency", "latency.mixed"] {
        let sum = |part: &str| number(&format!("sum({{__name__=\"{name}_{part}\"}})"));
        assert_eq!(sum("count"), truth.count() as f64);
        assert_eq!(sum("bucket"), truth.count() as f64);
        // It keeps numbers with 12 decimal digits or more.
        truth.assert_sum(sum("sum"), 1e-12);
    }
    // Buckets stay as they came, under their bounds, and are never brought to one scale. So
    // quantiles of the one whose scales differ are not asked for: there they have no bound.
    for q in QUANTILES {
        let buckets = "sum({__name__=\"latency_bucket\"}) by (vmrange)";
        let said = number(&format!("histogram_quantile({q}, {buckets})"));
        truth.assert_quantile(q, said, stated_error(6, 2));
    }
}
