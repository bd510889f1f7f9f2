//! Captured traces, which share the way of errors.

use super::*;
use quipu::{CapturedTrace, TraceDelivery};
use std::time::SystemTime;

fn trace(name: &str) -> CapturedTrace {
    CapturedTrace::new(name, "test", SystemTime::UNIX_EPOCH, Duration::from_millis(3))
}

fn names(traces: &[Arc<CapturedTrace>]) -> Vec<&str> {
    traces.iter().map(|trace| trace.name()).collect()
}

fn counted(registry: &Registry, name: &str, cause: Option<&str>) -> u64 {
    let labels: Vec<_> = cause.map(|cause| ("cause", cause)).into_iter().collect();
    registry.snapshot().counter(name, &labels).unwrap()
}

#[test]
fn traces_arrive_in_order_with_all_that_is_known_of_them() {
    let (registry, _) = registry();
    let exporter = TestExporter::new();
    let client = client_of(&registry).traces_rate(1.0).exporter(exporter.clone()).start().unwrap();
    client.capture_trace(|| trace("first").attribute("route", "/").failed());
    client.capture_trace(|| trace("second"));
    wait_until("the traces", || exporter.traces().len() == 2);
    let traces = exporter.traces();
    assert_eq!(names(&traces), ["first", "second"]);
    assert_eq!(traces[0].attributes().collect::<Vec<_>>(), [("route", "/")]);
    assert_eq!((traces[0].is_ok(), traces[1].is_ok()), (false, true));
    assert_eq!((traces[0].operation(), traces[0].start()), ("test", SystemTime::UNIX_EPOCH));
    assert_eq!(traces[0].duration(), Duration::from_millis(3));
    assert_eq!(client.report().flushes, 0);
}

#[test]
fn none_is_made_by_default() {
    let (registry, _) = registry();
    let client = client_of(&registry).exporter(TestExporter::new()).start().unwrap();
    client.capture_trace(|| unreachable!("it is sampled out"));
    assert_eq!(counted(&registry, "quipu.traces.captured", None), 1);
    assert_eq!(counted(&registry, "quipu.traces.sampled_out", None), 1);
}

#[test]
fn traces_that_no_exporter_takes_are_counted() {
    let (registry, _) = registry();
    let client = client_of(&registry).traces_rate(1.0).start().unwrap();
    client.capture_trace(|| unreachable!("nobody takes it"));
    assert_eq!(counted(&registry, "quipu.traces.dropped", Some("no_exporter")), 1);
}

#[test]
fn texts_and_attributes_are_bounded() {
    let mut long = CapturedTrace::new(
        &"n".repeat(5 * KIB),
        &"o".repeat(5 * KIB),
        SystemTime::UNIX_EPOCH,
        Duration::ZERO,
    );
    for number in 0..100 {
        long = long.attribute(&format!("{number:5000}"), &"v".repeat(5 * KIB));
    }
    assert_eq!((long.name().len(), long.operation().len()), (KIB, KIB));
    assert_eq!(long.attributes().len(), 64);
    assert!(long.attributes().all(|(key, value)| key.len() == KIB && value.len() == KIB));
}

/// Fails the first delivery of what is `failing`, and notes what it was given.
struct Noting {
    failing: &'static str,
    log: Arc<Mutex<Vec<String>>>,
}

impl Noting {
    fn note(&mut self, what: &'static str, names: Vec<String>) -> Result<(), ExportError> {
        self.log.lock().unwrap().push(format!("{what} {}", names.join(" ")));
        if self.failing == what {
            self.failing = "";
            return Err(ExportError::new(FailureCause::Unavailable, "not now"));
        }
        Ok(())
    }
}

impl Exporter for Noting {
    fn name(&self) -> &str {
        "noting"
    }

    fn export(&mut self, _: &Delivery<'_>) -> Result<(), ExportError> {
        self.note("snapshot", Vec::new())
    }

    fn takes_errors(&self) -> bool {
        true
    }

    fn export_errors(&mut self, delivery: &ErrorDelivery<'_>) -> Result<(), ExportError> {
        let messages = delivery.errors().iter().map(|error| error.message().to_owned());
        self.note("errors", messages.collect())
    }

    fn takes_traces(&self) -> bool {
        true
    }

    fn export_traces(&mut self, delivery: &TraceDelivery<'_>) -> Result<(), ExportError> {
        let names = delivery.traces().iter().map(|trace| trace.name().to_owned());
        self.note("traces", names.collect())
    }
}

#[test]
fn traces_that_failed_come_again_and_hold_neither_errors_nor_snapshots_up() {
    let (registry, _) = registry();
    let log = Arc::new(Mutex::new(Vec::new()));
    let exporter = Noting { failing: "traces", log: log.clone() };
    let client = client_of(&registry).traces_rate(1.0).backoff(NEVER..=NEVER).exporter(exporter);
    let client = client.start().unwrap();
    client.capture_trace(|| trace("one"));
    wait_until("the failure", || log.lock().unwrap().len() == 1);
    capture(&client, "broken");
    client.flush(PATIENCE);
    assert!(client.stop(PATIENCE).is_delivered());
    let log = log.lock().unwrap();
    let of = |what: &str| log.iter().filter(|line| line.starts_with(what)).count();
    assert_eq!((of("traces one"), of("errors broken")), (2, 1), "{log:?}");
    assert!(of("snapshot") >= 2, "{log:?}");
}

#[test]
fn traces_that_nobody_took_by_the_end_are_counted() {
    struct Down;
    impl Exporter for Down {
        fn name(&self) -> &str {
            "down"
        }

        fn export(&mut self, _: &Delivery<'_>) -> Result<(), ExportError> {
            Ok(())
        }

        fn takes_traces(&self) -> bool {
            true
        }

        fn export_traces(&mut self, delivery: &TraceDelivery<'_>) -> Result<(), ExportError> {
            let refused = delivery.traces().iter().any(|trace| trace.name() == "refused");
            let cause = if refused { FailureCause::Rejected } else { FailureCause::Unavailable };
            Err(ExportError::new(cause, "down"))
        }
    }
    let (registry, _) = registry();
    let client = client_of(&registry).traces_rate(1.0).exporter(Down).start().unwrap();
    client.capture_trace(|| trace("refused"));
    let refused = || counted(&registry, "quipu.traces.dropped", Some("rejected")) == 1;
    wait_until("the refusal", refused);
    client.capture_trace(|| trace("late"));
    client.stop(Duration::from_millis(50));
    assert_eq!(counted(&registry, "quipu.traces.dropped", Some("stopped")), 1);
}
