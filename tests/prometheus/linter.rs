//! What the crate itself measures has names and texts that Prometheus' linter finds no fault with.

use super::{body, program};
use quipu::{Client, Endpoint, HttpLayer, PrometheusFormat, PrometheusNames, Registry};
use quipu::{RequestBody, SystemCollector};
use std::convert::Infallible;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tower::{Layer, ServiceExt};

#[test]
#[ignore = "needs promtool, in QUIPU_PROMTOOL"]
fn the_linter_finds_no_fault() {
    let registry = Arc::new(Registry::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut collector =
        SystemCollector::new().registry(registry.clone()).tokio(runtime.handle().clone());
    collector.collect_now();
    let client = Client::builder().registry(registry.clone()).start().unwrap();
    let endpoint = Endpoint::builder().registry(registry.clone()).client(&client).build();
    let layer = HttpLayer::new().registry(registry.clone());
    let service = layer.layer(tower::service_fn(async |_: http::Request<RequestBody<String>>| {
        Ok::<_, Infallible>(http::Response::new(String::from("answer")))
    }));
    let request = || http::Request::get("/metrics").body(String::from("question")).unwrap();
    runtime.block_on(async {
        drop(service.oneshot(request()).await);
        drop(endpoint.respond(&request()).await);
        let missing = http::Request::get("/none").body(()).unwrap();
        drop(endpoint.respond(&missing).await);
    });
    assert!(client.flush(Duration::from_secs(30)).is_delivered());

    let text = body(&registry.snapshot(), PrometheusFormat::Text, PrometheusNames::Underscores);
    for name in ["process_memory_usage_bytes", "http_server_request_duration_seconds", "quipu_"] {
        assert!(text.contains(&format!("\n{name}")), "no {name} in\n{text}");
    }
    let mut promtool = Command::new(program("QUIPU_PROMTOOL"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
