//! Handles that outlive their registry, and what becomes of their cells: reused only when the last
//! handle is gone, and zero again by then.
#![cfg(not(loom))]

mod process;

use process::in_own_process;
use quipu::{Counter, Gauge, Histogram, Registry, UpDownCounter, store_usage};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

struct Metrics {
    counter: Counter,
    up_down: UpDownCounter,
    gauge: Gauge,
    coarse: Histogram<1>,
    histogram: Histogram,
    shared: Histogram,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            counter: registry.counter("c").register().unwrap(),
            up_down: registry.up_down_counter("u").register().unwrap(),
            gauge: registry.gauge("g").register().unwrap(),
            coarse: registry.histogram("coarse").significant_digits::<1>().register().unwrap(),
            histogram: registry.histogram("h").register().unwrap(),
            shared: registry.histogram("s").shared().register().unwrap(),
        }
    }

    fn record(&self, value: u64) {
        self.counter.add(value);
        self.up_down.add(-(value as i64));
        self.gauge.set(value as f64);
        self.coarse.record(value);
        self.histogram.record_corrected(value, 100);
        self.shared.record(value);
    }
}

/// The readings of all of them: sums, and the counts of the histograms.
fn readings(registry: &Registry) -> (u64, i64, Option<f64>, [(u64, u64); 3]) {
    let snapshot = registry.snapshot();
    let distribution = |name| {
        let seen = snapshot.histogram(name, &[]).unwrap();
        (seen.count(), seen.sum())
    };
    (
        snapshot.counter("c", &[]).unwrap(),
        snapshot.up_down_counter("u", &[]).unwrap(),
        snapshot.gauge("g", &[]),
        ["coarse", "h", "s"].map(distribution),
    )
}

const NOTHING: (u64, i64, Option<f64>, [(u64, u64); 3]) = (0, 0, None, [(0, 0); 3]);

#[test]
fn handles_record_on_without_their_registry() {
    let registry = Registry::new();
    let kept = Metrics::new(&registry);
    drop(registry);
    kept.record(1_000_000);
    let elsewhere = thread::spawn(move || {
        kept.record(5);
        kept
    });
    let kept = elsewhere.join().unwrap();

    // New series get other cells, whatever the old handles do.
    let registry = Registry::new();
    let new = Metrics::new(&registry);
    assert_eq!(readings(&registry), NOTHING);
    kept.record(7);
    assert_eq!(readings(&registry), NOTHING);
    new.record(250);
    let of_the_new = (250, -250, Some(250.0), [(1, 250), (2, 400), (1, 250)]);
    assert_eq!(readings(&registry), of_the_new);
    drop(kept);
    assert_eq!(readings(&registry), of_the_new);
}

#[test]
fn a_snapshot_outlives_its_registry() {
    let registry = Registry::new();
    Metrics::new(&registry).record(42);
    let snapshot = registry.snapshot();
    drop(registry);
    Metrics::new(&Registry::new()).record(1);
    assert_eq!(snapshot.counter("c", &[]), Some(42));
    assert_eq!(snapshot.histogram("h", &[]).unwrap().sum(), 42);
    assert_eq!(snapshot.iter().count(), 6);
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn cells_are_reused_and_start_at_zero() {
    in_own_process("cells_are_reused_and_start_at_zero", || {
        let mut reserved = 0;
        for round in 0..300 {
            let registry = Registry::new();
            let metrics = Arc::new(Metrics::new(&registry));
            assert_eq!(readings(&registry), NOTHING, "round {round}");
            let record = |_| {
                let metrics = metrics.clone();
                thread::spawn(move || metrics.record(1_000 << (round % 40)))
            };
            let recording: Vec<_> = (0..3).map(record).collect();
            recording.into_iter().for_each(|thread| thread.join().unwrap());
            metrics.record(round);
            assert_ne!(readings(&registry), NOTHING);
            match round {
                0 => reserved = store_usage().bytes_reserved,
                _ => assert_eq!(store_usage().bytes_reserved, reserved, "round {round}"),
            }
            // Whichever of the two is dropped last frees the cells.
            if round % 2 == 0 {
                drop(registry);
                drop(metrics);
            }
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_handle_that_is_held_keeps_its_cells_from_being_reused() {
    in_own_process("a_handle_that_is_held_keeps_its_cells_from_being_reused", || {
        let held = Registry::new();
        let counter = held.counter("c").register().unwrap();
        let histogram = held.histogram("h").register().unwrap();
        counter.add(7);
        histogram.record(70);
        for _ in 0..200 {
            let registry = Registry::new();
            Metrics::new(&registry).record(1 << 30);
        }
        let clones = (counter.clone(), histogram.clone());
        drop((counter, histogram));
        clones.0.increment();
        clones.1.record(30);
        let snapshot = held.snapshot();
        assert_eq!(snapshot.counter("c", &[]), Some(8));
        let seen = snapshot.histogram("h", &[]).unwrap();
        assert_eq!((seen.count(), seen.sum()), (2, 100));
    });
}

/// `register_thread` writes to pages in which another thread frees cells.
#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn cells_freed_while_a_thread_registers_are_zero() {
    in_own_process("cells_freed_while_a_thread_registers_are_zero", || {
        const ROUNDS: u64 = 20_000;
        let (sender, counters) = mpsc::channel::<Counter>();
        let recorded = Arc::new(AtomicU64::new(0));
        let registering = thread::spawn({
            let recorded = recorded.clone();
            move || loop {
                match counters.try_recv() {
                    Ok(counter) => counter.increment(),
                    Err(mpsc::TryRecvError::Disconnected) => return,
                    Err(mpsc::TryRecvError::Empty) => {
                        quipu::register_thread();
                        continue;
                    }
                }
                recorded.fetch_add(1, Ordering::Release);
            }
        });
        for round in 1..=ROUNDS {
            let registry = Registry::new();
            let counter = registry.counter("c").register().unwrap();
            assert_eq!(registry.snapshot().counter("c", &[]), Some(0), "round {round}");
            sender.send(counter.clone()).unwrap();
            while recorded.load(Ordering::Acquire) < round {
                thread::yield_now();
            }
            assert_eq!(registry.snapshot().counter("c", &[]), Some(1), "round {round}");
            // The last handles go here, where the cell is freed.
        }
        drop(sender);
        registering.join().unwrap();
    });
}
