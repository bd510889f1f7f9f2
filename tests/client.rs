//! A client with exporters that work, fail and are slow: what is published and delivered, and when
//! callers go on.
#![cfg(not(loom))]

mod exporter;

use exporter::{
    A_CHANCE, NEVER, PATIENCE, additions, by, client_of, gate, held_back, registry, reporting,
    returns,
};
use quipu::testing::{ManualClock, TestExporter};
use quipu::{Client, Delivery, Registry};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[test]
fn snapshots_are_published_at_the_interval() {
    let (registry, counter) = registry();
    assert!(registry.latest().is_none());
    let interval = Duration::from_millis(1);
    let client = Client::builder().registry(registry.clone()).flush_interval(interval);
    let client = client.start().unwrap();
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
    assert!(client.stop(PATIENCE).flushes >= 3);
}

#[test]
fn a_program_is_tested_without_a_sleep() {
    let registry = Arc::new(Registry::new());
    let requests = registry.counter("requests").label("method", "GET").register().unwrap();
    let latency = registry.histogram("latency").register().unwrap();
    let (clock, exporter) = (ManualClock::new(), TestExporter::new());
    let client = Client::builder().registry(registry).clock(clock.clone());
    let client = client.flush_interval(Duration::from_secs(5)).exporter(exporter.clone());
    let client = client.start().unwrap();

    thread::spawn(move || {
        requests.add(3);
        latency.record_n(250, 2);
    })
    .join()
    .unwrap();
    clock.advance(Duration::from_millis(4_999));
    assert!(exporter.deliveries().is_empty());
    clock.advance(Duration::from_millis(1));
    assert_eq!(exporter.counter("requests", &[("method", "GET")]), 3);
    assert_eq!(exporter.histogram_count("latency", &[]), 2);
    assert!(!exporter.deliveries()[0].is_last);

    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    assert!(exporter.deliveries()[1].is_last);
    assert_eq!(exporter.counter("requests", &[("method", "GET")]), 3);
}

#[test]
fn a_flush_holds_all_that_was_recorded_before_it() {
    let (registry, counter) = registry();
    let histogram = registry.histogram("h").register().unwrap();
    let (sender, delivered) = channel();
    let client = client_of(&registry).exporter(reporting(sender)).start().unwrap();
    for round in 1..=20 {
        let (counter, histogram) = (counter.clone(), histogram.clone());
        let recording = thread::spawn(move || {
            counter.add(round);
            histogram.record_n(5, round);
        });
        recording.join().unwrap();
        assert!(client.flush(PATIENCE).is_delivered());
        assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(round * (round + 1) / 2));
        assert_eq!(delivered.try_iter().last(), Some((round, round)));
    }
}

#[test]
fn a_flush_asked_for_during_another_is_one_of_its_own() {
    let (registry, counter) = registry();
    let (exporter, held) = held_back("slow");
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    let first = thread::spawn({
        let client = client.clone();
        move || client.flush(PATIENCE)
    });
    held.wait();
    let (flushed, second) = channel();
    thread::spawn(move || {
        counter.increment();
        let report = client.flush(PATIENCE);
        let seen = registry.latest().unwrap().counter("c", &[]);
        flushed.send((seen, report.flushes, report.is_delivered())).unwrap();
    });
    assert!(second.recv_timeout(A_CHANCE).is_err());
    drop(held);
    assert_eq!(second.recv_timeout(PATIENCE), Ok((Some(1), 2, true)));
    first.join().unwrap();
}

#[test]
fn flushes_from_many_threads_each_hold_what_their_thread_recorded() {
    let (registry, _) = registry();
    let client = client_of(&registry).start().unwrap();
    let start = |number: u64| {
        let (registry, client) = (registry.clone(), client.clone());
        thread::spawn(move || {
            let own = number.to_string();
            let counter = registry.counter("own").label("thread", &own).register().unwrap();
            for round in 1..=50 {
                counter.increment();
                client.flush(PATIENCE);
                let latest = registry.latest().unwrap();
                assert_eq!(latest.counter("own", &[("thread", &own)]), Some(round));
            }
        })
    };
    let flushing: Vec<_> = (0..4).map(start).collect();
    flushing.into_iter().for_each(|thread| thread.join().unwrap());
    let report = client.stop(PATIENCE);
    assert!((51..=201).contains(&report.flushes), "{report:?}");
}

#[test]
fn the_last_snapshot_holds_all_that_was_recorded_before_the_stop() {
    let (registry, counter) = registry();
    let (sender, delivered) = channel();
    let last = by("last", move |delivery: &Delivery<'_>| {
        let is_first = delivery.acknowledged().is_none();
        Ok(sender.send((is_first, delivery.is_last(), additions(delivery)))?)
    });
    let client = client_of(&registry).exporter(last).start().unwrap();
    thread::spawn(move || counter.add(9)).join().unwrap();
    let report = client.stop(PATIENCE);
    assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(9));
    assert_eq!(delivered.iter().collect::<Vec<_>>(), [(true, true, (9, 0))]);
    assert_eq!((report.flushes, report.is_delivered()), (1, true));
    let exporter = &report.exporters[0];
    assert_eq!((exporter.attempts, exporter.acknowledged, exporter.failures), (1, 1, 0));
    assert!(!exporter.is_running);
}

#[test]
fn a_stop_may_be_repeated_and_a_flush_after_it_does_nothing() {
    let (registry, counter) = registry();
    let client = client_of(&registry).start().unwrap();
    assert_eq!(client.stop(PATIENCE).flushes, 1);
    counter.increment();
    returns(move || {
        client.flush(PATIENCE);
        assert_eq!(client.stop(PATIENCE).flushes, 1);
        drop(client);
    });
    assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(0));
}

#[test]
fn every_stop_returns_after_the_last_delivery() {
    let (registry, _) = registry();
    let (exporter, held) = held_back("slow");
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    let (stopped, stops) = channel();
    for number in 0..3 {
        let (client, stopped) = (client.clone(), stopped.clone());
        thread::spawn(move || stopped.send((number, client.stop(PATIENCE))).unwrap());
        if number == 0 {
            held.wait();
        }
    }
    let early = stops.recv_timeout(A_CHANCE);
    drop(held);
    assert!(early.is_err(), "{early:?} returned while the last snapshot was being delivered");
    for _ in 0..3 {
        let (_, report) = stops.recv_timeout(PATIENCE).unwrap();
        assert_eq!((report.flushes, report.is_delivered()), (1, true));
    }
}

#[test]
fn dropping_the_last_clone_stops_a_client() {
    let (registry, counter) = registry();
    let (sender, delivered) = channel();
    let client = client_of(&registry).exporter(reporting(sender)).start().unwrap();
    counter.add(4);
    drop(client.clone());
    assert!(delivered.recv_timeout(A_CHANCE).is_err());
    drop(client);
    // The channel ends with the exporter, and that with the thread.
    assert_eq!(delivered.iter().collect::<Vec<_>>(), [(4, 0)]);
    assert_eq!(Arc::strong_count(&registry), 1);
}

#[test]
fn a_report_says_what_was_not_delivered() {
    let (registry, _) = registry();
    let failing = by("failing", |_| Err(std::io::Error::other("the disk is full").into()));
    let client = client_of(&registry).exporter(failing).exporter(TestExporter::new());
    let client = client.backoff(NEVER..=NEVER).start().unwrap();
    client.flush(PATIENCE);
    let report = client.report();
    assert_eq!(
        report.to_string(),
        "1 flush\n\
         failing: not delivered: the disk is full (1 attempt, 1 failed)\n\
         test: delivered (1 attempt, 0 failed)"
    );
    let report = client.stop(A_CHANCE);
    assert!(!report.is_delivered());
    assert_eq!(report.undelivered().map(|it| &*it.name).collect::<Vec<_>>(), ["failing"]);
    let failing = &report.exporters[0];
    assert_eq!((report.flushes, failing.attempts, failing.failures), (2, 2, 2));
    assert_eq!(failing.last_failure.as_deref(), Some("the disk is full"));
    assert_eq!(failing.undelivered.as_deref(), Some("the disk is full"));
}

#[test]
fn a_slow_exporter_delays_neither_records_nor_snapshots_nor_others() {
    let (registry, counter) = registry();
    let (exporter, held) = held_back("slow");
    let (sender, delivered) = channel();
    let client = client_of(&registry).exporter(exporter).exporter(reporting(sender));
    let client = client.start().unwrap();
    let flushing = thread::spawn({
        let client = client.clone();
        move || client.flush(PATIENCE)
    });
    held.wait();
    assert_eq!(delivered.recv_timeout(PATIENCE), Ok((0, 0)));
    // The exporter is inside of its delivery all the while.
    let reading = registry.clone();
    let also_flushing = client.clone();
    returns(move || {
        counter.add(6);
        assert_eq!(reading.snapshot().counter("c", &[]), Some(6));
        assert_eq!(reading.latest().unwrap().counter("c", &[]), Some(0));
        reading.counter("new").register().unwrap().increment();
        also_flushing.flush(A_CHANCE);
        assert_eq!(reading.latest().unwrap().counter("c", &[]), Some(6));
    });
    assert_eq!(delivered.recv_timeout(PATIENCE), Ok((6, 0)));
    drop(held);
    flushing.join().unwrap();
    assert_eq!(client.stop(PATIENCE).flushes, 3);
    assert_eq!(registry.latest().unwrap().counter("new", &[]), Some(1));
}

#[test]
fn a_flush_from_inside_of_an_exporter_does_not_wait_for_itself() {
    let (registry, counter) = registry();
    let (gate, held) = gate();
    let own = Arc::new(std::sync::OnceLock::<Client>::new());
    let (sender, delivered) = channel();
    let flushing = by("flushing", {
        let own = own.clone();
        move |delivery: &Delivery<'_>| {
            if delivery.acknowledged().is_none() {
                gate.pass();
                own.get().unwrap().flush(NEVER);
            }
            Ok(sender.send(additions(delivery))?)
        }
    });
    let client = client_of(&registry).exporter(flushing).start().unwrap();
    let _ = own.set(client.clone());
    let flush = thread::spawn({
        let client = client.clone();
        move || client.flush(PATIENCE)
    });
    held.wait();
    counter.add(2);
    drop(held);
    flush.join().unwrap();
    // What it asked for comes, after the delivery that asked.
    assert_eq!(delivered.recv_timeout(PATIENCE), Ok((0, 0)));
    assert_eq!(delivered.recv_timeout(PATIENCE), Ok((2, 0)));
    returns(move || client.stop(PATIENCE));
}

#[test]
fn a_shorter_interval_flushes_more_often() {
    let (registry, _) = registry();
    let (sender, flushes) = channel();
    let start = |interval: Duration| {
        let sender = sender.clone();
        let tell = by("tell", move |_: &Delivery<'_>| Ok(sender.send(interval)?));
        let client = Client::builder().registry(registry.clone()).flush_interval(interval);
        client.exporter(tell).start().unwrap()
    };
    let (short, long) = (Duration::from_millis(1), Duration::from_secs(30));
    let clients = [start(long), start(short)];
    for _ in 0..20 {
        assert_eq!(flushes.recv().unwrap(), short);
    }
    drop(clients);
}

#[test]
fn an_interval_without_end_is_one() {
    let (registry, counter) = registry();
    let client = Client::builder().registry(registry.clone()).flush_interval(Duration::MAX);
    let client = client.start().unwrap();
    counter.add(2);
    let report = returns(move || {
        client.flush(Duration::MAX);
        client.stop(Duration::MAX)
    });
    assert_eq!(report.flushes, 2);
    assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(2));
}

#[test]
fn an_interval_of_nothing_is_the_shortest() {
    let (registry, _) = registry();
    let (sender, delivered) = channel();
    let client = Client::builder().registry(registry).flush_interval(Duration::ZERO);
    let client = client.exporter(reporting(sender)).start().unwrap();
    for _ in 0..3 {
        delivered.recv_timeout(PATIENCE).unwrap();
    }
    assert!(client.stop(PATIENCE).flushes >= 4);
}

#[test]
fn exporters_of_one_name_are_told_apart() {
    let (registry, _) = registry();
    let client = client_of(&registry).exporter(TestExporter::new()).exporter(TestExporter::new());
    let report = client.start().unwrap().stop(PATIENCE);
    let names: Vec<_> = report.exporters.iter().map(|exporter| &*exporter.name).collect();
    assert_eq!(names, ["test", "test-2"]);
    let latest = registry.latest().unwrap();
    for name in names {
        let attempts = latest.counter("quipu.export.attempts", &[("exporter", name)]);
        assert_eq!(attempts, Some(0), "{name}");
    }
}
