//! The flusher with exporters that work, fail, panic and are slow: what is published and delivered,
//! and that nothing recorded is missing from the acknowledged deltas.
#![cfg(not(loom))]

use quipu::{Counter, Delivery, ExportError, Exporter, Flusher, FlusherBuilder, Registry};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Such a flusher flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// How long to wait for what must happen: long, since it only shows in a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to give something that must not happen a chance to happen.
const A_CHANCE: Duration = Duration::from_millis(50);

/// An exporter made of a function.
struct By<F>(F);

impl<F: FnMut(&Delivery<'_>) -> Result<(), ExportError> + Send> Exporter for By<F> {
    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.0(delivery)
    }
}

/// Added by a delivery to the counter `c`, and recorded by it in the histogram `h`.
fn additions(delivery: &Delivery<'_>) -> (u64, u64) {
    let delta = delivery.delta();
    let recorded = delta.histogram("h", &[]).map_or(0, |histogram| histogram.count());
    (delta.counter("c", &[]).unwrap_or(0), recorded)
}

/// Acknowledges everything and tells what it added.
fn reporting(sender: Sender<(u64, u64)>) -> impl Exporter {
    By(move |delivery: &Delivery<'_>| Ok(sender.send(additions(delivery))?))
}

fn registry() -> (Arc<Registry>, Counter) {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    (registry, counter)
}

fn builder(registry: &Arc<Registry>) -> FlusherBuilder<Arc<Registry>> {
    Flusher::builder(registry.clone()).interval(NEVER)
}

/// Runs `work` in a thread, and panics if it does not return.
fn returns<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, result) = channel();
    thread::spawn(move || sender.send(work()));
    match result.recv_timeout(PATIENCE) {
        Ok(value) => value,
        Err(RecvTimeoutError::Timeout) => panic!("it hangs"),
        Err(RecvTimeoutError::Disconnected) => panic!("it panics"),
    }
}

#[test]
fn snapshots_are_published_at_the_interval() {
    let (registry, counter) = registry();
    assert!(registry.latest().is_none());
    let interval = Duration::from_millis(1);
    let flusher = Flusher::builder(registry.clone()).interval(interval).start().unwrap();
    let mut newest = 0;
    for round in 1..=3 {
        counter.increment();
        let holds_it = || registry.latest().filter(|s| s.counter("c", &[]) == Some(round));
        let snapshot = loop {
            match holds_it() {
                Some(snapshot) => break snapshot,
                None => thread::yield_now(),
            }
        };
        assert!(snapshot.sequence() > newest);
        newest = snapshot.sequence();
    }
    assert!(flusher.stop().flushes >= 3);
}

#[test]
fn a_flush_holds_all_that_was_recorded_before_it() {
    let (registry, counter) = registry();
    let histogram = registry.histogram("h").register().unwrap();
    let (sender, delivered) = channel();
    let flusher = builder(&registry).exporter(reporting(sender)).start().unwrap();
    for round in 1..=20 {
        let (counter, histogram) = (counter.clone(), histogram.clone());
        let recording = thread::spawn(move || {
            counter.add(round);
            histogram.record_n(5, round);
        });
        recording.join().unwrap();
        flusher.flush();
        assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(round * (round + 1) / 2));
        assert_eq!(delivered.try_iter().last(), Some((round, round)));
    }
}

#[test]
fn a_flush_asked_for_during_another_is_one_of_its_own() {
    let (registry, counter) = registry();
    let (entered, in_delivery) = channel();
    let (release, released) = channel::<()>();
    let slow = By(move |_: &Delivery<'_>| {
        entered.send(())?;
        let _ = released.recv();
        Ok(())
    });
    let flusher = Arc::new(builder(&registry).exporter(slow).start().unwrap());
    let first = thread::spawn({
        let flusher = flusher.clone();
        move || flusher.flush()
    });
    in_delivery.recv_timeout(PATIENCE).unwrap();
    let (flushed, second) = channel();
    thread::spawn({
        let flusher = flusher.clone();
        move || {
            counter.increment();
            flusher.flush();
            flushed.send(registry.latest().unwrap().counter("c", &[])).unwrap();
        }
    });
    assert!(second.recv_timeout(A_CHANCE).is_err());
    drop(release);
    assert_eq!(second.recv_timeout(PATIENCE), Ok(Some(1)));
    first.join().unwrap();
}

#[test]
fn flushes_from_many_threads_each_hold_what_their_thread_recorded() {
    let (registry, _) = registry();
    let flusher = Arc::new(builder(&registry).start().unwrap());
    let start = |number: u64| {
        let (registry, flusher) = (registry.clone(), flusher.clone());
        thread::spawn(move || {
            let own = number.to_string();
            let counter = registry.counter("own").label("thread", &own).register().unwrap();
            for round in 1..=50 {
                counter.increment();
                flusher.flush();
                let latest = registry.latest().unwrap();
                assert_eq!(latest.counter("own", &[("thread", &own)]), Some(round));
            }
        })
    };
    let flushing: Vec<_> = (0..4).map(start).collect();
    flushing.into_iter().for_each(|thread| thread.join().unwrap());
    let report = flusher.stop();
    assert!((51..=201).contains(&report.flushes), "{report:?}");
}

#[test]
fn the_last_snapshot_holds_all_that_was_recorded_before_the_stop() {
    let (registry, counter) = registry();
    let (sender, delivered) = channel();
    let last = By(move |delivery: &Delivery<'_>| {
        assert!(delivery.acknowledged().is_none());
        Ok(sender.send((delivery.is_last(), additions(delivery)))?)
    });
    let flusher = builder(&registry).exporter(last).start().unwrap();
    thread::spawn(move || counter.add(9)).join().unwrap();
    let report = flusher.stop();
    assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(9));
    assert_eq!(delivered.iter().collect::<Vec<_>>(), [(true, (9, 0))]);
    assert_eq!((report.flushes, report.failures, report.undelivered), (1, 0, false));
}

#[test]
fn a_stop_may_be_repeated_and_a_flush_after_it_does_nothing() {
    let (registry, counter) = registry();
    let flusher = Arc::new(builder(&registry).start().unwrap());
    assert_eq!(flusher.stop().flushes, 1);
    counter.increment();
    let again = flusher.clone();
    returns(move || {
        again.flush();
        assert_eq!(again.stop().flushes, 1);
        drop(again);
    });
    assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(0));
}

#[test]
fn every_stop_returns_after_the_last_delivery() {
    let (registry, _) = registry();
    let (entered, in_last_delivery) = channel();
    let (release, released) = channel::<()>();
    let slow = By(move |_: &Delivery<'_>| {
        entered.send(())?;
        let _ = released.recv();
        Ok(())
    });
    let flusher = Arc::new(builder(&registry).exporter(slow).start().unwrap());
    let (stopped, stops) = channel();
    for number in 0..3 {
        let (flusher, stopped) = (flusher.clone(), stopped.clone());
        thread::spawn(move || stopped.send((number, flusher.stop().flushes)).unwrap());
        if number == 0 {
            in_last_delivery.recv_timeout(PATIENCE).unwrap();
        }
    }
    let early = stops.recv_timeout(A_CHANCE);
    drop(release);
    assert!(early.is_err(), "{early:?} returned while the last snapshot was being delivered");
    for _ in 0..3 {
        assert_eq!(stops.recv_timeout(PATIENCE).unwrap().1, 1);
    }
}

#[test]
fn dropping_a_flusher_stops_it() {
    let (registry, counter) = registry();
    let (sender, delivered) = channel();
    let flusher = builder(&registry).exporter(reporting(sender)).start().unwrap();
    counter.add(4);
    drop(flusher);
    // The channel ends with the exporter, and that with the thread.
    assert_eq!(delivered.iter().collect::<Vec<_>>(), [(4, 0)]);
    assert_eq!(Arc::strong_count(&registry), 1);
}

/// An error whose text cannot be had.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("as intended")
    }
}

impl std::error::Error for Unspeakable {}

/// What somebody threw, and that throws when it is thrown away.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as intended, once more");
    }
}

/// Runs 30 rounds with an exporter that fails in its way in two of three, beside ones that do not.
fn assert_nothing_is_lost(mut fail: impl FnMut() -> Result<(), ExportError> + Send + 'static) {
    let (registry, counter) = registry();
    let histogram = registry.histogram("h").register().unwrap();
    let acknowledged = Arc::new(Mutex::new((0, 0)));
    let (first, before) = channel();
    let (second, after) = channel();
    let sum = acknowledged.clone();
    let mut attempt = 0;
    let failing = By(move |delivery: &Delivery<'_>| {
        attempt += 1;
        if attempt % 3 != 0 && !delivery.is_last() {
            return fail();
        }
        let (added, recorded) = additions(delivery);
        let mut sum = sum.lock().unwrap();
        *sum = (sum.0 + added, sum.1 + recorded);
        Ok(())
    });
    let flusher = builder(&registry).exporter(reporting(first)).exporter(failing);
    let flusher = flusher.exporter(reporting(second)).start().unwrap();
    let report = returns(move || {
        for round in 1..=30 {
            counter.add(round);
            histogram.record(round);
            flusher.flush();
        }
        counter.add(1_000);
        flusher.stop()
    });
    assert_eq!(*acknowledged.lock().unwrap(), (465 + 1_000, 30));
    assert_eq!((report.flushes, report.failures, report.undelivered), (31, 20, false));
    assert!(report.last_failure.is_some());
    for others in [before, after] {
        let each: Vec<_> = others.iter().collect();
        let expected = (1..=30).map(|round| (round, 1)).chain([(1_000, 0)]);
        assert_eq!(each, expected.collect::<Vec<_>>());
    }
}

#[test]
fn an_exporter_that_fails_gets_what_it_missed() {
    assert_nothing_is_lost(|| Err("no route to host".into()));
}

#[test]
fn an_exporter_that_panics_gets_what_it_missed() {
    assert_nothing_is_lost(|| panic!("as intended"));
}

#[test]
fn an_error_that_panics_when_it_is_shown_is_a_failure_like_others() {
    assert_nothing_is_lost(|| Err(Box::new(Unspeakable)));
}

#[test]
fn a_panic_that_panics_when_it_is_dropped_is_a_failure_like_others() {
    assert_nothing_is_lost(|| std::panic::panic_any(Bomb));
}

#[test]
fn a_report_says_what_was_not_delivered() {
    let (registry, _) = registry();
    let failing = By(|_: &Delivery<'_>| Err("the disk is full".into()));
    let flusher = builder(&registry).exporter(failing).start().unwrap();
    flusher.flush();
    let report = flusher.stop();
    assert_eq!((report.flushes, report.failures, report.undelivered), (2, 2, true));
    assert_eq!(report.last_failure.as_deref(), Some("the disk is full"));
}

#[test]
fn a_slow_exporter_delays_neither_records_nor_snapshots() {
    let (registry, counter) = registry();
    let (entered, in_delivery) = channel();
    let (release, released): (_, Receiver<()>) = channel();
    let slow = By(move |_: &Delivery<'_>| {
        entered.send(())?;
        let _ = released.recv();
        Ok(())
    });
    let flusher = Arc::new(builder(&registry).exporter(slow).start().unwrap());
    let flushing = thread::spawn({
        let flusher = flusher.clone();
        move || flusher.flush()
    });
    in_delivery.recv_timeout(PATIENCE).unwrap();
    // The exporter is inside of its delivery all the while.
    let reading = registry.clone();
    returns(move || {
        counter.add(6);
        assert_eq!(reading.snapshot().counter("c", &[]), Some(6));
        assert_eq!(reading.latest().unwrap().counter("c", &[]), Some(0));
        reading.counter("new").register().unwrap().increment();
    });
    drop(release);
    flushing.join().unwrap();
    assert_eq!(flusher.stop().flushes, 2);
    assert_eq!(registry.latest().unwrap().counter("new", &[]), Some(1));
}

#[test]
fn a_shorter_interval_flushes_more_often() {
    let (registry, _) = registry();
    let (sender, flushes) = channel();
    let start = |interval: Duration| {
        let sender = sender.clone();
        let tell = By(move |_: &Delivery<'_>| Ok(sender.send(interval)?));
        Flusher::builder(registry.clone()).interval(interval).exporter(tell).start().unwrap()
    };
    let (short, long) = (Duration::from_millis(1), Duration::from_secs(30));
    let flushers = [start(long), start(short)];
    for _ in 0..20 {
        assert_eq!(flushes.recv().unwrap(), short);
    }
    drop(flushers);
}

#[test]
fn an_interval_without_end_is_one() {
    let (registry, counter) = registry();
    let flusher = Flusher::builder(registry.clone()).interval(Duration::MAX).start().unwrap();
    counter.add(2);
    let report = returns(move || {
        flusher.flush();
        flusher.stop()
    });
    assert_eq!(report.flushes, 2);
    assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(2));
}

#[test]
fn an_interval_of_nothing_is_the_shortest() {
    let (registry, _) = registry();
    let (sender, delivered) = channel();
    let flusher = Flusher::builder(registry).interval(Duration::ZERO).exporter(reporting(sender));
    let flusher = flusher.start().unwrap();
    for _ in 0..3 {
        delivered.recv_timeout(PATIENCE).unwrap();
    }
    assert!(flusher.stop().flushes >= 4);
}
