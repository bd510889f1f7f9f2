//! Gate on what flushes do to recording: the median time of a record while another thread flushes
//! without a pause, over that of the same record while it sleeps.
//!
//! The two take turns, a few milliseconds each, in batches that are much shorter than a flush. Here the
//! median counts and not the minimum, since what is measured, cache lines that the reader has taken a
//! copy of, is a disturbance itself. What it leaves out is a recording thread that has to wait for a
//! core: the caller, the flusher and the delivery thread wake each other all the time, and on a machine
//! with two cores the system now and then runs one of them in the recording thread's place.

use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use crate::verdict::Verdict;
use quipu::{Client, Counter, Delivery, ExportError, Exporter, Histogram, Registry};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

const BOUND: f64 = 1.1;
const COUNTERS: usize = 4_096;
const HISTOGRAMS: usize = 64;
/// Series that are flushed and not recorded to.
const OTHERS: usize = 5_840;
const ROUNDS: usize = 151;
/// Batches in a turn, and records in a batch.
const BATCHES: usize = 100;
const RECORDS: usize = 20_000;
const TIMEOUT: Duration = Duration::from_secs(60);

/// Reads the difference, as an exporter would.
struct Reader;

impl Exporter for Reader {
    fn name(&self) -> &str {
        "reader"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        black_box(delivery.delta().len());
        Ok(())
    }
}

pub fn measure(slack: f64) -> Vec<Verdict> {
    let registry = Arc::new(Registry::new());
    let counter = |index| registry.counter(&format!("flushing.counter.{index}")).register();
    let counters: Result<Vec<Counter>, _> = (0..COUNTERS + OTHERS).map(counter).collect();
    let histogram = |index| registry.histogram(&format!("flushing.time.{index}")).register();
    let histograms: Result<Vec<Histogram>, _> = (0..HISTOGRAMS).map(histogram).collect();
    let (counters, histograms) = (
        counters.expect("an empty registry has room"),
        histograms.expect("an empty registry has room"),
    );
    let client = Client::builder().registry(registry).flush_interval(Duration::from_secs(9_999));
    let client = client.exporter(Reader).start().expect("threads can be had");
    quipu::register_thread();

    let (indices, values) = (indices(), latencies());
    let count = |number: usize| {
        counters[usize::from(indices[number % INDICES]) % COUNTERS].increment();
    };
    let time = |number: usize| {
        histograms[number % HISTOGRAMS].record(values[number % LATENCIES]);
    };
    vec![
        gate("counter add, random, while flushing", &client, slack, count),
        gate("histogram record, while flushing", &client, slack, time),
    ]
}

fn gate(gate: &'static str, client: &Client, slack: f64, record: impl Fn(usize)) -> Verdict {
    let (is_on, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let flushes = AtomicU64::new(0);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let flushing = scope.spawn(|| {
            while !is_over.load(SeqCst) {
                if is_on.load(SeqCst) {
                    client.flush(TIMEOUT);
                    flushes.fetch_add(1, SeqCst);
                } else {
                    thread::park();
                }
            }
        });
        let wait_for_flushes = |how_many| {
            let until = flushes.load(SeqCst) + how_many;
            while flushes.load(SeqCst) < until {
                thread::yield_now();
            }
        };
        for _ in 0..ROUNDS {
            alone.extend(times_of(&record));
            is_on.store(true, SeqCst);
            flushing.thread().unpark();
            wait_for_flushes(1);
            let before = flushes.load(SeqCst);
            let times = times_of(&record);
            // On a machine without a core to spare there may have been none.
            if flushes.load(SeqCst) != before {
                beside.extend(times);
            }
            is_on.store(false, SeqCst);
            // The one under way, if there is one.
            thread::sleep(Duration::from_micros(500));
        }
        is_over.store(true, SeqCst);
        flushing.thread().unpark();
    });
    let decidable = beside.len() >= alone.len() / 2;
    let (floor_ns, quipu_ns) = (median(alone), median(beside));
    Verdict {
        gate,
        floor_ns,
        quipu_ns,
        measured: quipu_ns / floor_ns,
        bound: BOUND * slack,
        unit: "x",
        decidable,
        look: "cargo bench --bench flush; and this on an idle machine",
    }
}

/// Nanoseconds for one record, batch by batch.
fn times_of(record: &impl Fn(usize)) -> Vec<f64> {
    let batch = |batch: usize| {
        let start = Instant::now();
        for number in batch * RECORDS..(batch + 1) * RECORDS {
            record(number);
            black_box(());
        }
        start.elapsed().as_nanos() as f64 / RECORDS as f64
    };
    (0..BATCHES).map(batch).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::INFINITY)
}
