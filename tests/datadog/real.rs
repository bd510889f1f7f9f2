//! VictoriaMetrics, which has an intake for Datadog's series, knows what the registry held.

use super::victoria::Victoria;
use super::{KEY, PATIENCE, client_of};
use quipu::{Datadog, Registry, Unit};
use std::sync::Arc;

#[test]
#[ignore = "needs VictoriaMetrics, in QUIPU_VICTORIA_METRICS"]
fn victoria_metrics_knows_what_the_registry_held() {
    let server = Victoria::start();
    let registry = Arc::new(Registry::new());
    let requests = registry.counter("http.requests").label("path", "/a \"b\"").register().unwrap();
    let active = registry.up_down_counter("active").register().unwrap();
    let level = registry.gauge("level").unit(Unit::Percent).register().unwrap();
    let duration = registry.histogram("duration").unit(Unit::Nanoseconds).register().unwrap();
    let exporter = Datadog::new(KEY).unwrap().host("h1").tag("env", "prod");
    let exporter = exporter.endpoint(&format!("http://{}/datadog", server.address)).unwrap();
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    for round in 1..=3 {
        requests.add(round);
        active.add(-1);
        level.set(round as f64);
        duration.record_n(1_000_000, round);
        assert!(client.flush(PATIENCE).is_delivered());
    }
    assert!(client.stop(PATIENCE).is_delivered());
    let all = server.export("{__name__!~\"quipu.*\"}");
    let values = |metric: &str| -> Vec<f64> {
        let of = all.iter().find(|it| it["metric"]["__name__"] == metric);
        let of = of.unwrap_or_else(|| panic!("no {metric} in {all:?}"));
        assert_eq!(of["metric"]["host"], "h1");
        assert_eq!(of["metric"]["env"], "prod");
        of["values"].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
    };
    assert_eq!(values("http.requests"), [1.0, 2.0, 3.0]);
    assert_eq!(values("active")[..3], [-1.0, -2.0, -3.0]);
    assert_eq!(values("level")[..3], [0.01, 0.02, 0.03]);
    assert_eq!(values("duration.count"), [1.0, 2.0, 3.0]);
    assert_eq!(values("duration.max")[0], 0.001);
    let requests = all.iter().find(|it| it["metric"]["__name__"] == "http.requests").unwrap();
    assert_eq!(requests["metric"]["path"], "/a_\"b\"");
}
