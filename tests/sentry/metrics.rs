//! Metrics: each record arrives once, whatever fails.

use crate::exporter::{NEVER, PATIENCE, client_of, wait_until};
use crate::server::{KEY, Reply, Server, limited, status};
use fastrand::Rng;
use quipu::testing::ManualClock;
use quipu::{Registry, Sentry, Unit, Value};
use sentry_types::protocol::v7::{Metric, MetricType};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(10);

/// What a stop may take beyond its timeout: the one bound on time that is promised.
const GRACE: Duration = Duration::from_millis(100);

fn text<'a>(metric: &'a Metric, attribute: &str) -> Option<&'a str> {
    metric.attributes.get(attribute).and_then(|value| value.0.as_str())
}

/// Whether it is of the program, and not what the client measures about itself.
fn is_of_program(metric: &Metric) -> bool {
    !metric.name.starts_with("quipu.")
}

#[test]
fn metrics_arrive_with_where_they_come_from() {
    let server = Server::start(|_| status(200));
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let sentry = sentry.release("shop@1.4.2").environment("staging").server_name("web-3");
    let registry = Arc::new(Registry::new());
    registry.counter("jobs").label("queue", "mail").register().unwrap().add(3);
    let latency = registry.histogram("latency").unit(Unit::Milliseconds).register().unwrap();
    latency.record_n(20, 5);
    let share = registry.histogram("share").unit(Unit::Thousandths).register().unwrap();
    share.record_n(375, 2);
    let client = client_of(&registry).exporter(sentry).start().unwrap();
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");

    let taken = server.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].target, "POST /prefix/api/42/envelope/ HTTP/1.1");
    assert_eq!(taken[0].header("content-type"), Some("application/x-sentry-envelope"));
    let auth = taken[0].header("x-sentry-auth").unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected =
        format!("Sentry sentry_version=7, sentry_client=quipu/{version}, sentry_key={KEY}");
    assert_eq!(auth, expected);
    let metrics = server.metrics();
    let traces: Vec<_> = metrics.iter().map(|metric| metric.trace_id).collect();
    assert!(traces.iter().all(|trace| *trace == traces[0]));
    for metric in &metrics {
        assert_eq!(text(metric, "sentry.release"), Some("shop@1.4.2"));
        assert_eq!(text(metric, "sentry.environment"), Some("staging"));
        assert_eq!(text(metric, "server.address"), Some("web-3"));
        assert_eq!(text(metric, "sentry.sdk.name"), Some("quipu"));
    }
    let seen: Vec<_> = metrics.iter().filter(|it| is_of_program(it)).collect();
    let names: Vec<_> = seen.iter().map(|metric| (&*metric.name, metric.value)).collect();
    let expected = [
        ("jobs", 3.0),
        ("latency.count", 5.0),
        ("latency.p50", 20.0),
        ("latency.p90", 20.0),
        ("latency.p99", 20.0),
        ("latency.max", 20.0),
        ("share.count", 2.0),
        ("share.p50", 0.375),
        ("share.p90", 0.375),
        ("share.p99", 0.375),
        ("share.max", 0.375),
    ];
    assert_eq!(names, expected);
    assert_eq!(text(seen[0], "queue"), Some("mail"));
    let bytes = registry.snapshot().counter("quipu.export.bytes", &[("exporter", "sentry")]);
    assert_eq!(bytes, Some(taken[0].body.len() as u64));
}

/// Sums of counters by name and label.
fn sums(metrics: &[Metric]) -> BTreeMap<(String, String), u64> {
    let mut sums = BTreeMap::new();
    for metric in metrics.iter().filter(|metric| is_of_program(metric)) {
        if metric.r#type == MetricType::Counter {
            let label = text(metric, "at").unwrap_or_default().to_owned();
            *sums.entry((metric.name.to_string(), label)).or_default() += metric.value as u64;
        }
    }
    sums
}

/// The same of what was recorded.
fn recorded(registry: &Registry) -> BTreeMap<(String, String), u64> {
    let snapshot = registry.snapshot();
    let of_program = snapshot.iter().filter(|(it, _)| !it.name().starts_with("quipu."));
    let sums = of_program.filter_map(|(descriptor, value)| {
        let (name, sum) = match value {
            Value::Counter(sum) => (descriptor.name().to_owned(), sum),
            Value::Histogram(values) => (format!("{}.count", descriptor.name()), values.count()),
            _ => return None,
        };
        let label = descriptor.label("at").unwrap_or_default().to_owned();
        (sum != 0).then_some(((name, label), sum))
    });
    sums.collect()
}

/// Each flush has three envelopes, of which any can fail.
#[test]
fn sums_are_what_was_recorded_whatever_fails() {
    let mut random = Rng::with_seed(7);
    let mut faults = Rng::with_seed(8);
    let server = Server::start(move |_| match faults.u8(..24) {
        0 => status(500),
        1 => Reply::Reset,
        2 => Reply::Close,
        3 => limited(429, "0.01:trace_metric:organization"),
        4 => limited(200, "0.01:trace_metric:organization"),
        5 => Reply::Answer(503, "Retry-After: 1\r\n".to_owned(), String::new()),
        _ => status(200),
    });
    let registry = Arc::new(Registry::new());
    let labelled = |at: usize| at.to_string();
    let counters: Vec<_> = (0..2_000)
        .map(|at| registry.counter("c").label("at", &labelled(at)).register().unwrap())
        .collect();
    let histograms: Vec<_> = (0..100)
        .map(|at| registry.histogram("h").label("at", &labelled(at)).shared().register().unwrap())
        .collect();
    let gauge = registry.gauge("g").register().unwrap();
    let active = registry.up_down_counter("u").register().unwrap();
    let clock = ManualClock::new();
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let client = client_of(&registry).clock(clock.clone()).flush_interval(INTERVAL);
    let client = client.exporter(sentry).start().unwrap();
    for round in 0..60 {
        counters.iter().for_each(|counter| counter.add(random.u64(..3)));
        histograms.iter().for_each(|histogram| histogram.record_n(random.u64(..), random.u64(..3)));
        gauge.set(f64::from(round));
        active.add(random.i64(-5..10));
        clock.advance(INTERVAL);
    }
    wait_until("the last delivery", || {
        clock.advance(INTERVAL);
        client.report().is_delivered()
    });
    let metrics = server.metrics();
    assert_eq!(sums(&metrics), recorded(&registry));
    let exporter = client.report().exporters.remove(0);
    assert!(exporter.failures > 15 && exporter.acknowledged > 15, "{}", client.report());
    let last = |name| metrics.iter().rev().find(|it| it.name == name).unwrap().value;
    let snapshot = registry.snapshot();
    assert_eq!(last("g"), 59.0);
    assert_eq!(last("u"), snapshot.up_down_counter("u", &[]).unwrap() as f64);
    assert_eq!(dropped(&registry), 0);
    client.stop(PATIENCE);
}

/// Values that the exporter gave up.
fn dropped(registry: &Registry) -> u64 {
    let causes = ["refused", "unrepresentable", "too_large"];
    let dropped = causes.map(|cause| {
        let labels = [("exporter", "sentry"), ("cause", cause)];
        registry.snapshot().counter("quipu.export.dropped", &labels).unwrap()
    });
    dropped.iter().sum()
}

#[test]
fn a_flush_of_50_000_series_drops_nothing() {
    const SERIES: usize = 50_000;
    let server = Server::start(|_| status(200));
    let registry = Arc::new(Registry::new());
    for at in 0..SERIES {
        registry.counter("c").label("at", &at.to_string()).register().unwrap().add(at as u64 + 1);
    }
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let client = client_of(&registry).attempt_timeout(NEVER).exporter(sentry).start().unwrap();
    let report = client.flush(PATIENCE * 2);
    assert!(report.is_delivered(), "{report}");
    let metrics = server.metrics();
    assert_eq!(server.seen().len(), metrics.len().div_ceil(1_000));
    let sums = sums(&metrics);
    assert_eq!(sums.len(), SERIES);
    assert_eq!(sums, recorded(&registry));
    assert_eq!(metrics.iter().filter(|it| is_of_program(it)).count(), SERIES);
    assert_eq!(dropped(&registry), 0);
    client.stop(PATIENCE);
}

#[test]
fn what_cannot_be_sent_is_counted_once_a_delivery() {
    let mut answers = [500, 400].into_iter();
    let server = Server::start(move |_| status(answers.next().unwrap_or(200)));
    let registry = Arc::new(Registry::new());
    registry.gauge("nan").register().unwrap().set(f64::NAN);
    let long = "x".repeat(3_000);
    registry.counter("long").label("at", &long).register().unwrap().increment();
    registry.counter("c").register().unwrap().increment();
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let client = client_of(&registry).exporter(sentry).start().unwrap();
    let dropped = |cause| {
        let labels = [("exporter", "sentry"), ("cause", cause)];
        registry.snapshot().counter("quipu.export.dropped", &labels).unwrap()
    };
    assert!(!client.flush(PATIENCE).is_delivered());
    assert_eq!(["unrepresentable", "too_large", "refused"].map(dropped), [0, 0, 0]);
    assert!(!client.flush(PATIENCE).is_delivered());
    // The batch that failed first is what is refused; the newest one has followed it.
    let [unrepresentable, too_large, refused] =
        ["unrepresentable", "too_large", "refused"].map(dropped);
    assert_eq!((unrepresentable, too_large), (2, 1));
    let metrics = server.metrics();
    assert!(refused > 0 && metrics.iter().all(|metric| metric.name != "c"), "{refused}");
    assert!(client.stop(PATIENCE).is_delivered());
    assert!(sums(&server.metrics()).is_empty());
}

/// What was learned from an answer to metrics holds metrics back, and from then on no request is made.
#[test]
fn limited_metrics_wait_without_a_request() {
    let server = Server::start(|_| limited(200, "3600:trace_metric:organization:quota"));
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().increment();
    let clock = ManualClock::new();
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let client = client_of(&registry).clock(clock.clone()).flush_interval(INTERVAL);
    let client = client.exporter(sentry).start().unwrap();
    clock.advance(INTERVAL);
    assert_eq!(server.seen().len(), 1);
    for _ in 0..3 {
        clock.advance(Duration::from_secs(301));
    }
    let exporter = client.report().exporters.remove(0);
    assert_eq!((server.seen().len(), exporter.failures), (1, 3));
    let failure = exporter.last_failure.unwrap();
    assert!(failure.starts_with("Sentry wants no metrics for another 3"), "{failure}");
    let report = client.stop(Duration::from_millis(1));
    assert!(!report.is_delivered());
}

#[test]
fn a_server_that_never_answers_does_not_hold_a_stop_up() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    // Its connections are made by the system, and nobody ever takes them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://{KEY}@{}/1", listener.local_addr().unwrap());
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().increment();
    let client = client_of(&registry).exporter(Sentry::new(&dsn).unwrap());
    // What is under way at the stop goes on for longer than that.
    let client = client.stop_timeout(Duration::ZERO).start().unwrap();
    client.capture_error(&std::fmt::Error, &[]);
    client.flush(Duration::from_millis(20));
    let begun = Instant::now();
    let report = client.stop(TIMEOUT);
    let took = begun.elapsed();
    assert!(took <= TIMEOUT + GRACE, "it took {took:?}");
    assert!(!report.is_delivered());
}
