//! Threads that record: some for the whole run, others for a few milliseconds each.

use super::run::Run;
use super::totals::{LATE, LATENCY, OPEN, REQUESTS, SHORT, SHORT_LATENCY, Totals};
use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use quipu::{Counter, Gauge, Histogram, RegisterError, Registry, UpDownCounter};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

const COUNTERS: usize = 64;
const HISTOGRAMS: usize = 8;

/// Records of a long-lived thread between two of its pauses.
const RECORDS: usize = 20_000;
const PAUSE: Duration = Duration::from_millis(1);

/// Short-lived threads that are alive at once, how long each lives, and records of each.
const TOGETHER: usize = 4;
const LIFE: Duration = Duration::from_millis(2);
const RECORDS_OF_A_LIFE: u64 = 200;
const PAUSE_BETWEEN_LIVES: Duration = Duration::from_millis(3);

/// Metrics that stay for the whole run.
pub struct Metrics {
    requests: Vec<Counter>,
    open: UpDownCounter,
    latency: Vec<Histogram>,
    depth: Gauge,
    short: Counter,
    short_latency: Histogram,
    late: Counter,
}

impl Metrics {
    pub fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let request = |number: usize| {
            registry.counter("soak.requests").label("worker", &number.to_string()).register()
        };
        let latency = |number: usize| {
            registry.histogram("soak.latency").label("worker", &number.to_string()).register()
        };
        Ok(Self {
            requests: (0..COUNTERS).map(request).collect::<Result<_, _>>()?,
            open: registry.up_down_counter("soak.open").register()?,
            latency: (0..HISTOGRAMS).map(latency).collect::<Result<_, _>>()?,
            depth: registry.gauge("soak.depth").register()?,
            short: registry.counter("soak.short").register()?,
            short_latency: registry.histogram("soak.short.latency").register()?,
            late: registry.counter("soak.late").register()?,
        })
    }

    /// Records until the run is over.
    pub fn record_for_long(&self, run: &Run) {
        let (indices, values) = (indices(), latencies());
        let (mut number, mut own) = (0_usize, Totals::default());
        run.repeat(PAUSE, || {
            for _ in 0..RECORDS {
                let random = usize::from(indices[number % INDICES]);
                let value = values[number % LATENCIES];
                match number % 8 {
                    0..4 => {
                        self.requests[random % COUNTERS].add(1 + random as u64 % 3);
                        own.count(REQUESTS, 1 + random as u64 % 3);
                    }
                    4..7 => {
                        self.latency[random % HISTOGRAMS].record(value);
                        own.value(LATENCY, value);
                    }
                    _ => {
                        self.open.add(random as i64 % 5 - 2);
                        own.count(OPEN, (random as i64 % 5 - 2) as u64);
                        self.depth.set(random as f64);
                    }
                }
                number = number.wrapping_add(1);
            }
            run.tallies.add(&mut own);
            run.work.records.fetch_add(RECORDS as u64, Relaxed);
        });
    }
}

/// Starts and joins short-lived threads until the run is over.
pub fn come_and_go(metrics: &Arc<Metrics>, run: &Arc<Run>) {
    let mut number = 0_u64;
    run.repeat(PAUSE_BETWEEN_LIVES, || {
        let lives: Vec<_> = (0..TOGETHER)
            .map(|_| {
                number += 1;
                let (metrics, run, number) = (metrics.clone(), run.clone(), number);
                thread::spawn(move || live(&metrics, &run, number))
            })
            .collect();
        for life in lives {
            // Waits for the destructors of its thread-locals too.
            run.check(life.join().is_ok(), "a short-lived thread panicked");
        }
        run.work.threads.fetch_add(TOGETHER as u64, Relaxed);
    });
}

fn live(metrics: &Arc<Metrics>, run: &Arc<Run>, number: u64) {
    let at_exit = || {
        let last = Last { metrics: metrics.clone(), run: run.clone(), number };
        AT_EXIT.with(|cell| cell.replace(Some(last)));
    };
    // The thread-local that is first used first is destroyed last: some record after the thread has
    // given its shard back, some before, some not at all.
    if number % 3 == 0 {
        at_exit();
    }
    let mut own = Totals::default();
    let mut record = || {
        for step in 0..RECORDS_OF_A_LIFE / 2 {
            let value = (number % 1_000) * 1_000 + step;
            metrics.short.add(step);
            own.count(SHORT, step);
            metrics.short_latency.record(value);
            own.value(SHORT_LATENCY, value);
        }
    };
    record();
    thread::sleep(LIFE);
    record();
    if number % 3 == 1 {
        at_exit();
    }
    run.tallies.add(&mut own);
    run.work.records.fetch_add(2 * RECORDS_OF_A_LIFE, Relaxed);
}

thread_local! {
    static AT_EXIT: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Records when its thread ends.
struct Last {
    metrics: Arc<Metrics>,
    run: Arc<Run>,
    number: u64,
}

impl Drop for Last {
    fn drop(&mut self) {
        let mut own = Totals::default();
        self.metrics.late.add(1 + self.number % 7);
        own.count(LATE, 1 + self.number % 7);
        self.metrics.short_latency.record(self.number);
        own.value(SHORT_LATENCY, self.number);
        self.run.tallies.add(&mut own);
    }
}
