//! Captured errors and traces: each arrives once, whatever fails.

use crate::exporter::{PATIENCE, client_of, wait_until};
use crate::server::{KEY, Reply, Server, limited, status};
use fastrand::Rng;
use quipu::testing::ManualClock;
use quipu::{CapturedTrace, Registry, Sentry};
use sentry_types::protocol::v7::Level;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

#[derive(Debug)]
struct Failed(String, Option<Box<Failed>>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

fn dropped(registry: &Registry, name: &str, cause: &str) -> u64 {
    registry.snapshot().counter(name, &[("cause", cause)]).unwrap()
}

#[test]
fn errors_arrive_once_each_with_chain_and_context() {
    const ERRORS: usize = 150;
    let mut faults = Rng::with_seed(3);
    let server = Server::start(move |_| match faults.u8(..8) {
        0 => status(500),
        1 => Reply::Reset,
        2 => Reply::Close,
        3 => limited(429, "0.01:error:organization"),
        _ => status(200),
    });
    let registry = Arc::new(Registry::new());
    let clock = ManualClock::new();
    let sentry = Sentry::new(&server.dsn()).unwrap().release("shop@1").environment("test");
    let client = client_of(&registry).clock(clock.clone()).exporter(sentry).start().unwrap();
    for at in 0..ERRORS {
        let source = Box::new(Failed(format!("source {at}"), None));
        let error = Failed(format!("error {at}"), Some(source));
        client.capture_error(&error, &[("at", &at)]);
    }
    wait_until("all errors", || {
        clock.advance(Duration::from_secs(60));
        server.events().len() >= ERRORS
    });
    clock.advance(Duration::from_secs(60));
    let events = server.events();
    assert_eq!(events.len(), ERRORS);
    let mut seen = BTreeSet::new();
    for event in &events {
        let at = event.extra["at"].as_str().unwrap();
        let told: Vec<_> = event.exception.iter().map(|it| it.value.as_deref()).collect();
        let (source, error) = (format!("source {at}"), format!("error {at}"));
        assert_eq!(told, [Some(&*source), Some(&*error)]);
        assert_eq!((event.level, event.release.as_deref()), (Level::Error, Some("shop@1")));
        assert_eq!(event.environment.as_deref(), Some("test"));
        seen.insert(at.to_owned());
    }
    assert_eq!(seen.len(), ERRORS);
    assert!(client.report().exporters[0].failures > 20, "{}", client.report());
    // Sentry knows what comes again by its id.
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for request in server.seen().iter().filter(|request| !request.is_of_metrics()) {
        let envelope = request.envelope();
        let event = envelope.event().unwrap();
        let at = event.extra["at"].to_string();
        ids.entry(at).or_default().insert(envelope.uuid().unwrap().to_string());
    }
    assert!(ids.values().all(|ids| ids.len() == 1));
    assert!(server.seen().len() > ERRORS + 20);
    client.stop(PATIENCE);
}

#[test]
fn a_panic_is_fatal_and_says_where() {
    let server = Server::start(|_| status(200));
    let registry = Arc::new(Registry::new());
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let client = client_of(&registry).exporter(sentry).start().unwrap();
    client.capture_panics();
    let worker = thread::Builder::new().name("worker-3".to_owned());
    let line = line!() + 1;
    worker.spawn(|| panic!("as intended")).unwrap().join().unwrap_err();
    wait_until("the panic", || !server.events().is_empty());
    assert!(client.stop(PATIENCE).is_delivered());
    let events = server.events();
    let told = |event: &&sentry_types::protocol::v7::Event<'_>| {
        event.exception[0].value.as_deref() == Some("as intended")
    };
    let event = events.iter().find(told).unwrap();
    assert_eq!(event.level, Level::Fatal);
    let exception = &event.exception[0];
    let mechanism = exception.mechanism.as_ref().unwrap();
    assert_eq!((&*mechanism.ty, mechanism.handled), ("panic", Some(false)));
    let frame = &exception.stacktrace.as_ref().unwrap().frames[0];
    assert_eq!((frame.filename.as_deref(), frame.lineno), (Some(file!()), Some(line.into())));
    assert_eq!(event.threads[0].name.as_deref(), Some("worker-3"));
    assert!(event.threads[0].crashed);
    let location = event.extra["panic.location"].as_str().unwrap();
    assert!(location.starts_with(&format!("{}:{line}:", file!())), "{location}");
}

#[test]
fn of_errors_only_those_that_are_refused_are_dropped() {
    let server = Server::start(|request| {
        let is_poison = request.body.windows(6).any(|window| window == b"poison");
        status(if is_poison { 400 } else { 200 })
    });
    let registry = Arc::new(Registry::new());
    let clock = ManualClock::new();
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let client = client_of(&registry).clock(clock.clone()).exporter(sentry).start().unwrap();
    // One by one would be deliveries of their own, of which one would be refused in whole.
    for text in ["fine", "poison", "good"].repeat(10) {
        client.capture_error(&Failed(text.to_owned(), None), &[]);
    }
    wait_until("the errors", || {
        clock.advance(Duration::from_secs(60));
        server.events().len() == 20 && dropped(&registry, "quipu.errors.dropped", "rejected") == 10
    });
    assert!(client.stop(PATIENCE).is_delivered());
    assert_eq!(server.events().len(), 20);
    assert_eq!(dropped(&registry, "quipu.errors.dropped", "rejected"), 10);
}

fn trace(code: &str) -> CapturedTrace {
    let name = "GET /users/{id}";
    let trace = CapturedTrace::new(name, "http.server", SystemTime::now(), Duration::from_secs(1));
    trace.attribute("http.response.status_code", code)
}

#[test]
fn traces_arrive_as_transactions_and_limits_of_theirs_touch_nothing_else() {
    let mut transactions = 0;
    let server = Server::start(move |request| {
        transactions += u32::from(!request.is_of_metrics());
        match transactions {
            2 if !request.is_of_metrics() => limited(429, "3600:transaction:organization"),
            _ => status(200),
        }
    });
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let sentry = Sentry::new(&server.dsn()).unwrap().release("shop@1");
    let client = client_of(&registry).traces_rate(1.0).exporter(sentry).start().unwrap();
    client.capture_trace(|| trace("404"));
    wait_until("the trace", || server.transactions().len() == 1);
    client.capture_trace(|| trace("200"));
    let limited = || dropped(&registry, "quipu.traces.dropped", "rate_limited");
    wait_until("the limit", || limited() == 1);
    client.capture_trace(|| trace("200"));
    wait_until("the dropped trace", || limited() == 2);
    counter.increment();
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    assert_eq!(report.exporters[0].failures, 0);
    assert_eq!(server.metrics().iter().filter(|metric| metric.name == "c").count(), 1);
    let requests = server.seen();
    assert_eq!(requests.iter().filter(|request| !request.is_of_metrics()).count(), 2);
    let transactions = server.transactions();
    assert_eq!(transactions.len(), 1);
    assert_eq!(transactions[0].name.as_deref(), Some("GET /users/{id}"));
    assert_eq!(transactions[0].release.as_deref(), Some("shop@1"));
    let took = transactions[0].timestamp.unwrap().duration_since(transactions[0].start_timestamp);
    let error = took.unwrap().abs_diff(Duration::from_secs(1));
    assert!(error < Duration::from_micros(2), "{error:?}");
}

#[test]
fn limited_errors_do_not_hold_metrics_up() {
    let server = Server::start(|request| match request.is_of_metrics() {
        true => status(200),
        false => limited(429, "3600:error:organization"),
    });
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let (clock, interval) = (ManualClock::new(), Duration::from_secs(10));
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let client = client_of(&registry).clock(clock.clone()).flush_interval(interval);
    let client = client.exporter(sentry).start().unwrap();
    client.capture_error(&fmt::Error, &[]);
    for _ in 0..10 {
        counter.increment();
        clock.advance(interval);
    }
    let arrived = server.metrics().iter().filter(|metric| metric.name == "c").count();
    assert!(arrived >= 5, "{arrived}");
    assert_eq!(server.seen().iter().filter(|request| !request.is_of_metrics()).count(), 1);
    let report = client.stop(PATIENCE.min(Duration::from_millis(50)));
    assert_eq!(report.exporters[0].errors_undelivered, 1, "{report}");
}

#[test]
fn no_answer_makes_the_key_known() {
    let server = Server::start(|request| {
        let auth = request.header("x-sentry-auth").unwrap_or_default();
        Reply::Answer(403, String::new(), format!("no such key: {KEY} ({auth})"))
    });
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().increment();
    let sentry = Sentry::new(&server.dsn()).unwrap();
    let shown = format!("{sentry:?} {sentry:#?}");
    let client = client_of(&registry).exporter(sentry).start().unwrap();
    let report = client.flush(PATIENCE);
    let shown = format!("{shown} {report} {report:?} {client:?}");
    assert!(shown.contains("answered 403; is the key right?: no such key: [secret]"), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");
}
