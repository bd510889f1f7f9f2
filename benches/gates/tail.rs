//! Gates on the slowest records: p99.99 of single records while another thread takes snapshots
//! without a pause, or has a client flush many series to a backend that hardly reads.
//!
//! Each record is timed by itself with the raw clock. Between any two records nothing is timed the
//! same way, and an addition to a thread-local cell: what these take is of the machine's own
//! making: interrupts, other processes, a hypervisor; and so is what plain cells take that are as many as
//! the histograms' and that the other thread reads as well: the way of the processor's cores with memory
//! that one writes and another reads. A record over the bound counts only where that noise is under it. Noise that the cell does not show is left, such as caches that another
//! process has emptied, and only ever makes records slower: a gate that does not hold is tried
//! again a little later, and the best try counts. The clock does not wait for a store to
//! leave the core, and neither does a thread that records.

use crate::floor;
use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use crate::verdict::{Outcome, Verdict};
use quanta::Clock;
use quipu::{Client, ClientBuilder, Counter, Histogram, JsonLines, Registry};
use std::hint::black_box;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const BOUND_NS: f64 = 1_000.0;
const COUNTERS: usize = 1_000;
const HISTOGRAMS: usize = 100;
const RECORDS: usize = 1_000_000;
/// Snapshots that must have been taken during a million records.
const FEWEST_SNAPSHOTS: u64 = 20;
/// Plain cells for each histogram.
const CELLS_OF_A_HISTOGRAM: usize = 1_024;
/// Measurements of a gate that does not hold, and the pause between two of them.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);

/// Of these, the client's exporter tells the backend that hardly reads.
const FLUSHED_SERIES: usize = 50_000;
/// What is asked of a slow backend is that nothing is slower than without one; below so many
/// nanoseconds a difference is the clock's.
const RESOLUTION_NS: f64 = 100.0;
const SLOW_BACKEND_BOUND: f64 = 1.5;
/// How long a caller waits for a flush that the backend does not let come to its end.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(5);

struct Bed {
    registry: Arc<Registry>,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
    values: Box<[u64; LATENCIES]>,
    /// As many as all histograms have, about.
    cells: Vec<AtomicU64>,
    clock: Clock,
}

pub fn measure(slack: f64) -> Vec<Verdict> {
    let bed = Bed::new();
    let mut samples = Samples::new();
    let indices = indices();
    let add = |number: usize| {
        bed.counters[usize::from(indices[number % INDICES]) % COUNTERS].increment();
    };
    let record = |number: usize| {
        bed.histograms[number % HISTOGRAMS].record(bed.values[number % LATENCIES]);
    };
    let mut verdicts = vec![
        bed.beside_snapshots("p99.99 counter add, snapshots running", &mut samples, slack, &add),
        bed.beside_snapshots("p99.99 histogram record, the same", &mut samples, slack, &record),
    ];
    bed.register_more();
    for (gate, record) in [
        ("p99.99 counter add, slow backend", &add as &dyn Fn(usize)),
        ("p99.99 histogram record, slow backend", &record),
    ] {
        verdicts.push(bed.beside_a_slow_backend(gate, &mut samples, slack, record));
    }
    verdicts
}

/// Raw latencies, one of each in every round.
struct Samples {
    nothing: Vec<u64>,
    cell: Vec<u64>,
    shared_cell: Vec<u64>,
    record: Vec<u64>,
}

impl Samples {
    /// Written to, so that no page is touched for the first time while the clock runs.
    fn new() -> Self {
        let [nothing, cell, shared_cell, record] = [(); 4].map(|()| vec![1; RECORDS]);
        Self { nothing, cell, shared_cell, record }
    }
}

impl Bed {
    fn new() -> Self {
        let registry = Arc::new(Registry::new());
        let counter = |number| registry.counter(&format!("gates.counter.{number}")).register();
        let counters: Result<_, _> = (0..COUNTERS).map(counter).collect();
        let histogram = |number| registry.histogram(&format!("gates.time.{number}")).register();
        let histograms: Result<_, _> = (0..HISTOGRAMS).map(histogram).collect();
        let (counters, histograms) = (
            counters.expect("an empty registry has room"),
            histograms.expect("an empty registry has room"),
        );
        let cells = (0..HISTOGRAMS * CELLS_OF_A_HISTOGRAM).map(|_| AtomicU64::new(0)).collect();
        let (values, clock) = (latencies(), Clock::new());
        let bed = Self { registry, counters, histograms, values, cells, clock };
        bed.touch();
        bed
    }

    /// Series that are flushed as well.
    fn register_more(&self) {
        for number in self.registry.snapshot().len()..FLUSHED_SERIES {
            let counter = self.registry.counter(&format!("gates.other.{number}")).register();
            counter.expect("the registry has room").increment();
        }
    }

    fn beside_snapshots(
        &self,
        gate: &'static str,
        samples: &mut Samples,
        slack: f64,
        record: &dyn Fn(usize),
    ) -> Verdict {
        let snapshot = || {
            black_box(self.registry.snapshot());
            black_box(self.cells.iter().map(|cell| cell.load(Relaxed)).fold(0, u64::wrapping_add));
        };
        best_of_tries(|| {
            let met_snapshots = self.sample(samples, &snapshot, record) >= FEWEST_SNAPSHOTS;
            let (noise_ns, record_ns) = self.noise_and_record_ns(samples);
            let quipu_ns = if met_snapshots { record_ns } else { f64::INFINITY };
            Verdict {
                gate,
                floor_ns: noise_ns,
                quipu_ns,
                measured: quipu_ns,
                bound: BOUND_NS * slack,
                unit: "ns",
                decidable: met_snapshots && noise_ns <= BOUND_NS * slack,
                look: "this on an idle machine; how long the reader is at it: \
                       cargo bench --bench snapshot",
            }
        })
    }

    fn beside_a_slow_backend(
        &self,
        gate: &'static str,
        samples: &mut Samples,
        slack: f64,
        record: &dyn Fn(usize),
    ) -> Verdict {
        let client = || Client::builder().registry(self.registry.clone());
        best_of_tries(|| {
            let alone_ns = self.beside_flushes(client(), samples, record);
            let backend = slow_backend().expect("a port and a thread can be had");
            let exporter = JsonLines::to(backend);
            let beside_ns = self.beside_flushes(client().exporter(exporter), samples, record);
            Verdict {
                gate,
                floor_ns: alone_ns,
                quipu_ns: beside_ns,
                measured: beside_ns.max(RESOLUTION_NS) / alone_ns.max(RESOLUTION_NS),
                bound: SLOW_BACKEND_BOUND * slack,
                unit: "x",
                decidable: alone_ns <= BOUND_NS * slack,
                look: "this on an idle machine; what a flush costs: cargo bench --bench flush",
            }
        })
    }

    /// What 1 in 10,000 records exceeds while a client flushes, beyond the machine's own noise.
    fn beside_flushes(
        &self,
        client: ClientBuilder,
        samples: &mut Samples,
        record: &dyn Fn(usize),
    ) -> f64 {
        let client = client.flush_interval(Duration::from_secs(9_999));
        let client = client.stop_timeout(Duration::ZERO).start().expect("threads can be had");
        let flush = || {
            client.flush(FLUSH_TIMEOUT);
        };
        self.sample(samples, &flush, record);
        self.noise_and_record_ns(samples).1
    }

    fn noise_and_record_ns(&self, samples: &mut Samples) -> (f64, f64) {
        let noise = [&mut samples.nothing, &mut samples.cell, &mut samples.shared_cell];
        let noise_ns = noise.map(|noise| self.p9999_ns(noise)).into_iter().fold(0.0, f64::max);
        (noise_ns, self.p9999_ns(&mut samples.record))
    }

    /// Records everything once: the first touch of a page is the system's work.
    fn touch(&self) {
        quipu::register_thread();
        floor::expose();
        for counter in &self.counters {
            counter.increment();
        }
        for histogram in &self.histograms {
            for value in self.values.iter() {
                histogram.record(*value);
            }
        }
    }

    /// Times records, and what is between them, while a second thread does `other` without a pause;
    /// returns how often it has finished that meanwhile.
    fn sample(
        &self,
        samples: &mut Samples,
        other: &(dyn Fn() + Sync),
        record: &dyn Fn(usize),
    ) -> u64 {
        let (stop, finished) = (AtomicBool::new(false), AtomicU64::new(0));
        let finished_so_far = || finished.load(Relaxed);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    other();
                    finished.fetch_add(1, Relaxed);
                }
            });
            while finished_so_far() == 0 {
                thread::yield_now();
            }
            let before = finished_so_far();
            for number in 0..RECORDS {
                samples.nothing[number] = self.time(|| ());
                samples.cell[number] = self.time(floor::add);
                let histogram = number % HISTOGRAMS * CELLS_OF_A_HISTOGRAM;
                let value = self.values[number % LATENCIES] as usize;
                let shared = &self.cells[histogram + value % CELLS_OF_A_HISTOGRAM];
                samples.shared_cell[number] =
                    self.time(|| shared.store(shared.load(Relaxed).wrapping_add(1), Relaxed));
                samples.record[number] = self.time(|| record(number));
            }
            let meanwhile = finished_so_far() - before;
            stop.store(true, Relaxed);
            meanwhile
        })
    }

    #[inline(always)]
    fn time(&self, operation: impl FnOnce()) -> u64 {
        let start = self.clock.raw();
        operation();
        self.clock.raw().saturating_sub(start)
    }

    /// What 1 in 10,000 of `latencies` exceeds, in nanoseconds.
    fn p9999_ns(&self, latencies: &mut [u64]) -> f64 {
        let rank = latencies.len() - latencies.len() / 10_000;
        let (_, raw, _) = latencies.select_nth_unstable(rank);
        self.clock.delta_as_nanos(0, *raw) as f64
    }
}

/// Measures until the gate holds, a few times at most.
fn best_of_tries(mut measure: impl FnMut() -> Verdict) -> Verdict {
    let mut best = measure();
    for _ in 1..TRIES {
        if best.outcome() == Outcome::Held {
            break;
        }
        thread::sleep(PAUSE);
        best.keep_better(measure());
    }
    best
}

/// A connection to a backend that takes a little now and then, so that a delivery of many series is
/// never over. Its thread ends with the connection.
fn slow_backend() -> io::Result<TcpStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let connection = TcpStream::connect(listener.local_addr()?)?;
    // A delivery that is under way at the end gives up soon.
    connection.set_write_timeout(Some(Duration::from_millis(200)))?;
    let (mut reading, _) = listener.accept()?;
    thread::Builder::new().spawn(move || {
        let mut some = [0; 4_096];
        while reading.read(&mut some).is_ok_and(|read| read != 0) {
            thread::sleep(Duration::from_millis(20));
        }
    })?;
    Ok(connection)
}
