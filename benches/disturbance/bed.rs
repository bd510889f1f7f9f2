//! What is recorded to, by whom, and for how long.

use crate::disturbers::Disturber;
use crate::latency::{Batch, COUNTERS, HISTOGRAMS, Latencies, SharedCells};
use quipu::{Counter, Histogram, Registry, Value};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Of each lane: twenty of them are beyond p99.999.
const FEWEST_SAMPLES: u64 = 2_000_000;
/// A row ends after so many times its least time, however few samples there are.
const PATIENCE: u32 = 6;

pub struct Bed {
    pub registry: Registry,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
    /// Read by those who read what the first thread records.
    pub cells: Arc<SharedCells>,
    /// What was added to counters, and the values recorded and their sum.
    tallies: [AtomicU64; 3],
    faults: AtomicU64,
}

/// A row's samples.
pub struct Sampled {
    pub latencies: Latencies,
    pub seconds: f64,
    /// How often each disturber has finished meanwhile.
    pub disturbed: Vec<u64>,
}

impl Bed {
    pub fn new() -> Self {
        let registry = Registry::new();
        let counter = |number| registry.counter(&format!("bed.counter.{number}")).register();
        let counters: Result<_, _> = (0..COUNTERS).map(counter).collect();
        let histogram = |number| registry.histogram(&format!("bed.time.{number}")).register();
        let histograms: Result<_, _> = (0..HISTOGRAMS).map(histogram).collect();
        let (counters, histograms) = (
            counters.expect("an empty registry has room"),
            histograms.expect("an empty registry has room"),
        );
        let cells = Arc::new(SharedCells::new());
        let (tallies, faults) = Default::default();
        Self { registry, counters, histograms, cells, tallies, faults }
    }

    /// Samples records on so many threads while each of `disturbers` does what it does, again and
    /// again, on a thread of its own.
    pub fn sample(
        &self,
        disturbers: Vec<Disturber<'_>>,
        threads: usize,
        least: Duration,
    ) -> Sampled {
        let (is_over, latencies) = (AtomicBool::new(false), Mutex::new(Latencies::new()));
        let finished: Vec<AtomicU64> = disturbers.iter().map(|_| AtomicU64::new(0)).collect();
        let start = thread::scope(|scope| {
            for (mut disturber, finished) in disturbers.into_iter().zip(&finished) {
                let is_over = &is_over;
                scope.spawn(move || {
                    while !is_over.load(Relaxed) {
                        disturber();
                        finished.fetch_add(1, Relaxed);
                    }
                });
            }
            while finished.iter().any(|finished| finished.load(Relaxed) == 0) {
                thread::sleep(Duration::from_millis(1));
            }
            finished.iter().for_each(|finished| finished.store(0, Relaxed));
            let start = Instant::now();
            for number in 0..threads {
                let (is_over, latencies) = (&is_over, &latencies);
                // Nobody else writes to a thread's cells.
                let cells = match number {
                    0 => self.cells.clone(),
                    _ => Arc::new(SharedCells::new()),
                };
                scope.spawn(move || self.record(cells, latencies, is_over));
            }
            let samples = || latencies.lock().unwrap_or_else(PoisonError::into_inner).samples();
            while start.elapsed() < least
                || samples() < FEWEST_SAMPLES && start.elapsed() < PATIENCE * least
            {
                thread::sleep(Duration::from_millis(50));
            }
            is_over.store(true, Relaxed);
            start
        });
        let latencies = latencies.into_inner().unwrap_or_else(PoisonError::into_inner);
        let disturbed = finished.iter().map(|finished| finished.load(Relaxed)).collect();
        Sampled { latencies, seconds: start.elapsed().as_secs_f64(), disturbed }
    }

    fn record(&self, cells: Arc<SharedCells>, latencies: &Mutex<Latencies>, is_over: &AtomicBool) {
        quipu::register_thread();
        let (mut batch, mut values, mut sum) = (Batch::new(cells), 0, 0_u64);
        let counter = |number: usize| self.counters[number].increment();
        let histogram = |number: usize, value| self.histograms[number].record(value);
        self.counters.iter().for_each(|counter| counter.increment());
        let mut added = self.counters.len() as u64;
        batch.touch(histogram, |value| {
            values += 1;
            sum = sum.wrapping_add(value);
        });
        while !is_over.load(Relaxed) {
            batch.fill(counter, histogram, |value| {
                added += 1;
                values += 1;
                sum = sum.wrapping_add(value);
            });
            latencies.lock().unwrap_or_else(PoisonError::into_inner).add(&batch);
        }
        for (tally, own) in self.tallies.iter().zip([added, values, sum]) {
            tally.fetch_add(own, Relaxed);
        }
    }

    /// Compares all that was recorded with the tallies.
    pub fn check_totals(&self) {
        let mut totals = [0_u64; 3];
        for (_, value) in self.registry.snapshot().iter() {
            match value {
                Value::Counter(count) => totals[0] += count,
                Value::Histogram(seen) => {
                    totals[1] += seen.count();
                    totals[2] = totals[2].wrapping_add(seen.sum());
                }
                _ => {}
            }
        }
        let tallies = self.tallies.each_ref().map(|tally| tally.load(Relaxed));
        self.check(totals == tallies, "what was sampled");
    }

    /// Counts, and tells, what is not exact.
    pub fn check(&self, is_exact: bool, what: &str) {
        if !is_exact {
            self.faults.fetch_add(1, Relaxed);
            eprintln!("WRONG: {what}");
        }
    }

    pub fn faults(&self) -> u64 {
        self.faults.load(Relaxed)
    }
}
