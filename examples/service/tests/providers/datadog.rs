//! Datadog's API, for which VictoriaMetrics stands, or a server that reads JSON.

use super::server::Server;
use super::victoria::Victoria;
use super::{DURATION, run_with, wait_for};
use serde_json::Value;

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn datadog_has_every_request() {
    let server = Server::start("202 Accepted");
    let said = run_with("datadog.json", &format!("http://{KEY}@{}", server.address), &[]);
    let mut requests = 0;
    for request in server.take() {
        assert_eq!((&*request.path, request.header("dd-api-key")), ("/api/v2/series", Some(KEY)));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        for series in body["series"].as_array().unwrap() {
            let is_status =
                |tag: &Value| tag.as_str().unwrap().starts_with("http.response.status_code:");
            let is_answer =
                series["tags"].as_array().is_some_and(|tags| tags.iter().any(is_status));
            if series["metric"] == format!("{DURATION}.count") && is_answer {
                let points = series["points"].as_array().unwrap();
                requests +=
                    points.iter().map(|point| point["value"].as_u64().unwrap()).sum::<u64>();
            }
        }
    }
    assert_eq!(requests, said.requests);
}

#[test]
#[ignore = "needs a victoria-metrics, in QUIPU_VICTORIA_METRICS"]
fn a_server_that_speaks_datadogs_protocol_has_every_request() {
    let server = Victoria::start();
    let dsn = format!("http://{KEY}@{}/datadog", server.address);
    let said = run_with("datadog.json", &dsn, &[]);
    let selector = format!("{{__name__=\"{DURATION}.count\",http.response.status_code!=\"\"}}");
    wait_for(said.requests, || {
        let all = server.export(&selector);
        let values = all.iter().flat_map(|series| series["values"].as_array().unwrap());
        values.map(|value| value.as_f64().unwrap() as u64).sum()
    });
}
