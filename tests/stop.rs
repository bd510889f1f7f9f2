//! The end of a client: it comes in time whatever exporters do, names who did not get everything,
//! and everybody else does.
#![cfg(not(loom))]

mod exporter;

use exporter::{
    A_CHANCE, NEVER, PATIENCE, by, client_of, gate, held_back, registry, returns, wait_until,
};
use quipu::testing::TestExporter;
use quipu::{CancelToken, Client, Delivery, ExportError, Exporter, Registry, Report};
use std::ops::Deref;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(300);
/// What a stop may take beyond its timeout: the one bound on time that is promised.
const GRACE: Duration = Duration::from_millis(100);

/// Runs `work`, which has `TIMEOUT` to return.
fn in_time<T>(work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    let took = begun.elapsed();
    assert!(took <= TIMEOUT + GRACE, "it took {took:?}");
    result
}

/// The names of those who did not get everything.
fn undelivered(report: &Report) -> Vec<&str> {
    report.undelivered().map(|exporter| &*exporter.name).collect()
}

#[test]
fn a_stop_with_an_exporter_that_hangs_returns_in_time_and_names_it() {
    let (registry, counter) = registry();
    let (hanging, held) = held_back("hanging");
    let healthy = TestExporter::new();
    let client = client_of(&registry).exporter(hanging).exporter(healthy.clone());
    let client = client.start().unwrap();
    client.flush(Duration::ZERO);
    held.wait();
    counter.add(5);
    let report = in_time(|| client.stop(TIMEOUT));
    assert_eq!(undelivered(&report), ["hanging"]);
    let running: Vec<_> = report.exporters.iter().map(|exporter| exporter.is_running).collect();
    assert_eq!(running, [true, false]);
    let reason = report.exporters[0].undelivered.as_deref().unwrap();
    assert!(reason.starts_with("it has not returned for"), "{reason}");
    assert_eq!(healthy.counter("c", &[]), 5);
    assert!(healthy.deliveries().last().unwrap().is_last);
    // Another one, from another thread, waits for the same end.
    let again = client.clone();
    let report = thread::spawn(move || in_time(|| again.stop(TIMEOUT))).join().unwrap();
    assert_eq!(undelivered(&report), ["hanging"]);
    // The thread ends when the exporter returns, late as that is.
    drop(held);
    wait_until("the end of the thread", || !client.report().exporters[0].is_running);
    assert_eq!(undelivered(&client.report()), ["hanging"]);
    assert_eq!(client.report().flushes, 2);
}

#[test]
fn a_flush_with_an_exporter_that_hangs_returns_at_its_timeout() {
    let (registry, counter) = registry();
    let (hanging, held) = held_back("hanging");
    let healthy = TestExporter::new();
    let client = client_of(&registry).exporter(hanging).exporter(healthy.clone());
    let client = client.start().unwrap();
    for flush in 1..=3 {
        counter.increment();
        let begun = Instant::now();
        let report = client.flush(A_CHANCE);
        assert!(begun.elapsed() >= A_CHANCE);
        assert_eq!((report.flushes, undelivered(&report)), (flush, vec!["hanging"]));
    }
    wait_until("the deliveries", || healthy.counter("c", &[]) == 3);
    drop(held);
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
}

#[test]
fn a_client_whose_exporter_hangs_is_dropped_within_its_stop_timeout() {
    let (registry, counter) = registry();
    let (hanging, held) = held_back("hanging");
    let healthy = TestExporter::new();
    let client = client_of(&registry).exporter(hanging).exporter(healthy.clone());
    let client = client.stop_timeout(TIMEOUT).start().unwrap();
    counter.add(5);
    in_time(|| drop(client));
    assert_eq!(healthy.counter("c", &[]), 5);
    drop(held);
}

#[test]
fn an_exporter_that_fails_is_tried_again_until_the_stop_is_over() {
    let (registry, counter) = registry();
    let (sender, delivered) = channel();
    let mut attempts = 0;
    let failing = by("failing", move |delivery: &Delivery<'_>| {
        attempts += 1;
        if attempts < 5 {
            return Err(std::io::Error::other("not yet").into());
        }
        Ok(sender.send((delivery.is_last(), delivery.delta().counter("c", &[])))?)
    });
    let client = client_of(&registry).exporter(failing);
    let shortest = Duration::from_millis(1);
    let client = client.backoff(shortest..=shortest).start().unwrap();
    counter.add(5);
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    assert_eq!((report.exporters[0].attempts, report.exporters[0].failures), (5, 4));
    assert_eq!(delivered.iter().collect::<Vec<_>>(), [(true, Some(5))]);

    let (registry, _) = exporter::registry();
    let failing = by("failing", |_| Err(std::io::Error::other("never").into()));
    let client = client_of(&registry).exporter(failing);
    let client = client.backoff(shortest..=shortest).start().unwrap();
    let report = in_time(|| client.stop(TIMEOUT));
    assert_eq!(report.exporters[0].undelivered.as_deref(), Some("never"));
    assert!(report.exporters[0].attempts > 1);
    wait_until("the end of the thread", || !client.report().exporters[0].is_running);
}

#[test]
fn a_stop_cuts_a_backoff_short() {
    let (registry, counter) = registry();
    let exporter = TestExporter::new();
    let client = client_of(&registry).exporter(exporter.clone()).backoff(NEVER..=NEVER);
    let client = client.start().unwrap();
    exporter.fail_next("as intended");
    client.flush(PATIENCE);
    counter.add(5);
    assert!(client.stop(PATIENCE).is_delivered());
    assert_eq!(exporter.counter("c", &[]), 5);
}

#[test]
fn an_exporter_may_stop_its_client() {
    let (registry, counter) = registry();
    let own = Arc::new(OnceLock::<Client>::new());
    let (gate, held) = gate();
    let stopping = by("stopping", {
        let own = own.clone();
        move |_: &Delivery<'_>| {
            gate.pass();
            own.get().unwrap().stop(NEVER);
            Ok(())
        }
    });
    let healthy = TestExporter::new();
    let client = client_of(&registry).exporter(stopping).exporter(healthy.clone());
    let client = client.start().unwrap();
    let _ = own.set(client.clone());
    client.flush(Duration::ZERO);
    held.wait();
    counter.add(2);
    drop(held);
    let report = returns(move || client.stop(PATIENCE));
    assert!(report.is_delivered(), "{report}");
    assert!(report.exporters.iter().all(|exporter| !exporter.is_running));
    assert_eq!(healthy.counter("c", &[]), 2);
}

/// An exporter whose end is the test's.
struct AtItsEnd<F: FnMut() + Send>(F);

impl<F: FnMut() + Send> Exporter for AtItsEnd<F> {
    fn name(&self) -> &str {
        "ending"
    }

    fn export(&mut self, _: &Delivery<'_>) -> Result<(), ExportError> {
        Ok(())
    }
}

impl<F: FnMut() + Send> Drop for AtItsEnd<F> {
    fn drop(&mut self) {
        self.0();
    }
}

#[test]
fn an_exporter_that_hangs_when_it_is_dropped_holds_nobody_up() {
    let (registry, counter) = registry();
    let (gate, held) = gate();
    let healthy = TestExporter::new();
    let client = client_of(&registry).exporter(AtItsEnd(move || gate.pass()));
    let client = client.exporter(healthy.clone()).start().unwrap();
    counter.add(5);
    let report = in_time(|| client.stop(TIMEOUT));
    held.wait();
    assert!(report.exporters[0].is_running && !report.exporters[1].is_running);
    assert_eq!(healthy.counter("c", &[]), 5);
    drop(held);
    wait_until("the end of the thread", || !client.report().exporters[0].is_running);
}

#[test]
fn an_exporter_that_panics_when_it_is_dropped_has_ended() {
    let (registry, _) = registry();
    let client = client_of(&registry).exporter(AtItsEnd(|| panic!("as intended")));
    let report = client.start().unwrap().stop(PATIENCE);
    assert!(report.is_delivered() && !report.exporters[0].is_running, "{report}");
}

#[test]
fn an_exporter_may_drop_the_last_client() {
    let (registry, _) = registry();
    let own = Arc::new(std::sync::Mutex::new(None::<Client>));
    let (gate, held) = gate();
    let (dropped, has_dropped) = channel();
    let dropping = by("dropping", {
        let own = own.clone();
        move |_: &Delivery<'_>| {
            gate.pass();
            drop(own.lock().unwrap().take());
            Ok(dropped.send(())?)
        }
    });
    let client = client_of(&registry).exporter(dropping).stop_timeout(NEVER).start().unwrap();
    client.flush(Duration::ZERO);
    held.wait();
    *own.lock().unwrap() = Some(client);
    drop(held);
    has_dropped.recv_timeout(PATIENCE).unwrap();
    // The registry is nobody else's once the threads have ended.
    wait_until("the end of the threads", || Arc::strong_count(&registry) == 1);
}

#[test]
fn stops_from_many_threads_are_one() {
    let (registry, counter) = registry();
    let exporter = TestExporter::new();
    let client = client_of(&registry).exporter(exporter.clone()).start().unwrap();
    counter.add(5);
    let stop = || {
        let client = client.clone();
        thread::spawn(move || client.stop(PATIENCE))
    };
    let stopping: Vec<_> = (0..8).map(|_| stop()).collect();
    for stopping in stopping {
        let report = stopping.join().unwrap();
        assert_eq!((report.flushes, report.is_delivered()), (1, true));
    }
    assert_eq!(exporter.deliveries().len(), 1);
    assert_eq!(exporter.counter("c", &[]), 5);
}

#[test]
fn a_cancelled_token_stops_the_client_with_a_last_delivery() {
    let (registry, counter) = registry();
    let exporter = TestExporter::new();
    let token = CancelToken::new();
    let client = client_of(&registry).exporter(exporter.clone()).cancel_token(&token);
    let client = client.start().unwrap();
    counter.add(5);
    token.cancel();
    wait_until("the end", || client.report().exporters.iter().all(|it| !it.is_running));
    assert!(exporter.deliveries()[0].is_last);
    assert_eq!(exporter.counter("c", &[]), 5);
    let report = client.stop(PATIENCE);
    assert_eq!((report.flushes, report.is_delivered()), (1, true));
}

#[test]
fn a_client_with_a_token_that_is_cancelled_already_delivers_once_and_stops() {
    let (registry, counter) = registry();
    let exporter = TestExporter::new();
    let token = CancelToken::new();
    token.cancel();
    counter.add(5);
    let client = client_of(&registry).exporter(exporter.clone()).cancel_token(&token);
    let client = client.start().unwrap();
    wait_until("the end", || client.report().exporters.iter().all(|it| !it.is_running));
    assert_eq!((exporter.deliveries().len(), exporter.counter("c", &[])), (1, 5));
    assert_eq!(client.stop(PATIENCE).flushes, 1);
}

#[test]
fn a_token_outlives_its_client() {
    let (registry, _) = registry();
    let token = CancelToken::new();
    drop(client_of(&registry).cancel_token(&token).start().unwrap());
    token.cancel();
    assert_eq!(Arc::strong_count(&registry), 1);
}

#[test]
fn a_cancelled_client_with_an_exporter_that_hangs_is_given_its_stop_timeout() {
    let (registry, counter) = registry();
    let (hanging, held) = held_back("hanging");
    let healthy = TestExporter::new();
    let token = CancelToken::new();
    let client = client_of(&registry).exporter(hanging).exporter(healthy.clone());
    let client = client.cancel_token(&token).stop_timeout(TIMEOUT).start().unwrap();
    counter.add(5);
    // The cancelling thread does not wait.
    returns(move || token.cancel());
    wait_until("the last delivery", || healthy.counter("c", &[]) == 5);
    held.wait();
    let report = in_time(|| client.stop(TIMEOUT));
    assert_eq!(undelivered(&report), ["hanging"]);
    drop(held);
}

/// A registry that the flusher gets no hold of while the test has the lock.
struct Withheld(Arc<(Registry, Mutex<()>)>);

impl Deref for Withheld {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        if thread::current().name() == Some("quipu-flusher") {
            drop(self.0.1.lock());
        }
        &self.0.0
    }
}

#[test]
fn a_last_snapshot_that_is_not_taken_in_time_is_one_that_nobody_has() {
    let shared = Arc::new((Registry::new(), Mutex::new(())));
    let lock = shared.1.lock().unwrap();
    let client = Client::builder().registry(Withheld(shared.clone())).flush_interval(NEVER);
    let client = client.exporter(TestExporter::new()).start().unwrap();
    let report = client.stop(A_CHANCE);
    assert_eq!(undelivered(&report), ["test"]);
    drop(lock);
}
