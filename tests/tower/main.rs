//! Requests that pass through `HttpLayer`: in axum's routers, in services of tower's, and over real
//! connections.
#![cfg(all(feature = "tower", not(loom)))]

mod cancellation;
#[cfg(feature = "axum")]
mod connection;
mod plain;
#[cfg(feature = "axum")]
mod router;

use http::{Method, Request};
use quipu::{HttpLayer, Registry, Snapshot, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A layer, and the registry that it records to.
fn measured() -> (HttpLayer, Arc<Registry>) {
    let registry = Arc::new(Registry::new());
    (HttpLayer::new().registry(registry.clone()), registry)
}

fn request<B: Default>(method: &str, uri: &str) -> Request<B> {
    let method = Method::from_bytes(method.as_bytes()).expect("a valid method");
    Request::builder().method(method).uri(uri).body(B::default()).expect("a valid request")
}

/// What `figure` makes of each histogram of a name, by its labels: method, route, status, error and
/// scheme in this order, `-` where there is none, and those at the end left out.
fn histograms(
    snapshot: &Snapshot,
    name: &str,
    figure: impl Fn(&quipu::HistogramSnapshot) -> u64,
) -> BTreeMap<String, u64> {
    let of_name = snapshot.iter().filter(|(series, _)| series.name() == name);
    let figures = of_name.map(|(series, value)| {
        let Value::Histogram(histogram) = value else { panic!("{series} is no histogram") };
        let keys = [
            "http.request.method",
            "http.route",
            "http.response.status_code",
            "error.type",
            "url.scheme",
        ];
        let labels = keys.map(|key| series.label(key).unwrap_or("-"));
        assert!(series.labels().all(|label| keys.contains(&label.key())), "{series}");
        let labels = labels.join(" ");
        (labels.trim_end_matches(" -").to_owned(), figure(&histogram))
    });
    figures.collect()
}

/// How many requests there were. Every histogram has to have seen each.
fn requests(registry: &Registry) -> BTreeMap<String, u64> {
    let snapshot = registry.snapshot();
    let of = |name| histograms(&snapshot, name, |histogram| histogram.count());
    let durations = of("http.server.request.duration");
    assert_eq!(of("http.server.request.body.size"), durations);
    assert_eq!(of("http.server.response.body.size"), durations);
    durations
}

/// Bytes, in and out.
fn bytes(registry: &Registry) -> (u64, u64) {
    let snapshot = registry.snapshot();
    let of = |name| histograms(&snapshot, name, |histogram| histogram.sum()).values().sum();
    (of("http.server.request.body.size"), of("http.server.response.body.size"))
}

/// Requests in flight.
fn active(registry: &Registry) -> i64 {
    let snapshot = registry.snapshot();
    let series = snapshot.iter().filter(|(series, _)| {
        let only = ["http.request.method", "url.scheme"];
        let is_active = series.name() == "http.server.active_requests";
        assert!(!is_active || series.labels().all(|label| only.contains(&label.key())));
        is_active
    });
    series
        .map(|(series, value)| match value {
            Value::UpDownCounter(count) => count,
            _ => panic!("{series} is no up-down counter"),
        })
        .sum()
}

fn series_count(registry: &Registry) -> usize {
    registry.snapshot().iter().count()
}

/// Asserts that these requests were counted, and that none is in flight.
#[track_caller]
fn assert_requests<const N: usize>(registry: &Registry, expected: [(&str, u64); N]) {
    let expected = expected.map(|(labels, count)| (labels.to_owned(), count));
    assert_eq!(requests(registry), BTreeMap::from(expected));
    assert_eq!(active(registry), 0);
}
