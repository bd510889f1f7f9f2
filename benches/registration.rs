//! What it costs to register series, and to find those that exist.
//!
//! Names are `instrument/operation_series/threads`; times are those of all the series of a registry
//! that was empty before, without the time to drop it. `floor` is a map from names to numbers that
//! gets the same names, `ceiling` has no meaning here. The best total of 100,000 series is printed,
//! and how long the snapshots took that another thread made meanwhile.

#[cfg(not(loom))]
#[path = "parts/quick.rs"]
mod quick;

#[cfg(not(loom))]
mod registration {
    use crate::quick;
    use criterion::{BatchSize, Criterion};
    use quipu::Registry;
    use std::collections::HashMap;
    use std::hint::black_box;
    use std::time::{Duration, Instant};

    const SERIES: [usize; 3] = [1, 1_000, 100_000];

    pub fn main() {
        let mut criterion = quick::criterion().sample_size(10);
        new_series(&mut criterion);
        labelled_series(&mut criterion);
        existing_series(&mut criterion);
        after_others_are_gone(&mut criterion);
        criterion.final_summary();
        snapshots_meanwhile();
    }

    /// Snapshots flat out beside the registration of 100,000 series. The longest one is as long as
    /// the machine keeps the collecting thread from its core, so the best of some passes is told.
    fn snapshots_meanwhile() {
        let names = names(SERIES[2]);
        let mut longest_of_best = Duration::MAX;
        for _ in 0..10 {
            let registry = Registry::new();
            let longest = std::thread::scope(|scope| {
                let registering = scope.spawn(|| {
                    let register = |name| registry.counter(name).register().expect("room");
                    names.iter().map(|name| register(name)).collect::<Vec<_>>()
                });
                let mut longest = Duration::ZERO;
                while !registering.is_finished() {
                    let start = Instant::now();
                    black_box(registry.snapshot());
                    longest = longest.max(start.elapsed());
                }
                longest
            });
            longest_of_best = longest_of_best.min(longest);
        }
        println!("the longest snapshot while 100,000 series are registered: {longest_of_best:.2?}");
    }

    fn new_series(c: &mut Criterion) {
        for series in SERIES {
            let names = names(series);
            c.bench_function(&format!("floor/insert_{series}/1"), |bencher| {
                bencher.iter_batched(
                    HashMap::<String, u64>::new,
                    |mut map| {
                        for name in &names {
                            map.insert(name.clone(), 0);
                        }
                        map
                    },
                    BatchSize::PerIteration,
                );
            });
            let mut least = Duration::MAX;
            c.bench_function(&format!("counter/register_{series}/1"), |bencher| {
                bencher.iter_custom(|times| {
                    let passes = (0..times).map(|_| register_all(&names));
                    passes.inspect(|pass| least = least.min(*pass)).sum()
                });
            });
            if least != Duration::MAX && series == SERIES[2] {
                println!("{series} series registered in {least:.2?} at best\n");
            }
        }
    }

    /// The time for a counter of each name in a new registry; keeps the handles until the end.
    fn register_all(names: &[String]) -> Duration {
        let registry = Registry::new();
        let mut counters = Vec::with_capacity(names.len());
        let start = Instant::now();
        for name in names {
            counters.push(registry.counter(name).register().expect("room"));
        }
        start.elapsed()
    }

    /// Series of one name that differ in a label.
    fn labelled_series(c: &mut Criterion) {
        let values = names(SERIES[1]);
        c.bench_function("counter/register_labels_1000/1", |bencher| {
            bencher.iter_batched(
                Registry::new,
                |registry| {
                    let counter = |value| {
                        let counter = registry.counter("registration.labelled");
                        counter.label("method", "GET").label("route", value).register()
                    };
                    let counters: Result<Vec<_>, _> = values.iter().map(|v| counter(v)).collect();
                    (counters.expect("room"), registry)
                },
                BatchSize::PerIteration,
            );
        });
    }

    fn existing_series(c: &mut Criterion) {
        let registry = Registry::new();
        let names = names(SERIES[2]);
        for name in &names {
            registry.counter(name).register().expect("room");
        }
        let mut map: HashMap<_, _> = names.iter().map(|name| (name.clone(), 0_u64)).collect();
        let mut next = 0;
        let mut name = || {
            next += 1;
            &*names[next % 1_000]
        };
        c.bench_function("floor/find_in_100000/1", |bencher| {
            bencher.iter(|| *map.get_mut(name()).expect("just inserted") += 1);
        });
        c.bench_function("counter/find_in_100000/1", |bencher| {
            bencher.iter(|| black_box(registry.counter(name()).register().expect("exists")));
        });
    }

    /// Slots that were given back must not be in the way of series of other kinds.
    fn after_others_are_gone(c: &mut Criterion) {
        let before = Registry::new();
        for name in names(SERIES[2]) {
            before.gauge(&name).register().expect("room");
        }
        drop(before);
        let names = names(SERIES[1]);
        c.bench_function("counter/register_1000_after_100000_gauges/1", |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| register_all(&names)).sum());
        });
    }

    fn names(how_many: usize) -> Vec<String> {
        let name = |number| format!("registration.series.{number}");
        (0..how_many).map(name).collect()
    }
}

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    registration::main();
}
