//! The time of a snapshot: so much for each series, and so much for what each thread has of it,
//! more where all of that does not fit into the caches.

use crate::crew::Crew;
use crate::numbers::latencies;
use crate::{THREADS, touched_buckets};
use quipu::{Counter, Histogram, Registry};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZES: usize = 4;
const COUNTERS: [usize; SIZES] = [1_000, 10_000, 100_000, 1_000_000];
const HISTOGRAMS: [usize; SIZES] = [25, 50, 400, 2_000];

/// What is taken to stay in the caches from one snapshot to the next, in bytes: half of the last
/// cache of the machine that the page was written on.
const NEAR: usize = 16 << 20;

/// What is measured, with any number of threads.
pub struct Beds {
    counters: Vec<(Registry, Arc<[Counter]>)>,
    histograms: Vec<(Registry, Arc<[Histogram]>)>,
    values: Arc<[u64]>,
}

/// With one number of threads, in nanoseconds, in the order of `COUNTERS` and `HISTOGRAMS`.
pub struct Measured {
    counters: [f64; SIZES],
    histograms: [f64; SIZES],
}

impl Beds {
    pub fn new() -> Self {
        let counters = COUNTERS.map(|number| {
            let registry = Registry::new();
            let counter = |at| registry.counter(&format!("scaling.{at}")).register();
            let counters: Result<_, _> = (0..number).map(counter).collect();
            (registry, counters.expect("an empty registry has room"))
        });
        let histograms = HISTOGRAMS.map(|number| {
            let registry = Registry::new();
            let histogram = |at| registry.histogram(&format!("scaling.{at}")).register();
            let histograms: Result<_, _> = (0..number).map(histogram).collect();
            (registry, histograms.expect("an empty registry has room"))
        });
        let values = latencies().as_slice().into();
        Self { counters: counters.into(), histograms: histograms.into(), values }
    }

    pub fn measure(&self, crew: &Crew) -> Measured {
        for (_, counters) in &self.counters {
            let counters = counters.clone();
            crew.each(move || counters.iter().for_each(Counter::increment));
        }
        for (_, histograms) in &self.histograms {
            let (histograms, values) = (histograms.clone(), self.values.clone());
            crew.each(move || {
                for histogram in &*histograms {
                    values.iter().for_each(|value| histogram.record(*value));
                }
            });
        }
        Measured {
            counters: std::array::from_fn(|at| snapshot_ns(&self.counters[at].0)),
            histograms: std::array::from_fn(|at| snapshot_ns(&self.histograms[at].0)),
        }
    }
}

/// The least of many: what other programs take is not in it.
fn snapshot_ns(registry: &Registry) -> f64 {
    // So that buffers are there.
    (0..3).for_each(|_| drop(registry.snapshot()));
    let (mut least, mut snapshots) = (Duration::MAX, 0);
    let begin = Instant::now();
    while snapshots < 15 || begin.elapsed() < Duration::from_millis(300) {
        let start = Instant::now();
        let snapshot = registry.snapshot();
        least = least.min(start.elapsed());
        drop(snapshot);
        snapshots += 1;
    }
    least.as_nanos() as f64
}

/// What a series takes: of the reader once, and of each thread, in bytes.
#[derive(Clone, Copy)]
struct Series {
    own: usize,
    of_thread: usize,
}

/// `series x (each + threads x near)` nanoseconds while all bytes stay in the caches, and otherwise
/// `series x each + bytes x far`.
#[derive(Clone, Copy)]
struct Model {
    series: Series,
    each: f64,
    near: f64,
    far: f64,
}

/// A measurement that constants are from: the rows of `THREADS` and of the series.
type At = (usize, usize);

impl Model {
    /// `near` is from the same series with more threads than one, and `far` from more than caches
    /// hold.
    fn fit(
        series: Series,
        numbers: [usize; SIZES],
        measured: &[[f64; SIZES]],
        given: [At; 3],
    ) -> Self {
        let of_each = given.map(|(row, at)| measured[row][at] / numbers[at] as f64);
        let threads = given.map(|(row, _)| THREADS[row]);
        let near = (of_each[1] - of_each[0]) / (threads[1] - threads[0]) as f64;
        let each = (of_each[0] - near * threads[0] as f64).max(0.0);
        let bytes = series.bytes(1, threads[2]);
        Self { series, each, near, far: (of_each[2] - each) / bytes as f64 }
    }

    fn predict(self, number: usize, threads: usize) -> f64 {
        let bytes = self.series.bytes(number, threads);
        let of_threads = match bytes <= NEAR {
            true => (number * threads) as f64 * self.near,
            false => bytes as f64 * self.far,
        };
        number as f64 * self.each + of_threads
    }

    fn print(self, what: &str) {
        let Self { series: Series { own, of_thread }, each, near, far } = self;
        println!(
            "{what}: {each:.1} ns and {own} bytes each, and {of_thread} bytes of each thread, which \
             take {near:.2} ns in the caches, and beyond them {:.1} GB/s",
            1.0 / far
        );
    }
}

impl Series {
    fn bytes(self, number: usize, threads: usize) -> usize {
        number * (self.own + threads * self.of_thread)
    }
}

pub fn print(measured: &[Measured]) {
    println!("\nsnapshots, in microseconds; * is what constants are from");
    println!("{:<20} {:>7} {:>11} {:>11} {:>6}", "", "threads", "predicted", "measured", "ratio");
    let counters: Vec<_> = measured.iter().map(|it| it.counters).collect();
    let histograms: Vec<_> = measured.iter().map(|it| it.histograms).collect();
    // A pointer with a number to find the cell, the sum, and its copy in the snapshot.
    let counter = Series { own: 32, of_thread: 8 };
    // In the snapshot a row of 8 buckets has 72 bytes; in each shard a bucket has 4.
    let histogram = Series { own: 9 * touched_buckets(), of_thread: 4 * touched_buckets() };
    let of_counters = compare("counters", counter, COUNTERS, &counters);
    let of_histograms = compare("histograms", histogram, HISTOGRAMS, &histograms);
    of_counters.print("counters");
    of_histograms.print("histograms");

    println!("\nsnapshots of machines that are not here, by these constants, in milliseconds");
    println!("{:>7} {:>12} {:>12} {:>10}", "threads", "counters", "histograms", "predicted");
    for (counters, histograms) in [(10_000, 100), (100_000, 1_000), (1_000_000, 10_000)] {
        for threads in [64, 128, 256] {
            let time =
                of_counters.predict(counters, threads) + of_histograms.predict(histograms, threads);
            println!("{threads:>7} {counters:>12} {histograms:>12} {:>10.1}", time / 1e6);
        }
    }
}

fn compare(
    what: &str,
    series: Series,
    numbers: [usize; SIZES],
    measured: &[[f64; SIZES]],
) -> Model {
    let given = [(0, 1), (2, 1), (2, 3)];
    let model = Model::fit(series, numbers, measured, given);
    for (row, threads) in THREADS.into_iter().enumerate() {
        for (at, number) in numbers.into_iter().enumerate() {
            let (predicted, time) = (model.predict(number, threads), measured[row][at]);
            let mark = if given.contains(&(row, at)) { "*" } else { "" };
            println!(
                "{:<20} {threads:>7} {:>11.1} {:>11.1} {:>6.2}{mark}",
                format!("{number} {what}"),
                predicted / 1e3,
                time / 1e3,
                time / predicted
            );
        }
    }
    model
}
