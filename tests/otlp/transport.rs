//! How requests travel, and what they say of the process.

use super::collector::{Answer, Collector, taken};
use super::exporter::{PATIENCE, wait_until};
use super::{client, flush, oracle, otlp, read};
use quipu::{Otlp, Registry};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

fn registry() -> Arc<Registry> {
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().add(7);
    registry
}

#[test]
fn a_request_is_a_post_of_protobuf_with_the_headers_given() {
    let collector = Collector::start();
    let otlp = Otlp::new(&format!("{}/base/", collector.endpoint())).unwrap();
    let otlp = otlp.header("api-key", "old").and_then(|otlp| otlp.header("API-Key", "k 1"));
    let client = client(&registry(), otlp.unwrap());
    assert!(client.flush(PATIENCE).is_delivered());
    let received = collector.take();
    let [request] = &received[..] else { panic!("{received:?}") };
    assert_eq!(request.line, "POST /base/v1/metrics HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(request.header("api-key"), Some("k 1"));
    assert_eq!(request.header("user-agent"), Some(concat!("quipu/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(request.header("content-encoding"), None);
}

#[test]
fn requests_are_compressed_if_that_is_wanted() {
    let (registry, collector) = (registry(), Collector::start());
    let client = client(&registry, otlp(&collector).gzip(true));
    for _ in 0..2 {
        assert!(client.flush(PATIENCE).is_delivered());
        let received = collector.take();
        assert_eq!(received[0].header("content-encoding"), Some("gzip"));
        assert!(received[0].length < received[0].body.len() / 2);
        oracle::check(&read(&received), &registry.latest().unwrap(), None);
    }
    let sent = registry.snapshot().counter("quipu.export.bytes", &[("exporter", "otlp")]).unwrap();
    assert!(sent > 0);
}

#[test]
fn the_resource_says_who_is_speaking() {
    let (registry, collector) = (registry(), Collector::start());
    let pid = std::process::id().to_string();
    let plain = client(&registry, otlp(&collector));
    let (first, _) = flush(&plain, &registry, &collector);
    let named = otlp(&collector).resource("service.name", "shop").resource("zone", "\u{3c0}");
    let named = client(&registry, named);
    let (second, _) = flush(&named, &registry, &collector);
    let value = |requests: &[super::Request], key: &str| {
        let found = requests[0].resource.iter().filter(|(found, _)| found == key);
        let values: Vec<_> = found.map(|(_, value)| value.clone()).collect();
        assert!(values.len() < 2, "{key} is {values:?}");
        values.into_iter().next()
    };
    for requests in [&first, &second] {
        assert_eq!(value(requests, "process.pid").as_ref(), Some(&pid));
        assert_eq!(value(requests, "telemetry.sdk.name").as_deref(), Some("quipu"));
        assert_eq!(value(requests, "telemetry.sdk.language").as_deref(), Some("rust"));
        assert_eq!(
            value(requests, "telemetry.sdk.version").as_deref(),
            Some(env!("CARGO_PKG_VERSION"))
        );
    }
    assert!(value(&first, "service.name").unwrap().starts_with("unknown_service:otlp-"));
    assert_eq!(value(&second, "service.name").as_deref(), Some("shop"));
    assert_eq!(value(&second, "zone").as_deref(), Some("\u{3c0}"));
    let instance = value(&first, "service.instance.id");
    assert_eq!(instance.as_ref().map(String::len), Some(36));
    assert_eq!(instance, value(&second, "service.instance.id"), "one process is one instance");
}

#[test]
fn large_deliveries_are_several_requests() {
    let registry = Arc::new(Registry::new());
    let collector = Collector::start();
    let client = client(&registry, otlp(&collector));
    for number in 0..2_500 {
        let long = format!("{number:04}{}", "x".repeat(4_000));
        registry.counter("c").label("long", &long).register().unwrap().increment();
    }
    let (requests, snapshot) = flush(&client, &registry, &collector);
    assert_eq!(requests.len(), 3);
    oracle::check(&requests, &snapshot, None);
    client.flush(PATIENCE);
    assert!(collector.take().iter().all(|received| received.length <= 4_000_000));
}

#[test]
fn a_collector_that_hangs_ends_the_attempt_at_the_timeout() {
    let (registry, collector) = (registry(), Collector::start());
    let (release, released) = channel::<()>();
    collector.answer(move |_| {
        let _ = released.recv();
        taken()
    });
    let client = client(&registry, otlp(&collector).timeout(Duration::from_millis(50)));
    let started = Instant::now();
    let report = client.flush(PATIENCE);
    assert!(started.elapsed() < PATIENCE);
    let reason = report.exporters[0].undelivered.as_deref();
    assert!(reason.is_some_and(|reason| reason.contains("no answer in time")), "{report}");
    drop(release);
    wait_until("it delivers", || client.flush(PATIENCE).is_delivered());
}

#[test]
fn nobody_there_is_a_failure_that_names_the_place_only() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let otlp = Otlp::new(&format!("http://user:5entine1@{free}/5entine1")).unwrap();
    let otlp = otlp.header("api-key", "5entine1").unwrap();
    let debug = format!("{otlp:?} {otlp:#?}");
    assert!(debug.contains(&format!("http://{free}")), "{debug}");
    let client = client(&registry(), otlp);
    let report = client.flush(PATIENCE);
    let said = format!("{report} {report:?} {client:?} {} {debug}", client.health());
    assert!(said.contains(&format!("http://{free}: ")), "{said}");
    assert!(!said.contains("5entine1"), "{said}");
}

#[test]
fn an_answer_that_repeats_a_header_does_not_show_it() {
    let (registry, collector) = (registry(), Collector::start());
    let client = client(&registry, otlp(&collector).header("api-key", "5entine1").unwrap());
    collector.answer(|received| {
        let body = format!("no such key: {}", received.header("api-key").unwrap());
        Answer(403, "", body.into_bytes())
    });
    let report = client.flush(PATIENCE).to_string();
    assert!(report.contains("no such key: [secret]"), "{report}");
    assert!(!report.contains("5entine1"), "{report}");
}
