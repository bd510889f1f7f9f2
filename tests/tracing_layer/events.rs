//! Events, and those that quipu's own log lines become.

use super::process::in_own_process;
use super::{active, closed, events, expected, layer, measured, nothing, within};
use quipu::testing::{ManualClock, TestExporter};
use quipu::{Client, RegisterError};
use std::time::Duration;
use tracing::{debug, error, info, info_span, warn};
use tracing_subscriber::prelude::*;

#[test]
fn events_are_told_apart_by_level_and_target() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        for number in 0..5 {
            info!(target: "a", number, "one");
        }
        info!(target: "a", "another call site");
        warn!(target: "a", "one");
        info!(target: "b", "one");
        debug!("one");
        info_span!("span").in_scope(|| error!(target: "a", "within a span"));
    });
    let counts = [
        ("DEBUG tracing_layer::events", 1),
        ("ERROR a", 1),
        ("INFO a", 6),
        ("INFO b", 1),
        ("WARN a", 1),
    ];
    assert_eq!(events(&registry), expected(counts));
}

#[test]
fn events_of_all_threads_are_counted() {
    let (subscriber, registry) = measured(|layer| layer);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| within(&subscriber, || (0..5_000).for_each(|_| info!(target: "t", ""))));
        }
    });
    assert_eq!(events(&registry), expected([("INFO t", 20_000)]));
}

#[test]
fn targets_beyond_the_limit_overflow_and_are_counted() {
    let (subscriber, registry) = measured(|layer| layer.max_series(2));
    within(&subscriber, || {
        for _ in 0..3 {
            info!(target: "a", "");
            info!(target: "b", "");
            info!(target: "c", "");
            warn!(target: "a", "");
            info!(target: "a", "");
        }
    });
    assert_eq!(events(&registry), expected([("INFO a", 6), ("INFO b", 3), ("true", 6)]));
    assert_eq!(registry.refusals().count, 6);
    let last = registry.refusals().last;
    assert!(matches!(last, Some(RegisterError::FamilyFull { limit: 2, .. })), "{last:?}");
}

#[test]
fn an_event_is_no_span() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || info!("one"));
    assert_eq!((closed(&registry), active(&registry)), (nothing(), nothing()));
}

/// What `tracing-log` does: every line of the `log` crate becomes an event.
struct ToEvents;

impl log::Log for ToEvents {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let (text, target) = (record.args(), record.target());
        match record.level() {
            log::Level::Error => error!(target: "log", %text, target),
            log::Level::Warn => warn!(target: "log", %text, target),
            _ => info!(target: "log", %text, target),
        }
    }

    fn flush(&self) {}
}

/// In its own process, since loggers and global subscribers are the process's.
#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn what_quipu_logs_may_become_events_that_quipu_counts() {
    in_own_process("events::what_quipu_logs_may_become_events_that_quipu_counts", || {
        let (layer, registry) = layer();
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log::set_logger(&ToEvents).unwrap();
        log::set_max_level(log::LevelFilter::Trace);

        // A registration that is refused, from within a span.
        info_span!("outer").in_scope(|| registry.counter("no name").register().unwrap_err());
        // And a delivery that fails and comes again, in a thread of the client's.
        let (clock, exporter) = (ManualClock::new(), TestExporter::new());
        let client = Client::builder()
            .registry(registry.clone())
            .clock(clock.clone())
            .flush_interval(Duration::from_secs(30))
            .exporter(exporter.clone())
            .start()
            .unwrap();
        exporter.fail_next("no route to host");
        clock.advance(Duration::from_secs(30));
        clock.advance(Duration::from_secs(30));
        client.stop(Duration::from_secs(5));
        assert_eq!(events(&registry), expected([("INFO log", 1), ("WARN log", 1)]));

        // The layer itself logs, while another one listens.
        drop(quipu::TracingLayer::new().fields(["a b", "level"]));
        assert_eq!(events(&registry), expected([("INFO log", 1), ("WARN log", 3)]));
    });
}
