//! What there is, what there is not, and in which form.

use crate::exporter::NEVER;
use crate::wire::{Peer, Reply, get, get_with, serve, served};
use flate2::read::GzDecoder;
use quipu::{Client, Endpoint, PrometheusEncoder, PrometheusFormat, PrometheusNames, Registry};
use std::io::Read;
use std::sync::Arc;

const PATHS: [&str; 6] =
    ["/", "/metrics", "/metrics.json", "/health", "/health/live", "/health/ready"];

fn assert_hardened(reply: &Reply) {
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[test]
fn every_path_is_answered() {
    let (registry, _server, address) = served();
    registry.counter("jobs").register().unwrap().add(3);
    let mut peer = Peer::connect(address);
    for path in PATHS {
        let reply = peer.get(path);
        assert_eq!(reply.status, 200, "{path}");
        assert_hardened(&reply);
    }
    let json = peer.get("/metrics.json?cache=7#x");
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert!(json.text().contains(r#"{"name":"jobs","kind":"counter","series":["#));
    assert!(json.text().contains(r#"{"total":3}"#));
    let absolute = peer.get("http://elsewhere/health/live");
    assert_eq!((absolute.status, absolute.text()), (200, "{\"status\":\"live\",\"reasons\":[]}\n"));
}

#[test]
fn the_page_is_confined_to_itself() {
    let (_registry, _server, address) = served();
    let page = get(address, "/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
             connect-src 'self'; img-src data:"
        )
    );
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(
        page.text().starts_with("<!doctype html>") || page.text().starts_with("<!DOCTYPE html>")
    );
}

#[test]
fn a_head_is_that_of_the_get_without_its_body() {
    let (_registry, _server, address) = served();
    let mut peer = Peer::connect(address);
    for path in PATHS.into_iter().chain(["/nothing"]) {
        // What is counted meanwhile makes metrics longer.
        if path.starts_with("/metrics") {
            continue;
        }
        peer.ask("HEAD", path, "");
        let head = peer.receive_head();
        let reply = peer.get(path);
        let without_date = |reply: &Reply| {
            let headers = reply.headers.iter().filter(|(name, _)| name != "date");
            headers.cloned().collect::<Vec<_>>()
        };
        assert_eq!(head.status, reply.status);
        assert_eq!(without_date(&head), without_date(&reply), "{path}");
        assert_eq!(reply.header("content-length"), Some(&*reply.body.len().to_string()));
    }
    peer.ask("HEAD", "/metrics.json", "");
    assert_ne!(peer.receive_head().header("content-length"), Some("0"));
    assert_eq!(peer.get("/health").status, 200);
}

#[test]
fn other_methods_are_refused() {
    let (_registry, _server, address) = served();
    let methods = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"];
    for method in methods {
        for path in PATHS {
            let mut peer = Peer::connect(address);
            peer.ask(method, path, "");
            let reply = peer.receive();
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
            assert_hardened(&reply);
        }
    }
    let mut peer = Peer::connect(address);
    peer.ask("CONNECT", "127.0.0.1:80", "");
    assert_eq!(peer.receive().status, 405);
}

#[test]
fn unknown_paths_are_answered_with_the_known_ones() {
    let (_registry, _server, address) = served();
    let encoded = ["/%00", "/metrics%00", "/%6detrics", "/%2e%2e/metrics"];
    let dotted = ["/..", "/../metrics", "/./metrics", "//", "//metrics", "/metrics/", "/health/"];
    let other = ["/Metrics", "/metrics.json/x", "/favicon.ico", "*"];
    for path in encoded.into_iter().chain(dotted).chain(other) {
        let reply = get(address, path);
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_hardened(&reply);
        assert_eq!(
            reply.text(),
            "There is nothing here. There are /, /metrics, /metrics.json, /health, /health/live \
             and /health/ready.\n"
        );
    }
}

#[test]
fn metrics_come_in_the_format_that_is_asked_for() {
    let registry = Arc::new(Registry::new());
    registry.counter("http.requests").label("method", "GET").register().unwrap().add(12);
    registry.histogram("http.duration").register().unwrap().record(100);
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    let client = client.start().unwrap();
    client.flush(NEVER);
    let snapshot = registry.latest().unwrap();
    let endpoint = Endpoint::builder().registry(registry).published().build();
    let (_server, address) = serve(&endpoint);

    use PrometheusFormat::{OpenMetrics, Protobuf, Text};
    use PrometheusNames::{Underscores, Utf8};
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                    encoding=delimited";
    let asked = [
        ("*/*", Text, Underscores),
        ("text/plain;version=0.0.4", Text, Underscores),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", Text, Utf8),
        ("application/openmetrics-text;version=1.0.0", OpenMetrics, Underscores),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8", OpenMetrics, Utf8),
        (protobuf, Protobuf, Underscores),
    ];
    for (accept, format, names) in asked {
        let reply = get_with(address, "/metrics", &format!("accept: {accept}\r\n"));
        assert_eq!(reply.header("content-type"), Some(format.content_type(names)));
        assert_eq!(reply.header("vary"), Some("Accept, Accept-Encoding"));
        let mut expected = Vec::new();
        PrometheusEncoder::new().encode(&snapshot, format, names, &mut expected);
        assert!(reply.body == expected, "{accept}");
    }
    assert_eq!(
        get(address, "/metrics").header("content-type"),
        Some(Text.content_type(Underscores))
    );
    let json = get_with(address, "/metrics", "accept: application/json\r\n");
    assert_eq!(json.header("content-type"), Some("application/json"));
    let expected = get_with(address, "/metrics.json", "accept: text/plain\r\n");
    assert_eq!(json.text(), expected.text());
    assert!(json.text().contains(r#"{"labels":{"method":"GET"},"total":12}"#));
    // None of this was in the snapshot, and nothing was taken for it.
    assert_eq!(json.sequence(), snapshot.sequence());
}

#[test]
fn what_is_compressed_is_what_it_would_be_otherwise() {
    let registry = Arc::new(Registry::new());
    for number in 0..500 {
        registry.counter("c").label("number", &number.to_string()).register().unwrap().add(number);
    }
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    let client = client.start().unwrap();
    client.flush(NEVER);
    let (_server, address) = serve(&Endpoint::builder().registry(registry).published().build());
    let plain = get(address, "/metrics.json");
    let packed = get_with(address, "/metrics.json", "accept-encoding: gzip\r\n");
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("Accept, Accept-Encoding"));
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut unpacked = Vec::new();
    GzDecoder::new(&*packed.body).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain.body);
    let refused = get_with(address, "/metrics.json", "accept-encoding: gzip;q=0\r\n");
    assert_eq!(refused.header("content-encoding"), None);
}

#[test]
fn short_bodies_are_sent_as_they_are() {
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap();
    let (_server, address) = serve(&Endpoint::builder().registry(registry).build());
    let reply = get_with(address, "/metrics.json", "accept-encoding: gzip\r\n");
    assert_eq!((reply.status, reply.header("content-encoding")), (200, None));
}

#[test]
fn responses_are_counted_by_what_was_asked_for() {
    let (registry, _server, address) = served();
    let mut peer = Peer::connect(address);
    for path in ["/health", "/metrics", "/metrics.json", "/one", "/two", "/health"] {
        peer.get(path);
    }
    peer.ask("POST", "/metrics", "");
    peer.receive();
    let snapshot = registry.snapshot();
    let responses = |route, class| {
        let labels = [("route", route), ("class", class)];
        snapshot.counter("quipu.endpoint.responses", &labels).unwrap()
    };
    assert_eq!(responses("health", "2xx"), 2);
    assert_eq!(responses("metrics", "2xx"), 1);
    assert_eq!(responses("metrics", "4xx"), 1);
    assert_eq!(responses("other", "4xx"), 2);
    let exposed = |format| snapshot.counter("quipu.endpoint.expositions", &[("format", format)]);
    assert_eq!((exposed("text"), exposed("json"), exposed("protobuf")), (Some(1), Some(1), None));
    assert_eq!(snapshot.counter("quipu.endpoint.collections", &[]), Some(2));
    assert_eq!(snapshot.counter("quipu.endpoint.connections.accepted", &[]), Some(1));
}
