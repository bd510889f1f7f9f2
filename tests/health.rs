//! What a client says of itself: its health, and its own metrics among the others.
#![cfg(not(loom))]

mod exporter;

use exporter::{
    Gate, NEVER, PATIENCE, by, client_of, gate, held_back, registry, returns, wait_until,
};
use quipu::testing::{ManualClock, TestExporter};
use quipu::{Client, Delivery, ExportError, FailureCause, Liveness, Registry, Snapshot};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_client_whose_exporters_acknowledge_is_live() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let client = client_of(&registry).clock(clock.clone()).flush_interval(SECOND);
    let client = client.exporter(TestExporter::new()).start().unwrap();
    assert!(client.is_enabled() && client.health().is_live());
    for _ in 0..20 {
        clock.advance(SECOND);
        assert_eq!(client.health().to_string(), "live");
    }
}

#[test]
fn a_client_whose_exporter_fails_is_late_until_it_succeeds() {
    let (registry, _) = registry();
    let exporter = TestExporter::new();
    let client = client_of(&registry).exporter(exporter.clone()).backoff(NEVER..=NEVER);
    let client = client.start().unwrap();
    exporter.fail_next("no route to host");
    exporter.fail_next("connection refused");
    client.flush(PATIENCE);
    let health = client.health();
    assert_eq!(health.liveness, Liveness::Late);
    assert_eq!(health.reasons, ["test failed 1 in a row: no route to host"]);
    client.flush(PATIENCE);
    assert_eq!(client.health().to_string(), "late: test failed 2 in a row: connection refused");
    client.flush(PATIENCE);
    assert!(client.health().is_live());
}

#[test]
fn a_client_whose_exporter_does_not_return_is_late() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let (hanging, held) = held_back("hanging");
    let client = client_of(&registry).clock(clock.clone()).attempt_timeout(2 * SECOND);
    let client = client.exporter(hanging).start().unwrap();
    client.flush(Duration::ZERO);
    held.wait();
    clock.jump(2 * SECOND);
    assert!(client.health().is_live());
    clock.jump(SECOND);
    assert_eq!(client.health().to_string(), "late: hanging has not returned for 3.0 s");
    drop(held);
    assert!(clock.settle(PATIENCE));
    assert!(client.health().is_live());
}

#[test]
fn a_client_that_was_stopped_is_dead() {
    let (registry, _) = registry();
    let client = client_of(&registry).exporter(TestExporter::new()).start().unwrap();
    client.stop(PATIENCE);
    let health = client.health();
    assert_eq!(health.liveness, Liveness::Dead);
    assert_eq!(health.to_string(), "dead: the flusher has stopped");
    assert!(client.is_enabled());
}

/// A registry that the flusher cannot get at while the gate is there.
struct Withheld(Arc<Registry>, Mutex<Option<Gate>>);

impl Deref for Withheld {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        if let Some(gate) = self.1.lock().unwrap().take() {
            gate.pass();
        }
        &self.0
    }
}

#[test]
fn a_client_that_does_not_flush_is_late_and_then_dead() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let withheld = Arc::new(Withheld(registry, Mutex::new(None)));
    struct Shared(Arc<Withheld>);
    impl Deref for Shared {
        type Target = Registry;

        fn deref(&self) -> &Registry {
            &self.0
        }
    }
    let client = Client::builder().registry(Shared(withheld.clone())).clock(clock.clone());
    let client = client.flush_interval(SECOND).start().unwrap();
    clock.advance(SECOND);
    let (gate, held) = gate();
    *withheld.1.lock().unwrap() = Some(gate);
    clock.jump(SECOND);
    held.wait();
    clock.jump(2 * SECOND);
    assert!(client.health().is_live());
    clock.jump(SECOND);
    assert_eq!(client.health().to_string(), "late: no flush for 4.0 s, the interval is 1s");
    clock.jump(16 * SECOND);
    assert_eq!(client.health().liveness, Liveness::Late);
    clock.jump(SECOND);
    let health = client.health();
    assert_eq!(health.to_string(), "dead: no flush for 21.0 s, the interval is 1s");
    assert_eq!(health.liveness, Liveness::Dead);
    drop(held);
    assert!(clock.settle(PATIENCE));
    assert!(client.health().is_live());
}

/// The value of a metric of the exporter `name`.
fn of(snapshot: &Snapshot, metric: &str, name: &str) -> u64 {
    snapshot.counter(metric, &[("exporter", name)]).unwrap()
}

#[test]
fn deliveries_are_measured() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let failing = TestExporter::new();
    let counting = by("counting", |delivery: &Delivery<'_>| {
        delivery.count_bytes(100);
        delivery.count_bytes(20);
        Ok(())
    });
    let client = client_of(&registry).clock(clock.clone()).flush_interval(5 * SECOND);
    let client = client.exporter(counting).exporter(failing.clone());
    let client = client.backoff(SECOND..=SECOND).start().unwrap();
    clock.advance(5 * SECOND);
    failing.fail_next("as intended");
    clock.advance(5 * SECOND);
    clock.advance(5 * SECOND);
    let snapshot = registry.snapshot();
    assert_eq!(of(&snapshot, "quipu.export.attempts", "counting"), 3);
    assert_eq!(of(&snapshot, "quipu.export.bytes", "counting"), 3 * 120);
    // The one that failed was tried again after a second or two.
    assert!((3..=4).contains(&of(&snapshot, "quipu.export.attempts", "test")));
    assert_eq!(of(&snapshot, "quipu.export.bytes", "test"), 0);
    let failures = |name, cause| {
        let labels = [("cause", cause), ("exporter", name)];
        snapshot.counter("quipu.export.failures", &labels)
    };
    assert_eq!(failures("test", "other"), Some(1));
    assert_eq!(failures("test", "panicked"), Some(0));
    assert_eq!(failures("counting", "other"), Some(0));
    let took = |metric, labels: &[_]| snapshot.histogram(metric, labels).unwrap().count();
    assert_eq!(took("quipu.flush.duration", &[]), 3);
    assert_eq!(took("quipu.export.duration", &[("exporter", "counting")]), 3);
    // As of the last flush, by the one before it.
    let age = |name| snapshot.gauge("quipu.snapshot.age", &[("exporter", name)]);
    assert_eq!(age("counting"), Some(5.0));
    drop(client);
}

#[test]
fn each_cause_of_a_failure_is_counted_by_its_name() {
    let (registry, _) = registry();
    let mut causes = [
        (FailureCause::Unreachable, "unreachable"),
        (FailureCause::TimedOut, "timed_out"),
        (FailureCause::RateLimited, "rate_limited"),
        (FailureCause::Rejected, "rejected"),
        (FailureCause::Storage, "storage"),
        (FailureCause::Other, "other"),
    ]
    .into_iter();
    let names: Vec<_> = causes.clone().map(|(_, name)| name).collect();
    let failing = by("failing", move |_: &Delivery<'_>| match causes.next() {
        Some((cause, _)) => Err(ExportError::new(cause, "as intended")),
        None => panic!("as intended"),
    });
    let client = client_of(&registry).exporter(failing).backoff(NEVER..=NEVER).start().unwrap();
    for name in names.into_iter().chain(["panicked"]) {
        let failures = || {
            let labels = [("cause", name), ("exporter", "failing")];
            registry.snapshot().counter("quipu.export.failures", &labels)
        };
        assert_eq!(failures(), Some(0), "{name}");
        client.flush(PATIENCE);
        assert_eq!(failures(), Some(1), "{name}");
    }
    client.stop(SECOND / 20);
}

#[test]
fn refusals_and_detached_records_are_measured() {
    let (registry, _) = registry();
    let client = client_of(&registry).start().unwrap();
    let detached = registry.counter("not a name").register_or_detached();
    assert!(registry.gauge("c").register().is_err());
    detached.add(3);
    client.flush(PATIENCE);
    let latest = registry.latest().unwrap();
    assert_eq!(latest.counter("quipu.registrations.refused", &[]), Some(2));
    assert_eq!(latest.counter("quipu.records.detached", &[]), Some(quipu::detached_records()));
    detached.add(2);
    client.flush(PATIENCE);
    let latest = registry.latest().unwrap();
    assert_eq!(latest.counter("quipu.registrations.refused", &[]), Some(2));
    assert_eq!(latest.counter("quipu.records.detached", &[]), Some(quipu::detached_records()));
    assert!(quipu::detached_records() >= 5);
}

#[test]
fn what_one_client_has_measured_the_next_one_does_not_measure_again() {
    let (registry, _) = registry();
    assert!(registry.gauge("c").register().is_err());
    for _ in 0..2 {
        let client = client_of(&registry).start().unwrap();
        client.stop(PATIENCE);
        let refused = registry.latest().unwrap().counter("quipu.registrations.refused", &[]);
        assert_eq!(refused, Some(1));
    }
}

#[test]
fn the_store_is_measured() {
    let (registry, counter) = registry();
    counter.increment();
    let client = client_of(&registry).start().unwrap();
    client.flush(PATIENCE);
    let latest = registry.latest().unwrap();
    let usage = quipu::store_usage();
    let gauge = |name| latest.gauge(name, &[]).unwrap();
    assert!(gauge("quipu.shards.leased") >= 1.0);
    assert!(gauge("quipu.shards.ever_used") >= gauge("quipu.shards.leased"));
    assert!(gauge("quipu.shards.ever_used") <= usage.shards_ever_used as f64);
    let reserved = gauge("quipu.bytes.reserved");
    assert!(reserved > 0.0 && reserved <= usage.bytes_reserved as f64);
    if usage.bytes_committed.is_some() {
        let committed = gauge("quipu.bytes.committed");
        assert!(committed > 0.0 && committed <= reserved);
    }
}

#[test]
fn the_store_is_measured_again_after_ten_seconds() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let client = client_of(&registry).clock(clock.clone()).flush_interval(SECOND);
    let _client = client.start().unwrap();
    clock.advance(SECOND);
    // Its own gauge, moved away: whoever sets it again has measured.
    let gauge = registry.gauge("quipu.shards.leased").register().unwrap();
    gauge.set(-1.0);
    let leased = || registry.latest().unwrap().gauge("quipu.shards.leased", &[]).unwrap();
    for _ in 0..9 {
        clock.advance(SECOND);
        assert_eq!(leased(), -1.0);
    }
    clock.advance(SECOND);
    assert!(leased() >= 0.0);
}

/// A registry that the flusher gets at once, and then not again.
struct Fickle(Arc<Registry>, AtomicBool);

impl Deref for Fickle {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        assert!(!self.1.load(SeqCst), "as intended");
        &self.0
    }
}

#[test]
fn a_client_whose_flusher_panicked_is_dead_and_its_threads_end() {
    let (registry, _) = registry();
    let fickle: &'static Fickle = Box::leak(Box::new(Fickle(registry, AtomicBool::new(false))));
    struct Shared(&'static Fickle);
    impl Deref for Shared {
        type Target = Registry;

        fn deref(&self) -> &Registry {
            self.0
        }
    }
    let client = Client::builder().registry(Shared(fickle)).flush_interval(SECOND / 20);
    let client = client.exporter(TestExporter::new()).start().unwrap();
    client.flush(PATIENCE);
    fickle.1.store(true, SeqCst);
    wait_until("the end", || client.health().to_string() == "dead: the flusher has stopped");
    let report = returns(move || client.stop(PATIENCE));
    assert!(!report.exporters[0].is_running);
}
