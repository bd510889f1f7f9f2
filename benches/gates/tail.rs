//! Gates on the slowest records: p99.99 of single records while another thread takes snapshots
//! without a pause.
//!
//! Each record is timed by itself with the raw clock. Between any two records nothing is timed the
//! same way, and an addition to a thread-local cell: what these take is of the machine's own
//! making: interrupts, other processes, a hypervisor. A record over the bound counts only where
//! that noise is under it. Noise that the cell does not show is left, such as caches that another
//! process has emptied, and only ever makes records slower: a gate that does not hold is tried
//! again a little later, and the best try counts. The clock does not wait for a store to
//! leave the core, and neither does a thread that records.

use crate::floor;
use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use crate::verdict::{Outcome, Verdict};
use quanta::Clock;
use quipu::{Counter, Histogram, Registry};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

const BOUND_NS: f64 = 1_000.0;
const COUNTERS: usize = 1_000;
const HISTOGRAMS: usize = 100;
const RECORDS: usize = 1_000_000;
/// Snapshots that must have been taken during a million records.
const FEWEST_SNAPSHOTS: u64 = 20;
/// Measurements of a gate that does not hold, and the pause between two of them.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);

struct Bed {
    registry: Registry,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
    values: Box<[u64; LATENCIES]>,
    clock: Clock,
}

pub fn measure(slack: f64) -> Vec<Verdict> {
    let registry = Registry::new();
    let counter = |number| registry.counter(&format!("gates.counter.{number}")).register();
    let counters: Result<_, _> = (0..COUNTERS).map(counter).collect();
    let histogram = |number| registry.histogram(&format!("gates.time.{number}")).register();
    let histograms: Result<_, _> = (0..HISTOGRAMS).map(histogram).collect();
    let (counters, histograms) = (
        counters.expect("an empty registry has room"),
        histograms.expect("an empty registry has room"),
    );
    let bed = Bed { registry, counters, histograms, values: latencies(), clock: Clock::new() };
    bed.touch();
    let mut samples = Samples::new();
    let mut gate = |gate, look, record: &dyn Fn(usize)| {
        let mut best: Option<Verdict> = None;
        for _ in 0..TRIES {
            let snapshots = bed.sample(&mut samples, record);
            let met_snapshots = snapshots >= FEWEST_SNAPSHOTS;
            let nothing_ns = bed.p9999_ns(&mut samples.nothing);
            let noise_ns = bed.p9999_ns(&mut samples.cell).max(nothing_ns);
            let record_ns = bed.p9999_ns(&mut samples.record);
            let quipu_ns = if met_snapshots { record_ns } else { f64::INFINITY };
            let now = Verdict {
                gate,
                floor_ns: noise_ns,
                quipu_ns,
                measured: quipu_ns,
                bound: BOUND_NS * slack,
                unit: "ns",
                decidable: met_snapshots && noise_ns <= BOUND_NS * slack,
                look,
            };
            match &mut best {
                Some(best) => best.keep_better(now),
                None => best = Some(now),
            }
            if best.as_ref().map(Verdict::outcome) == Some(Outcome::Held) {
                break;
            }
            thread::sleep(PAUSE);
        }
        best.expect("tried at least once")
    };
    let look =
        "this on an idle machine; how long the reader is at it: cargo bench --bench snapshot";
    let indices = indices();
    vec![
        gate("p99.99 counter add, snapshots running", look, &|number| {
            bed.counters[usize::from(indices[number % INDICES]) % COUNTERS].increment();
        }),
        gate("p99.99 histogram record, the same", look, &|number| {
            bed.histograms[number % HISTOGRAMS].record(bed.values[number % LATENCIES]);
        }),
    ]
}

/// Raw latencies, one of each in every round.
struct Samples {
    nothing: Vec<u64>,
    cell: Vec<u64>,
    record: Vec<u64>,
}

impl Samples {
    /// Written to, so that no page is touched for the first time while the clock runs.
    fn new() -> Self {
        let [nothing, cell, record] = [(); 3].map(|()| vec![1; RECORDS]);
        Self { nothing, cell, record }
    }
}

impl Bed {
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

    /// Times records, and what is between them, while a second thread takes snapshots; returns how
    /// many it has finished meanwhile.
    fn sample(&self, samples: &mut Samples, record: impl Fn(usize)) -> u64 {
        let (stop, snapshots) = (AtomicBool::new(false), AtomicU64::new(0));
        let taken = || snapshots.load(Relaxed);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    black_box(self.registry.snapshot());
                    snapshots.fetch_add(1, Relaxed);
                }
            });
            while taken() == 0 {
                thread::yield_now();
            }
            let before = taken();
            for number in 0..RECORDS {
                samples.nothing[number] = self.time(|| ());
                samples.cell[number] = self.time(floor::add);
                samples.record[number] = self.time(|| record(number));
            }
            let meanwhile = taken() - before;
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
