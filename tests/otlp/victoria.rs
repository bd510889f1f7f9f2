//! VictoriaMetrics takes what is sent, and says the same.

use super::client;
use super::exporter::{PATIENCE, wait_until};
use super::victoria_metrics::{Victoria, encoded};
use quipu::{Otlp, Registry, Unit, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels, without those of the resource, and the last value of each series of a name.
fn series(server: &Victoria, name: &str) -> BTreeMap<BTreeMap<String, String>, f64> {
    let lines = server.export(&format!("{{__name__={name:?}}}"));
    let own_series = |line: &Json| {
        let labels = line["metric"].as_object().unwrap().iter();
        let own = labels.filter(|(key, _)| {
            let parts = ["__name__", "service.", "process.", "telemetry.", "scope", "job"];
            !parts.iter().any(|part| key.starts_with(part)) && *key != "instance"
        });
        let own = own.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()));
        let values = line["values"].as_array().unwrap();
        (own.collect(), values.last().unwrap().as_f64().unwrap())
    };
    lines.iter().map(own_series).collect()
}

/// The value of a query that has one, as soon as the server finds what it has taken.
fn number(server: &Victoria, query: &str) -> f64 {
    let found = || {
        let body = server.get(&format!("/api/v1/query?query={}", encoded(query))).unwrap();
        let answer: Json = serde_json::from_str(&body).unwrap();
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    };
    wait_until("what was sent is found", || !found().is_empty());
    let found = found();
    assert_eq!(found.len(), 1, "{query}: {found:?}");
    found[0]["value"][1].as_str().unwrap().parse().unwrap()
}

#[test]
#[ignore = "needs a victoria-metrics, in QUIPU_VICTORIA_METRICS"]
fn a_server_that_took_requests_says_what_the_snapshot_says() {
    let server = Victoria::start();
    let registry = Arc::new(Registry::new());
    for (path, count) in [("/", 3), ("/\u{3c0} \"\\\n{}", 40), ("/a,b=c", 500)] {
        registry.counter("http.requests").label("path", path).register().unwrap().add(count);
    }
    registry.up_down_counter("active").register().unwrap().add(-7);
    let free = registry.gauge("disk.free").unit(Unit::Bytes).register().unwrap();
    free.set(1.5e10);
    let time = registry.histogram("duration").unit(Unit::Nanoseconds).register().unwrap();
    (1..=10_000).for_each(|microseconds| time.record(microseconds * 1_000));
    let fine = registry.histogram("fine").significant_digits::<3>().register().unwrap();
    (0..=50_000).for_each(|value| fine.record(value));

    let endpoint = format!("http://{}/opentelemetry", server.address);
    for is_compressed in [false, true] {
        registry.counter("http.requests").label("path", "/").register().unwrap().increment();
        let otlp = Otlp::new(&endpoint).unwrap().gzip(is_compressed).resource("service.name", "s");
        let client = client(&registry, otlp);
        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        let newest = registry.snapshot().counter("http.requests", &[("path", "/")]).unwrap();
        wait_until("what was sent is found", || {
            series(&server, "http.requests").into_values().any(|value| value == newest as f64)
        });
    }
    let snapshot = registry.snapshot();
    let mut compared = 0;
    for (descriptor, value) in snapshot.iter().filter(|(it, _)| !it.name().starts_with("quipu.")) {
        let labels = descriptor.labels();
        let labels = labels.map(|label| (label.key().to_owned(), label.value().to_owned()));
        let labels: BTreeMap<_, _> = labels.collect();
        let name = descriptor.name();
        match value {
            Value::Counter(count) => assert_eq!(series(&server, name)[&labels], count as f64),
            Value::UpDownCounter(sum) => assert_eq!(series(&server, name)[&labels], sum as f64),
            Value::Gauge(reading) => assert_eq!(series(&server, name)[&labels], reading),
            Value::Histogram(values) => {
                let count = series(&server, &format!("{name}_count"));
                assert_eq!(count[&labels], values.count() as f64);
                // The stated error, and the width of a bucket that a quantile lies in.
                let (divisor, error) = match name {
                    "duration" => (1e9, 0.004 + 0.011),
                    _ => (1.0, 0.0005 + 0.0027),
                };
                let sum = series(&server, &format!("{name}_sum"))[&labels];
                assert_eq!(sum, values.sum() as f64 / divisor);
                for q in [0.1, 0.5, 0.9, 0.99, 0.999] {
                    let query = format!(
                        "histogram_quantile({q}, sum({{__name__=\"{name}_bucket\"}}) by (vmrange))"
                    );
                    let (own, said) =
                        (values.quantile(q).unwrap() as f64 / divisor, number(&server, &query));
                    assert!((said / own - 1.0).abs() <= error, "{query}: {said}, not {own}");
                }
            }
            _ => continue,
        }
        compared += 1;
    }
    assert_eq!(compared, 7);
}
