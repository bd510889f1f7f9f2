//! What a record costs when nothing of its metric is in the nearer caches.
//!
//! Most metrics of a service are recorded now and then, after other work has had the caches. Here
//! each record goes to another one of so many metrics that their cells lie beyond the second level,
//! in an order that no prefetcher follows. `floor` is an array of plain numbers of one thread, as
//! many as there are counters; `reference` is as many `hdrhistogram`s as there are histograms;
//! `ceiling` is an array of mutexes.

#[cfg(not(loom))]
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;
#[cfg(not(loom))]
#[path = "parts/quick.rs"]
mod quick;

#[cfg(not(loom))]
mod cold {
    use crate::numbers::latencies;
    use crate::quick;
    use criterion::Criterion;
    use quipu::Registry;
    use std::cell::Cell;
    use std::hint::black_box;
    use std::sync::Mutex;

    /// 4 MiB of cells, and as much of handles.
    const COUNTERS: usize = 1 << 19;
    /// More than 20 MiB of buckets that the latencies fall into.
    const HISTOGRAMS: usize = 1 << 12;

    thread_local! {
        static CELLS: Box<[Cell<u64>]> = (0..COUNTERS).map(|_| Cell::new(0)).collect();
    }

    pub fn main() {
        let mut criterion = quick::criterion();
        let registry = Registry::new();
        quipu::register_thread();
        scalars(&mut criterion, &registry);
        histograms(&mut criterion, &registry);
        criterion.final_summary();
    }

    fn scalars(c: &mut Criterion, registry: &Registry) {
        let mut next = 0;
        c.bench_function("floor/add_cold/1", |bencher| {
            CELLS.with(|cells| {
                bencher.iter(|| {
                    let cell = &cells[step::<COUNTERS>(&mut next)];
                    cell.set(cell.get().wrapping_add(1));
                    black_box(());
                });
            });
        });
        let mutexes: Box<[_]> = (0..COUNTERS).map(|_| Mutex::new(0_u64)).collect();
        c.bench_function("ceiling/mutex_add_cold/1", |bencher| {
            bencher.iter(|| {
                *mutexes[step::<COUNTERS>(&mut next)].lock().expect("no panic") += 1;
            });
        });
        let counter = |number| registry.counter(&format!("cold.{number}")).register();
        let counters: Result<Box<[_]>, _> = (0..COUNTERS).map(counter).collect();
        let counters = counters.expect("the registry has room");
        c.bench_function("counter/add_cold/1", |bencher| {
            bencher.iter(|| {
                counters[step::<COUNTERS>(&mut next)].increment();
                black_box(());
            });
        });
    }

    fn histograms(c: &mut Criterion, registry: &Registry) {
        let values = latencies();
        let mut at = (0, 0);
        // Which value it is has to change between two visits to the same histogram.
        let mut next = || {
            let histogram = step::<HISTOGRAMS>(&mut at.0);
            at.1 += 1;
            (histogram, values[(at.1 + at.1 / HISTOGRAMS) % values.len()])
        };
        let hdr = |_| hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 2);
        let hdrs: Result<Box<[_]>, _> = (0..HISTOGRAMS).map(hdr).collect();
        let mut hdrs = hdrs.expect("the bounds are valid");
        for hdr in &mut hdrs {
            values.iter().for_each(|value| hdr.saturating_record(*value));
        }
        c.bench_function("reference/hdrhistogram_record_cold/1", |bencher| {
            bencher.iter(|| {
                let (histogram, value) = next();
                let _ = hdrs[histogram].record(value);
            });
        });
        let histogram = |number| registry.histogram(&format!("cold.time.{number}")).register();
        let histograms: Result<Box<[_]>, _> = (0..HISTOGRAMS).map(histogram).collect();
        let histograms = histograms.expect("the registry has room");
        for histogram in &histograms {
            values.iter().for_each(|value| histogram.record(*value));
        }
        c.bench_function("histogram_2/record_cold/1", |bencher| {
            bencher.iter(|| {
                let (histogram, value) = next();
                histograms[histogram].record(value);
            });
        });
    }

    /// Visits every index below `N`, a power of two, before it visits one again.
    #[inline(always)]
    fn step<const N: usize>(at: &mut usize) -> usize {
        // A linear congruential generator has its full period if the factor is 1 more than a
        // multiple of 4 and the increment is odd (Hull and Dobell, 1962).
        *at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) % N;
        *at
    }
}

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    cold::main();
}
