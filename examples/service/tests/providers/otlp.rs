//! A collector, for which VictoriaMetrics stands.

use super::victoria::Victoria;
use super::{DURATION, run_with};

#[test]
#[ignore = "needs a victoria-metrics, in QUIPU_VICTORIA_METRICS"]
fn a_collector_has_every_request() {
    let server = Victoria::start();
    let dsn = format!("http://{}/opentelemetry", server.address);
    let said = run_with("otlp.json", &dsn, &[("OTEL_SERVICE_NAME", "service")]);
    let selector = format!("{{__name__=\"{DURATION}_count\",http.response.status_code!=\"\"}}");
    let series = server.export(&selector);
    // Totals: the last one counts.
    let last = series.iter().map(|series| {
        assert_eq!(series["metric"]["service.name"], "service");
        series["values"].as_array().unwrap().last().unwrap().as_f64().unwrap() as u64
    });
    assert_eq!(last.sum::<u64>(), said.requests);
}
