//! What becomes of requests that are refused: nothing is delivered twice, and what is lost is counted.

use super::collector::{Answer, Collector, Received, taken};
use super::exporter::{PATIENCE, wait_until};
use super::process::in_own_process;
use super::{client, dropped, flush, oracle, otlp, read, reading, sum_of};
use quipu::{Registry, Temporality};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

const TEMPORALITIES: [Temporality; 2] = [Temporality::Cumulative, Temporality::Delta];

/// Failures of an exporter by cause, as its own metrics say.
fn failures(registry: &Registry, cause: &str) -> u64 {
    let labels = [("exporter", "otlp"), ("cause", cause)];
    registry.snapshot().counter("quipu.export.failures", &labels).unwrap()
}

#[test]
fn what_may_be_sent_again_is_sent_again() {
    for (status, cause) in
        [(429, "rate_limited"), (502, "unavailable"), (503, "unavailable"), (504, "unavailable")]
    {
        for temporality in TEMPORALITIES {
            let registry = Arc::new(Registry::new());
            let counter = registry.counter("c").register().unwrap();
            let collector = Collector::start();
            let client = client(&registry, otlp(&collector).temporality(temporality));
            collector.always(status, "", "later");
            counter.add(3);
            assert!(!client.flush(PATIENCE).is_delivered());
            counter.add(4);
            assert!(!client.flush(PATIENCE).is_delivered());
            assert!(failures(&registry, cause) >= 2);
            collector.answer(|_| taken());
            collector.take();
            let (requests, _) = flush(&client, &registry, &collector);
            assert_eq!(sum_of(&requests, "c"), 7, "{status} {temporality:?} {requests:?}");
            assert_eq!(dropped(&registry, "refused"), 0);
        }
    }
}

#[test]
fn silence_that_is_asked_for_is_kept() {
    let registry = Arc::new(Registry::new());
    let collector = Collector::start();
    let client = client(&registry, otlp(&collector));
    collector.always(503, "retry-after: 100000\r\n", "");
    assert!(!client.flush(PATIENCE).is_delivered());
    assert!(!client.flush(PATIENCE).is_delivered());
    assert_eq!(collector.received().len(), 1);
    assert_eq!(failures(&registry, "rate_limited"), 1);
}

#[test]
fn totals_that_were_refused_come_again() {
    for (status, cause) in [
        (400, "rejected"),
        (404, "rejected"),
        (413, "rejected"),
        (500, "rejected"),
        (301, "rejected"),
        (401, "unauthorized"),
    ] {
        let registry = Arc::new(Registry::new());
        registry.counter("c").register().unwrap().add(3);
        let collector = Collector::start();
        let client = client(&registry, otlp(&collector));
        collector.always(status, "", "never");
        assert!(!client.flush(PATIENCE).is_delivered());
        assert_eq!(failures(&registry, cause), 1, "{status}");
        assert_eq!(dropped(&registry, "refused"), 0);
        collector.answer(|_| taken());
        collector.take();
        let (requests, snapshot) = flush(&client, &registry, &collector);
        oracle::check(&requests, &snapshot, None);
        assert_eq!(sum_of(&requests, "c"), 3);
    }
}

#[test]
fn deltas_that_were_refused_are_dropped_and_counted() {
    for status in [400, 401, 404, 500] {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let collector = Collector::start();
        let client = client(&registry, otlp(&collector).temporality(Temporality::Delta));
        collector.always(status, "", "never");
        counter.add(3);
        assert!(!client.flush(PATIENCE).is_delivered());
        collector.answer(|_| taken());
        let refused: usize =
            read(&collector.take())[0].metrics.iter().map(|m| m.points.len()).sum();
        assert_eq!(dropped(&registry, "refused"), refused as u64);
        assert_eq!(failures(&registry, "rejected"), 1);
        counter.add(4);
        let (requests, _) = flush(&client, &registry, &collector);
        assert_eq!(sum_of(&requests, "c"), 4, "{status}");
    }
}

/// A registry whose delivery takes three requests.
fn large_registry() -> Arc<Registry> {
    let registry = Arc::new(Registry::new());
    for number in 0..2_500 {
        let long = format!("{number:04}{}", "x".repeat(4_000));
        registry.counter("c").label("long", &long).register().unwrap().increment();
    }
    registry
}

#[test]
fn a_delta_is_delivered_once_though_requests_of_it_fail() {
    let registry = large_registry();
    let late = registry.counter("late").register().unwrap();
    let collector = Collector::start();
    let accepted: Arc<Mutex<Vec<Received>>> = Arc::default();
    let is_well = Arc::new(AtomicBool::new(false));
    let (books, health, mut count) = (accepted.clone(), is_well.clone(), 0);
    // Every other request fails.
    collector.answer(move |received| {
        count += 1;
        if count % 2 == 0 && !health.load(Relaxed) {
            return Answer(503, "", Vec::new());
        }
        books.lock().unwrap().push(received.clone());
        taken()
    });
    let client = client(&registry, otlp(&collector).temporality(Temporality::Delta));
    wait_until("six requests are taken", || {
        late.increment();
        client.flush(PATIENCE);
        accepted.lock().unwrap().len() >= 6
    });
    is_well.store(true, Relaxed);
    assert!(client.flush(PATIENCE).is_delivered());
    let requests = read(&accepted.lock().unwrap());
    assert_eq!(sum_of(&requests, "c"), 2_500);
    let snapshot = registry.latest().unwrap();
    assert_eq!(sum_of(&requests, "late") as u64, snapshot.counter("late", &[]).unwrap());
    assert_eq!(dropped(&registry, "refused"), 0);
}

#[test]
fn one_request_that_is_refused_does_not_hold_up_the_others() {
    for temporality in TEMPORALITIES {
        let registry = large_registry();
        let collector = Collector::start();
        let mut count = 0;
        collector.answer(move |_| {
            count += 1;
            if count == 2 { Answer(413, "", Vec::new()) } else { taken() }
        });
        let client = client(&registry, otlp(&collector).temporality(temporality));
        assert!(!client.flush(PATIENCE).is_delivered());
        let requests = read(&collector.take());
        assert_eq!(requests.len(), 3, "{temporality:?}");
        let refused: usize = requests[1].metrics.iter().map(|metric| metric.points.len()).sum();
        let is_delta = temporality == Temporality::Delta;
        assert_eq!(dropped(&registry, "refused"), if is_delta { refused as u64 } else { 0 });
    }
}

/// A message `ExportMetricsServiceResponse`.
fn partial(rejected: u8, message: &str) -> Vec<u8> {
    let inner = [&[0x08, rejected, 0x12, message.len() as u8], message.as_bytes()].concat();
    [&[0x0a, inner.len() as u8][..], &inner].concat()
}

struct Logger;

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "quipu" {
            LOGGED.lock().unwrap().push(format!("{}: {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

#[test]
fn partial_success_is_taken_counted_and_told() {
    in_own_process("failures::partial_success_is_taken_counted_and_told", || {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        let registry = Arc::new(Registry::new());
        registry.counter("c").register().unwrap().add(3);
        let collector = Collector::start();
        let body = partial(2, "too old, key 5entine1");
        collector.answer(move |_| Answer(200, "", body.clone()));
        let otlp = otlp(&collector).header("api-key", "5entine1").unwrap();
        let client = client(&registry, otlp.temporality(Temporality::Delta));
        for _ in 0..5 {
            registry.counter("c").register().unwrap().increment();
            let (requests, _) = flush(&client, &registry, &collector);
            assert_eq!(requests.len(), 1, "it is not sent again");
        }
        assert_eq!(dropped(&registry, "refused"), 10);
        let logged = LOGGED.lock().unwrap();
        let told: Vec<_> = logged.iter().filter(|line| line.contains("rejected 2")).collect();
        assert_eq!(told.len(), 3, "{logged:?}");
        assert!(told[0].starts_with("WARN: http://127.0.0.1:"), "{logged:?}");
        assert!(told[0].contains("too old, key [secret]; remarks so far: 1"), "{logged:?}");
        assert!(told[2].ends_with("so far: 4"), "{logged:?}");
    });
}

#[test]
fn the_last_delivery_carries_what_is_left() {
    for temporality in TEMPORALITIES {
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let collector = Collector::start();
        collector.always(503, "", "");
        let client = client(&registry, otlp(&collector).temporality(temporality));
        counter.add(3);
        assert!(!client.flush(PATIENCE).is_delivered());
        counter.add(4);
        collector.answer(|_| taken());
        collector.take();
        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        let requests: Vec<_> =
            collector.take().iter().map(|received| reading::request(&received.body)).collect();
        assert_eq!(sum_of(&requests, "c"), 7, "{temporality:?}");
    }
}
