//! A collector, for which VictoriaMetrics stands.

use super::victoria::Victoria;
use super::{DURATION, run_with, wait_for};
use serde_json::Value;

#[test]
#[ignore = "needs a victoria-metrics, in QUIPU_VICTORIA_METRICS"]
fn a_collector_has_every_request() {
    let server = Victoria::start();
    let dsn = format!("http://{}/opentelemetry", server.address);
    let said = run_with("otlp.json", &dsn, &[("OTEL_SERVICE_NAME", "service")]);
    let selector = format!("{{__name__=\"{DURATION}_count\",http.response.status_code!=\"\"}}");
    wait_for(said.requests, || {
        // Totals: the last one counts.
        let last = |series: &Value| {
            assert_eq!(series["metric"]["service.name"], "service");
            series["values"].as_array().unwrap().last().unwrap().as_f64().unwrap() as u64
        };
        server.export(&selector).iter().map(last).sum()
    });
}
