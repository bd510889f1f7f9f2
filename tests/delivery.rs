//! When deliveries happen, by a clock that the test moves: ticks, backoff, silence that was asked
//! for, and the newest snapshot in place of those that wait.
#![cfg(not(loom))]

mod exporter;

use exporter::{Log, NEVER, PATIENCE, by, gate, registry, returns, wait_until};
use quipu::testing::{ManualClock, TestExporter};
use quipu::{Client, ClientBuilder, Delivery, ExportError, Exporter, FailureCause, Registry};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

fn on_clock(clock: &ManualClock, registry: &Arc<Registry>, interval: Duration) -> ClientBuilder {
    let client = Client::builder().registry(registry.clone()).clock(clock.clone());
    client.flush_interval(interval)
}

/// What the next attempts do; without an entry they succeed.
#[derive(Clone, Default)]
struct Plan(Arc<Mutex<Option<Fault>>>);

#[derive(Clone, Copy)]
enum Fault {
    Fail,
    AskForSilence(Duration),
}

impl Plan {
    fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap() = fault;
    }
}

/// Does what the plan says, and counts its attempts.
fn planned(plan: &Plan) -> (impl Exporter + use<>, Log<()>) {
    let (plan, attempts) = (plan.clone(), Log::new());
    let log = attempts.clone();
    let exporter = by("planned", move |_: &Delivery<'_>| {
        log.push(());
        let failure = || ExportError::new(FailureCause::Unreachable, "as planned");
        match *plan.0.lock().unwrap() {
            None => Ok(()),
            Some(Fault::Fail) => Err(failure()),
            Some(Fault::AskForSilence(time)) => Err(failure().with_retry_after(time)),
        }
    });
    (exporter, attempts)
}

/// Moves the clock on second by second until there is another attempt; returns how many it took.
fn seconds_until_an_attempt(clock: &ManualClock, attempts: &Log<()>) -> u64 {
    let before = attempts.len();
    for seconds in 1..1_000 {
        clock.advance(SECOND);
        if attempts.len() != before {
            return seconds;
        }
    }
    panic!("no attempt");
}

#[test]
fn ticks_are_even() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let exporter = TestExporter::new();
    let client = on_clock(&clock, &registry, 5 * SECOND).exporter(exporter.clone());
    let client = client.start().unwrap();
    let instants = || -> Vec<Instant> {
        exporter.deliveries().iter().map(|it| it.snapshot.instant()).collect()
    };
    for _ in 0..25 {
        clock.advance(SECOND);
    }
    let even = instants();
    assert_eq!(even.len(), 5);
    assert!(even.windows(2).all(|pair| pair[1] - pair[0] == 5 * SECOND), "{even:?}");
    // One that comes late does not move those after it.
    clock.advance(7 * SECOND);
    clock.advance(3 * SECOND);
    let late = instants();
    assert_eq!(late.len(), 7);
    assert_eq!((late[5] - even[4], late[6] - even[4]), (7 * SECOND, 10 * SECOND));
    drop(client);
    assert_eq!(registry.snapshot().counter("quipu.flush.missed", &[]), Some(0));
}

#[test]
fn missed_ticks_are_one_flush_and_counted() {
    let (clock, (registry, counter)) = (ManualClock::new(), registry());
    let exporter = TestExporter::new();
    let client = on_clock(&clock, &registry, 5 * SECOND).exporter(exporter.clone());
    let client = client.start().unwrap();
    counter.add(7);
    clock.advance(52 * SECOND);
    assert_eq!(exporter.deliveries().len(), 1);
    assert_eq!(exporter.counter("c", &[]), 7);
    assert_eq!(exporter.counter("quipu.flush.missed", &[]), 9);
    // The next one is a whole interval later.
    clock.advance(5 * SECOND - MOMENT);
    assert_eq!(exporter.deliveries().len(), 1);
    clock.advance(MOMENT);
    assert_eq!(exporter.deliveries().len(), 2);
    assert_eq!(client.stop(PATIENCE).flushes, 3);
}

#[test]
fn a_flush_between_ticks_does_not_move_them() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let exporter = TestExporter::new();
    let client = on_clock(&clock, &registry, 5 * SECOND).exporter(exporter.clone());
    let client = client.start().unwrap();
    clock.advance(3 * SECOND);
    assert!(client.flush(PATIENCE).is_delivered());
    clock.advance(2 * SECOND);
    assert_eq!(exporter.deliveries().len(), 2);
    clock.advance(5 * SECOND - MOMENT);
    assert_eq!(exporter.deliveries().len(), 2);
    clock.advance(MOMENT);
    assert_eq!(exporter.deliveries().len(), 3);
}

#[test]
fn the_newest_snapshot_replaces_the_one_that_waits() {
    let (clock, (registry, counter)) = (ManualClock::new(), registry());
    let (gate, held) = gate();
    let deliveries = Log::new();
    let log = deliveries.clone();
    let slow = by("slow", move |delivery: &Delivery<'_>| {
        gate.pass();
        log.push((delivery.snapshot().sequence(), delivery.delta().counter("c", &[])));
        Ok(())
    });
    let healthy = TestExporter::new();
    let client = on_clock(&clock, &registry, SECOND).exporter(slow).exporter(healthy.clone());
    let client = client.start().unwrap();
    counter.increment();
    clock.jump(SECOND);
    held.wait();
    for flush in 2..=51 {
        counter.increment();
        clock.jump(SECOND);
        wait_until("a flush", || client.report().flushes == flush);
    }
    held.let_one_pass();
    held.let_one_pass();
    assert!(clock.settle(PATIENCE));
    assert_eq!(deliveries.all(), [(1, Some(1)), (51, Some(50))]);
    assert_eq!(healthy.counter("c", &[]), 51);
    let snapshot = registry.snapshot();
    let coalesced =
        |name| snapshot.counter("quipu.export.coalesced", &[("exporter", name)]).unwrap();
    assert_eq!(coalesced("slow"), 49);
    assert_eq!(51 - coalesced("test"), healthy.deliveries().len() as u64);
    drop(held);
    assert!(client.stop(PATIENCE).is_delivered());
}

#[test]
fn a_snapshot_that_failed_gives_way_to_a_newer_one() {
    let (clock, (registry, counter)) = (ManualClock::new(), registry());
    let (gate, held) = gate();
    let deliveries = Log::new();
    let log = deliveries.clone();
    let failing = by("failing", move |delivery: &Delivery<'_>| {
        gate.pass();
        log.push((delivery.snapshot().sequence(), delivery.delta().counter("c", &[])));
        match delivery.snapshot().sequence() {
            1 => Err(ExportError::new(FailureCause::Rejected, "as intended")),
            _ => Ok(()),
        }
    });
    let client = on_clock(&clock, &registry, SECOND).exporter(failing);
    let client = client.backoff(MOMENT..=MOMENT).start().unwrap();
    counter.increment();
    clock.jump(SECOND);
    held.wait();
    counter.increment();
    clock.jump(SECOND);
    wait_until("a flush", || client.report().flushes == 2);
    drop(held);
    assert!(clock.settle(PATIENCE));
    clock.advance(2 * MOMENT);
    assert_eq!(deliveries.all(), [(1, Some(1)), (2, Some(2))]);
    let coalesced =
        registry.snapshot().counter("quipu.export.coalesced", &[("exporter", "failing")]);
    assert_eq!(coalesced, Some(1));
}

#[test]
fn backoff_doubles_with_chance_up_to_its_longest_and_success_resets_it() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let plan = Plan::default();
    let (exporter, attempts) = planned(&plan);
    let client = on_clock(&clock, &registry, SECOND).exporter(exporter);
    let client = client.backoff(10 * SECOND..=40 * SECOND).start().unwrap();
    let mut longest = Vec::new();
    for _ in 0..5 {
        plan.set(Some(Fault::Fail));
        assert_eq!(seconds_until_an_attempt(&clock, &attempts), 1);
        for delay in [10, 20, 40, 40, 40] {
            let before = attempts.len();
            let waited = seconds_until_an_attempt(&clock, &attempts);
            assert_eq!(attempts.len(), before + 1);
            assert!((delay..=2 * delay + 1).contains(&waited), "{waited} s after {delay} s");
            if delay == 40 {
                longest.push(waited);
            }
        }
        plan.set(None);
        let waited = seconds_until_an_attempt(&clock, &attempts);
        assert!((40..=81).contains(&waited), "{waited} s");
        assert_eq!(seconds_until_an_attempt(&clock, &attempts), 1);
    }
    longest.dedup();
    assert!(longest.len() > 1, "chance has no part in it: {longest:?}");
    drop(client);
}

#[test]
fn a_snapshot_is_tried_again_after_the_backoff_without_another_tick() {
    let (clock, (registry, counter)) = (ManualClock::new(), registry());
    let exporter = TestExporter::new();
    let client = on_clock(&clock, &registry, 1_000 * SECOND).exporter(exporter.clone());
    let client = client.backoff(SECOND..=SECOND).start().unwrap();
    counter.add(3);
    exporter.fail_next("as intended");
    clock.advance(1_000 * SECOND);
    assert!(exporter.deliveries().is_empty());
    clock.advance(SECOND - MOMENT);
    assert!(exporter.deliveries().is_empty());
    clock.advance(SECOND + MOMENT);
    assert_eq!(exporter.counter("c", &[]), 3);
    assert_eq!(client.report().flushes, 1);
}

#[test]
fn a_silence_that_was_asked_for_is_kept_to_the_moment() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let plan = Plan::default();
    let (exporter, attempts) = planned(&plan);
    let client = on_clock(&clock, &registry, SECOND).exporter(exporter);
    let client = client.backoff(MOMENT..=MOMENT).start().unwrap();
    let asked = Duration::from_millis(7_500);
    plan.set(Some(Fault::AskForSilence(asked)));
    clock.advance(SECOND);
    assert_eq!(attempts.len(), 1);
    for _ in 0..14 {
        clock.advance(SECOND / 2);
    }
    clock.advance(SECOND / 2 - MOMENT);
    assert_eq!(attempts.len(), 1);
    plan.set(None);
    clock.advance(MOMENT);
    assert_eq!(attempts.len(), 2);
    assert!(client.stop(PATIENCE).is_delivered());
}

#[test]
fn a_silence_is_five_minutes_at_most() {
    let (clock, (registry, _)) = (ManualClock::new(), registry());
    let plan = Plan::default();
    let (exporter, attempts) = planned(&plan);
    let client = on_clock(&clock, &registry, SECOND).exporter(exporter).start().unwrap();
    for asked in [3_600 * SECOND, Duration::MAX] {
        plan.set(Some(Fault::AskForSilence(asked)));
        let before = attempts.len();
        clock.advance(SECOND);
        assert_eq!(attempts.len(), before + 1);
        clock.advance(300 * SECOND - MOMENT);
        assert_eq!(attempts.len(), before + 1);
        plan.set(None);
        clock.advance(MOMENT);
        assert_eq!(attempts.len(), before + 2);
    }
    drop(client);
}

#[test]
fn a_flush_cuts_a_backoff_short_but_no_silence() {
    let (clock, (registry, counter)) = (ManualClock::new(), registry());
    let plan = Plan::default();
    let (exporter, attempts) = planned(&plan);
    let client = on_clock(&clock, &registry, SECOND).exporter(exporter);
    let client = client.backoff(100 * SECOND..=100 * SECOND).start().unwrap();
    plan.set(Some(Fault::Fail));
    clock.advance(SECOND);
    clock.advance(SECOND);
    assert_eq!(attempts.len(), 1);
    assert!(!client.flush(PATIENCE).is_delivered());
    assert_eq!(attempts.len(), 2);
    plan.set(Some(Fault::AskForSilence(100 * SECOND)));
    assert!(!client.flush(PATIENCE).is_delivered());
    assert_eq!(attempts.len(), 3);

    plan.set(None);
    counter.increment();
    // Nor is a destination waited for that wants to be left alone.
    let flushing = client.clone();
    let report = returns(move || flushing.flush(NEVER));
    assert_eq!((attempts.len(), report.is_delivered()), (3, false));
    assert_eq!(report.exporters[0].undelivered.as_deref(), Some("as planned"));
    clock.advance(100 * SECOND - MOMENT);
    assert_eq!(attempts.len(), 3);
    clock.advance(MOMENT);
    assert_eq!(attempts.len(), 4);
    assert!(client.report().is_delivered());
}

#[test]
fn an_attempt_that_is_late_counts_once_and_its_answer_is_believed() {
    let (clock, (registry, counter)) = (ManualClock::new(), registry());
    let (gate, held) = gate();
    let slow = by("slow", move |_: &Delivery<'_>| {
        gate.pass();
        Ok(())
    });
    let client = on_clock(&clock, &registry, SECOND).exporter(slow);
    let client = client.attempt_timeout(2 * SECOND).start().unwrap();
    counter.increment();
    clock.jump(SECOND);
    held.wait();
    for flush in 2..=10 {
        clock.jump(SECOND);
        wait_until("a flush", || client.report().flushes == flush);
    }
    let report = client.report();
    let reason = report.exporters[0].undelivered.as_deref();
    assert_eq!(reason, Some("it has not returned for 9.0 s"));
    assert_eq!(report.exporters[0].failures, 1);
    held.let_one_pass();
    held.let_one_pass();
    assert!(clock.settle(PATIENCE));
    let report = client.report();
    assert!(report.is_delivered(), "{report}");
    let slow = &report.exporters[0];
    assert_eq!((slow.attempts, slow.acknowledged, slow.failures), (2, 2, 1));
    let labels = [("exporter", "slow"), ("cause", "overran")];
    assert_eq!(registry.snapshot().counter("quipu.export.failures", &labels), Some(1));
    drop(held);
}

#[test]
fn an_attempt_is_told_how_much_time_it_has() {
    let (registry, _) = registry();
    let times = Log::new();
    let log = times.clone();
    let exporter = by("timed", move |delivery: &Delivery<'_>| {
        log.push(delivery.time_left());
        Ok(())
    });
    let client = Client::builder().registry(registry).exporter(exporter);
    let client = client.attempt_timeout(100 * SECOND).start().unwrap();
    client.flush(PATIENCE);
    client.stop(20 * SECOND);
    let times = times.all();
    assert!(times[0] <= 100 * SECOND && times[0] > 20 * SECOND, "{times:?}");
    assert!(times[1] <= 20 * SECOND, "{times:?}");
}
