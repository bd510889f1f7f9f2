//! How long spans were entered.

use super::{durations, histograms, measured, within};
use quipu::Registry;
use std::collections::BTreeMap;
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tracing::{Instrument, info_span};

const BUSY: &str = "tracing.span.busy";
const LEAST: Duration = Duration::from_millis(2);

fn spin() {
    let start = Instant::now();
    while start.elapsed() < LEAST {
        std::hint::spin_loop();
    }
}

fn busy(registry: &Registry) -> BTreeMap<String, i64> {
    histograms(registry, BUSY, |spans| spans.sum())
}

fn counted(registry: &Registry) -> BTreeMap<String, i64> {
    histograms(registry, BUSY, |spans| spans.count())
}

/// Half of it, since the clock here and the one there are calibrated against each other.
fn is_long(ns: i64) -> bool {
    Duration::from_nanos(ns as u64) > LEAST / 2
}

#[test]
fn it_is_not_measured_unless_it_is_asked_for() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || info_span!("s").in_scope(|| ()));
    assert!(counted(&registry).is_empty());
}

#[test]
fn it_is_the_time_in_which_a_span_was_entered() {
    let (subscriber, registry) = measured(|layer| layer.busy_time());
    within(&subscriber, || {
        let waiting = info_span!("waiting");
        waiting.in_scope(|| ());
        spin();
        drop(waiting);
        let working = info_span!("working");
        (0..2).for_each(|_| working.in_scope(spin));
        drop(working);
        drop(info_span!("never"));
    });
    let (busy, durations) = (busy(&registry), durations(&registry));
    assert_eq!(busy["INFO never"], 0);
    assert!(is_long(busy["INFO working"] / 2), "{busy:?}");
    assert!(is_long(durations["INFO waiting"] - busy["INFO waiting"]), "{busy:?}, {durations:?}");
    assert!(busy.iter().all(|(labels, busy)| *busy <= durations[labels]));
}

#[test]
fn every_span_that_closes_has_one() {
    let (subscriber, registry) = measured(|layer| layer.busy_time().fields(["v"]).max_series(2));
    within(&subscriber, || (0..4).for_each(|v| info_span!("s", v).in_scope(|| ())));
    assert_eq!(counted(&registry), super::closed(&registry));
}

#[test]
fn it_is_never_longer_than_the_span() {
    let (subscriber, registry) = measured(|layer| layer.busy_time());
    within(&subscriber, || {
        let twice = info_span!("twice");
        twice.in_scope(|| twice.in_scope(spin));
        drop(twice);

        let (by_two, both) = (info_span!("by two threads"), Barrier::new(2));
        let enter = || {
            by_two.in_scope(|| {
                both.wait();
                spin();
            });
        };
        std::thread::scope(|scope| {
            scope.spawn(enter);
            enter();
        });
    });
    let (busy, durations) = (busy(&registry), durations(&registry));
    for (labels, busy) in &busy {
        assert!(is_long(*busy) && *busy <= durations[labels], "{busy:?} of {durations:?}");
    }
    assert_eq!(busy.len(), 2);
}

#[test]
fn a_span_that_was_never_left_was_busy_all_the_time() {
    let (subscriber, registry) = measured(|layer| layer.busy_time());
    within(&subscriber, || {
        let span = info_span!("s");
        subscriber.enter(&span.id().unwrap());
        spin();
        drop(span);
    });
    let (busy, durations) = (busy(&registry), durations(&registry));
    assert!(is_long(busy["INFO s"]));
    assert_eq!(busy, durations);
}

#[test]
fn a_task_is_busy_while_it_is_polled() {
    let (subscriber, registry) = measured(|layer| layer.busy_time());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    within(&subscriber, || {
        runtime.block_on(async {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let waits = async {
                receiver.await.unwrap();
            };
            let works = async {
                spin();
                tokio::task::yield_now().await;
                spin();
                sender.send(()).unwrap();
            };
            let waits = waits.instrument(info_span!("waits"));
            tokio::join!(waits, works.instrument(info_span!("works")));
        });
    });
    let (busy, durations) = (busy(&registry), durations(&registry));
    assert!(is_long(busy["INFO works"] / 2), "{busy:?}");
    assert!(is_long(durations["INFO waits"] - busy["INFO waits"]), "{busy:?}, {durations:?}");
}
