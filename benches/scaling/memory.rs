//! Memory: 8 bytes for each counter and thread; of a histogram its header, and the pages of the
//! buckets between its smallest and its largest value.

use crate::crew::Crew;
use crate::numbers::latencies;
use crate::touched_buckets;
use quipu::{Counter, Histogram, Registry, store_usage};
use std::sync::Arc;
use std::time::{Duration, Instant};

const COUNTERS: [usize; 2] = [1_000, 100_000];
const HISTOGRAMS: [usize; 2] = [50, 400];
const PAGE: usize = 4_096;

/// Cells that each thread of a crew touches the first time that it is measured with it.
pub struct Memory {
    rows: Vec<Row>,
    /// Kept, since pages of slots that are free again would be used again.
    registries: Vec<Registry>,
}

struct Row {
    what: String,
    threads: usize,
    predicted: usize,
    measured: Option<usize>,
}

impl Memory {
    pub fn new() -> Self {
        Self { rows: Vec::new(), registries: Vec::new() }
    }

    pub fn measure(&mut self, crew: &Crew) {
        let threads = crew.how_many();
        for number in COUNTERS {
            let registry = Registry::new();
            let counter = |at| registry.counter(&format!("memory.{at}")).register();
            let counters: Result<Arc<[Counter]>, _> = (0..number).map(counter).collect();
            let counters = counters.expect("an empty registry has room");
            let measured = committed_by(|| {
                crew.each(move || counters.iter().for_each(Counter::increment));
            });
            self.registries.push(registry);
            let predicted = threads * pages(8 * number, 8);
            self.rows.push(Row {
                what: format!("{number} counters"),
                threads,
                predicted,
                measured,
            });
        }
        let values: Arc<[u64]> = latencies().as_slice().into();
        let buckets = touched_buckets();
        for number in HISTOGRAMS {
            let registry = Registry::new();
            let histogram = |at| registry.histogram(&format!("memory.{at}")).register();
            let histograms: Result<Arc<[Histogram]>, _> = (0..number).map(histogram).collect();
            let histograms = histograms.expect("an empty registry has room");
            let values = values.clone();
            let measured = committed_by(|| {
                crew.each(move || {
                    for histogram in &*histograms {
                        values.iter().for_each(|value| histogram.record(*value));
                    }
                });
            });
            self.registries.push(registry);
            let of_each = 40 + pages(4 * buckets, 4);
            let what = format!("{number} histograms of {buckets} buckets");
            self.rows.push(Row { what, threads, predicted: threads * number * of_each, measured });
        }
    }

    pub fn print(&self) {
        println!("\nmemory of cells, in KiB");
        println!(
            "{:<34} {:>7} {:>10} {:>10} {:>6}",
            "", "threads", "predicted", "measured", "ratio"
        );
        for Row { what, threads, predicted, measured } in &self.rows {
            let (kib, ratio) = match measured {
                Some(bytes) => {
                    ((bytes >> 10).to_string(), format!("{:.2}", *bytes as f64 / *predicted as f64))
                }
                None => ("unknown".into(), String::new()),
            };
            println!("{what:<34} {threads:>7} {:>10} {kib:>10} {ratio:>6}", predicted >> 10);
        }
        let (mut least, mut usage) = (Duration::MAX, store_usage());
        for _ in 0..5 {
            let start = Instant::now();
            usage = store_usage();
            least = least.min(start.elapsed());
        }
        println!(
            "{} segments of {} shards reserve {} GiB of addresses; {} MiB are committed, which the \
             system tells in {:.1} ms",
            usage.segments,
            usage.max_shards,
            usage.bytes_reserved >> 30,
            usage.bytes_committed.unwrap_or(0) >> 20,
            least.as_secs_f64() * 1e3
        );
    }
}

/// The bytes of the pages that a run of cells lies on, in the mean over where it may begin.
fn pages(bytes: usize, cell: usize) -> usize {
    bytes - cell + PAGE
}

/// What `work` has the system commit for cells.
fn committed_by(work: impl FnOnce()) -> Option<usize> {
    let before = store_usage().bytes_committed?;
    work();
    Some(store_usage().bytes_committed?.saturating_sub(before))
}
