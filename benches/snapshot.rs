//! What a snapshot costs, against the number of series, of threads and of touched buckets.
//!
//! Names are `instrument_series/operation/threads`. So many threads have recorded to each series
//! and are alive; the snapshot is taken by another one. `floor` adds up plain arrays of as many
//! numbers as there are cells to read; `ceiling` reads one number a series from behind a mutex.

#[cfg(not(loom))]
#[path = "parts/crew.rs"]
mod crew;
#[cfg(not(loom))]
#[path = "parts/quick.rs"]
mod quick;

#[cfg(not(loom))]
mod snapshot {
    use crate::crew::Crew;
    use crate::quick;
    use criterion::Criterion;
    use quipu::{Counter, Histogram, Registry, Snapshot};
    use std::hint::black_box;
    use std::sync::{Arc, Mutex};

    const SERIES: [usize; 4] = [100, 1_000, 10_000, 100_000];
    const HISTOGRAMS: usize = 100;
    const TOUCHED_BUCKETS: [usize; 3] = [10, 100, 1_000];
    const THREADS: [usize; 3] = [1, 2, 8];

    pub fn main() {
        let mut criterion = quick::criterion();
        let counters = SERIES.map(Counters::new);
        let histograms = TOUCHED_BUCKETS.map(Histograms::dense);
        let sparse = Histograms::sparse();
        let mut threads = Crew::default();
        // Shards that were in use stay in use for a reader, so the number of threads only grows.
        for how_many in THREADS {
            threads.grow_to(how_many);
            for counters in &counters {
                counters.measure(&mut criterion, &threads);
            }
            for histograms in histograms.iter().chain([&sparse]) {
                histograms.measure(&mut criterion, &threads);
            }
        }
        delta(&mut criterion, &counters[2].registry, "counters_10000");
        delta(&mut criterion, &histograms[2].registry, "histograms_100_of_1000_buckets");
        quantile(&mut criterion, &histograms);
        criterion.final_summary();
    }

    struct Counters {
        registry: Registry,
        counters: Arc<[Counter]>,
    }

    impl Counters {
        fn new(series: usize) -> Self {
            let registry = Registry::new();
            let counter = |number| registry.counter(&format!("snapshot.{number}")).register();
            let counters: Result<_, _> = (0..series).map(counter).collect();
            let counters = counters.expect("an empty registry has room");
            Self { registry, counters }
        }

        fn measure(&self, c: &mut Criterion, threads: &Crew) {
            let (series, shards) = (self.counters.len(), threads.how_many());
            let counters = self.counters.clone();
            threads.each(move || counters.iter().for_each(Counter::increment));

            let cells = vec![vec![1_u64; series]; shards];
            let mut sums = vec![0_u64; series];
            c.bench_function(&format!("floor_{series}/sum/{shards}"), |bencher| {
                bencher.iter(|| {
                    sums.fill(0);
                    for cells in black_box(&cells) {
                        for (sum, cell) in sums.iter_mut().zip(cells) {
                            *sum = sum.wrapping_add(*cell);
                        }
                    }
                    black_box(&mut sums);
                });
            });
            let cells: Vec<_> = (0..series).map(|_| Mutex::new(1_u64)).collect();
            c.bench_function(&format!("ceiling_{series}/lock_each/{shards}"), |bencher| {
                bencher.iter(|| {
                    for (sum, cell) in sums.iter_mut().zip(black_box(&cells)) {
                        *sum = *cell.lock().expect("no panic");
                    }
                    black_box(&mut sums);
                });
            });
            self.registry.snapshot();
            let id = format!("counters_{series}/snapshot/{shards}");
            c.bench_function(&id, |bencher| bencher.iter(|| self.registry.snapshot()));
        }
    }

    struct Histograms {
        name: String,
        registry: Registry,
        histograms: Arc<[Histogram]>,
        /// One for each bucket to touch.
        values: Arc<[u64]>,
    }

    impl Histograms {
        /// `buckets` buckets side by side, from 1,000,000 up.
        fn dense(buckets: usize) -> Self {
            let values = (0..buckets).map(|bucket| {
                let (octave, part) = (bucket / 128, bucket % 128);
                (1 << (20 + octave)) + ((part as u64) << (13 + octave))
            });
            Self::new(format!("{buckets}_buckets"), values.collect())
        }

        /// Two buckets, with most of all the others in between.
        fn sparse() -> Self {
            Self::new("2_far_buckets".into(), [1, 1 << 62].into())
        }

        fn new(name: String, values: Arc<[u64]>) -> Self {
            let registry = Registry::new();
            let histogram = |number| registry.histogram(&format!("snapshot.{number}")).register();
            let histograms: Result<_, _> = (0..HISTOGRAMS).map(histogram).collect();
            Self {
                name: format!("histograms_{HISTOGRAMS}_of_{name}"),
                histograms: histograms.expect("an empty registry has room"),
                registry,
                values,
            }
        }

        fn measure(&self, c: &mut Criterion, threads: &Crew) {
            let (histograms, values) = (self.histograms.clone(), self.values.clone());
            threads.each(move || {
                for histogram in &*histograms {
                    values.iter().for_each(|value| histogram.record(*value));
                }
            });
            let first = self.registry.snapshot();
            let (_, series) = first.iter().next().expect("there are series");
            let quipu::Value::Histogram(histogram) = series else {
                unreachable!("only histograms were registered");
            };
            assert_eq!(histogram.buckets().count(), self.values.len());
            let id = format!("{}/snapshot/{}", self.name, threads.how_many());
            c.bench_function(&id, |bencher| bencher.iter(|| self.registry.snapshot()));
        }

        fn first<'a>(&self, snapshot: &'a Snapshot) -> quipu::HistogramSnapshot<'a> {
            snapshot.histogram("snapshot.0", &[]).expect("registered")
        }
    }

    fn delta(c: &mut Criterion, registry: &Registry, name: &str) {
        let (earlier, later) = (registry.snapshot(), registry.snapshot());
        c.bench_function(&format!("{name}/delta_of_nothing/1"), |bencher| {
            bencher.iter(|| later.delta(&earlier));
        });
    }

    fn quantile(c: &mut Criterion, histograms: &[Histograms]) {
        for histograms in histograms {
            let snapshot = histograms.registry.snapshot();
            let histogram = histograms.first(&snapshot);
            let buckets = histograms.values.len();
            let id = format!("histogram_of_{buckets}_buckets/quantile_0.99/1");
            c.bench_function(&id, |bencher| bencher.iter(|| black_box(histogram).quantile(0.99)));
        }
    }
}

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    snapshot::main();
}
