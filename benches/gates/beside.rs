//! Gates on what readers do to recording: the median time of a record while another thread flushes, or
//! scrapes, without a pause, over that of the same record while it sleeps.
//!
//! The two take turns, a few milliseconds each, in batches that are much shorter than a flush. Here the
//! median counts and not the minimum, since what is measured, cache lines that the reader has taken a
//! copy of, is a disturbance itself. What it leaves out is a recording thread that has to wait for a
//! core: the threads of a flush wake each other all the time, and on a machine with two cores the system
//! now and then runs one of them in the recording thread's place.

use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use crate::verdict::Verdict;
use quipu::{Client, Counter, Delivery, ExportError, Exporter, Histogram, Registry};
use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const BOUND: f64 = 1.1;
const COUNTERS: usize = 4_096;
const HISTOGRAMS: usize = 64;
/// Series that are read and not recorded to.
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
    let counter = |index| registry.counter(&format!("beside.counter.{index}")).register();
    let counters: Result<Vec<Counter>, _> = (0..COUNTERS + OTHERS).map(counter).collect();
    let histogram = |index| registry.histogram(&format!("beside.time.{index}")).register();
    let histograms: Result<Vec<Histogram>, _> = (0..HISTOGRAMS).map(histogram).collect();
    let (counters, histograms) = (
        counters.expect("an empty registry has room"),
        histograms.expect("an empty registry has room"),
    );
    let client =
        Client::builder().registry(registry.clone()).flush_interval(Duration::from_secs(9_999));
    let client = client.exporter(Reader).start().expect("threads can be had");
    quipu::register_thread();

    let (indices, values) = (indices(), latencies());
    let count = |number: usize| {
        counters[usize::from(indices[number % INDICES]) % COUNTERS].increment();
    };
    let time = |number: usize| {
        histograms[number % HISTOGRAMS].record(values[number % LATENCIES]);
    };
    let flush = || {
        client.flush(TIMEOUT);
    };
    let scraper = Mutex::new((PrometheusEncoder::new(), Vec::new()));
    let scrape = || {
        let mut scraper = scraper.lock().expect("the encoder does not panic");
        let (encoder, text) = &mut *scraper;
        text.clear();
        let (format, names) = (PrometheusFormat::Text, PrometheusNames::Underscores);
        encoder.encode(&registry.snapshot(), format, names, text);
    };
    vec![
        gate("counter add, random, while flushing", &flush, slack, count),
        gate("histogram record, while flushing", &flush, slack, time),
        gate("counter add, random, while scraped", &scrape, slack, count),
        gate("histogram record, while scraped", &scrape, slack, time),
    ]
}

fn gate(
    gate: &'static str,
    read: &(impl Fn() + Sync),
    slack: f64,
    record: impl Fn(usize),
) -> Verdict {
    let (is_on, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let reads = AtomicU64::new(0);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        let reading = scope.spawn(|| {
            while !is_over.load(SeqCst) {
                if is_on.load(SeqCst) {
                    read();
                    reads.fetch_add(1, SeqCst);
                } else {
                    thread::park();
                }
            }
        });
        let wait_for_reads = |how_many| {
            let until = reads.load(SeqCst) + how_many;
            while reads.load(SeqCst) < until {
                thread::yield_now();
            }
        };
        for _ in 0..ROUNDS {
            alone.extend(times_of(&record));
            is_on.store(true, SeqCst);
            reading.thread().unpark();
            wait_for_reads(1);
            let before = reads.load(SeqCst);
            let times = times_of(&record);
            // On a machine without a core to spare there may have been none.
            if reads.load(SeqCst) != before {
                beside.extend(times);
            }
            is_on.store(false, SeqCst);
            // The one under way, if there is one.
            thread::sleep(Duration::from_micros(500));
        }
        is_over.store(true, SeqCst);
        reading.thread().unpark();
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
        look: "cargo bench --bench flush, or --bench snapshot; and this on an idle machine",
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
