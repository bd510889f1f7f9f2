//! What a record costs, for every handle, on 1 to 8 threads.
//!
//! Names are `instrument/operation/threads`. `.._random` takes one of 4,096 handles of the kind for
//! each record, or one of the 4,096 members of a typed family; all others use one from all threads.
//! Beside them:
//!
//! - `floor`: a thread-local cell, and one of 4,096 of them: what no metric can beat;
//! - `ceiling`: a mutex around a number;
//! - `reference`: a relaxed store and a locked addition to one shared number, `hdrhistogram` (one
//!   for each thread), and two readings of the clock.

#[cfg(not(loom))]
#[path = "parts/floor.rs"]
mod floor;
#[cfg(not(loom))]
#[path = "parts/numbers.rs"]
mod numbers;
#[cfg(not(loom))]
#[path = "parts/quick.rs"]
mod quick;
#[cfg(not(loom))]
#[path = "parts/threads.rs"]
mod threads;

#[cfg(not(loom))]
mod record {
    use crate::floor::{self, CELLS};
    use crate::numbers::{indices, latencies};
    use crate::quick;
    use crate::threads::{bench, on_all, repeat, repeat_with};
    use criterion::Criterion;
    use quanta::Clock;
    use quipu::{Counter, Histogram, RegisterError, Registry, SmallInt, TypedFamily};
    use std::hint::black_box;
    use std::num::NonZeroU32;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    pub fn main() {
        let mut criterion = quick::criterion();
        let registry = Registry::new();
        references(&mut criterion);
        counters(&mut criterion, &registry);
        typed_families(&mut criterion, &registry);
        up_down_counters(&mut criterion, &registry);
        gauges(&mut criterion, &registry);
        histograms(&mut criterion, &registry);
        shared_histograms(&mut criterion, &registry);
        timers(&mut criterion, &registry);
        criterion.final_summary();
    }

    fn references(c: &mut Criterion) {
        let indices = &*indices();
        bench(c, "floor/add", floor::expose, |(), times| {
            repeat(times, floor::add);
        });
        bench(c, "floor/add_random", floor::expose, |(), times| {
            repeat_with(times, indices, |index| floor::add_to(index.into()));
        });
        let mutex = Mutex::new(0_u64);
        bench(
            c,
            "ceiling/mutex_add",
            || &mutex,
            |mutex, times| {
                repeat(times, || *mutex.lock().expect("no panic") += 1);
            },
        );
        let atomic = AtomicU64::new(0);
        bench(
            c,
            "reference/relaxed_store",
            || &atomic,
            |atomic, times| {
                let value = black_box(1);
                repeat(times, || atomic.store(value, Relaxed));
            },
        );
        bench(
            c,
            "reference/fetch_add",
            || &atomic,
            |atomic, times| {
                repeat(times, || {
                    atomic.fetch_add(1, Relaxed);
                });
            },
        );
        let values = &*latencies();
        let hdr = || hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 2);
        bench(c, "reference/hdrhistogram_record", hdr, |hdr, times| {
            let mut hdr = hdr.expect("the bounds are valid");
            let hdr = black_box(&mut hdr);
            repeat_with(times, values, |value| {
                let _ = hdr.record(value);
            });
        });
        let clock = Clock::new();
        bench(
            c,
            "reference/clock_twice",
            || &clock,
            |clock, times| {
                repeat(times, || {
                    black_box((clock.raw(), clock.raw()));
                });
            },
        );
    }

    fn counters(c: &mut Criterion, registry: &Registry) {
        let indices = &*indices();
        let many = many(|name| registry.counter(&name).register());
        let one = &many[0];
        bench(
            c,
            "counter/add",
            || one,
            |one, times| {
                repeat(times, || one.increment());
            },
        );
        bench(
            c,
            "counter/add_random",
            || &*many,
            |many, times| {
                repeat_with(times, indices, |at| many[usize::from(at) % CELLS].increment());
            },
        );
        bench(
            c,
            "counter/add_macro",
            || (),
            |(), times| {
                repeat(times, || quipu::counter!("record.macro").increment());
            },
        );
    }

    fn typed_families(c: &mut Criterion, registry: &Registry) {
        let indices = &*indices();
        let family: TypedFamily<Counter, (SmallInt<64>, SmallInt<64>)> =
            registry.counter("typed").typed_family(["row", "column"]).register().expect("as above");
        let labels = |at: u16| {
            (SmallInt::new(usize::from(at) / 64 % 64), SmallInt::new(usize::from(at) % 64))
        };
        bench(
            c,
            "typed_family/add",
            || &family,
            |family, times| {
                repeat(times, || family.with(labels(7)).increment());
            },
        );
        bench(
            c,
            "typed_family/add_random",
            || &family,
            |family, times| {
                repeat_with(times, indices, |at| family.with(labels(at)).increment());
            },
        );
    }

    fn up_down_counters(c: &mut Criterion, registry: &Registry) {
        let indices = &*indices();
        let many = many(|name| registry.up_down_counter(&format!("up_down.{name}")).register());
        let one = &many[0];
        bench(
            c,
            "up_down_counter/add",
            || one,
            |one, times| {
                repeat(times, || one.decrement());
            },
        );
        bench(
            c,
            "up_down_counter/add_random",
            || &*many,
            |many, times| {
                repeat_with(times, indices, |at| many[usize::from(at) % CELLS].decrement());
            },
        );
    }

    fn gauges(c: &mut Criterion, registry: &Registry) {
        let indices = &*indices();
        let many = many(|name| registry.gauge(&format!("gauge.{name}")).register());
        let one = &many[0];
        bench(
            c,
            "gauge/set",
            || one,
            |one, times| {
                let reading = black_box(4.5);
                repeat(times, || one.set(reading));
            },
        );
        bench(
            c,
            "gauge/set_random",
            || &*many,
            |many, times| {
                let reading = black_box(4.5);
                repeat_with(times, indices, |at| many[usize::from(at) % CELLS].set(reading));
            },
        );
    }

    fn histograms(c: &mut Criterion, registry: &Registry) {
        let one_1 = registry.histogram("digits.1").significant_digits::<1>().register();
        let one_3 = registry.histogram("digits.3").significant_digits::<3>().register();
        record_one(c, "histogram_1/record", &one_1.expect("room for one more"));
        record_one(c, "histogram_3/record", &one_3.expect("room for one more"));
        let values = &*latencies();
        let many = many(|name| registry.histogram(&format!("histogram.{name}")).register());
        let one = &many[0];
        record_one(c, "histogram_2/record", one);
        bench(
            c,
            "histogram_2/record_n",
            || one,
            |one, times| {
                repeat_with(times, values, |value| one.record_n(value, 3));
            },
        );
        bench(
            c,
            "histogram_2/record_corrected_of_10",
            || one,
            |one, times| {
                repeat_with(times, values, |value| one.record_corrected(value, value / 10));
            },
        );
        record_random(c, "histogram_2/record_random", &many);
        let full = registry.histogram("full").register().expect("room for one more");
        let fill =
            || values.iter().for_each(|&value| full.record_n(value, u64::from(u32::MAX / 8)));
        bench(
            c,
            "histogram_2/record_full",
            || {
                // Each thread's own narrow cells.
                fill();
                &full
            },
            |full, times| {
                repeat_with(times, values, |value| full.record(value));
            },
        );
    }

    fn shared_histograms(c: &mut Criterion, registry: &Registry) {
        let many = many(|name| registry.histogram(&format!("shared.{name}")).shared().register());
        record_one(c, "histogram_shared/record", &many[0]);
        record_random(c, "histogram_shared/record_random", &many);
    }

    fn timers(c: &mut Criterion, registry: &Registry) {
        let histogram = &registry.histogram("timed").register().expect("room for one more");
        let calls = registry.counter("calls").register().expect("room for one more");
        bench(
            c,
            "timer/start_drop",
            || histogram,
            |histogram, times| {
                repeat(times, || drop(histogram.start()));
            },
        );
        bench(
            c,
            "timer/start_stop",
            || histogram,
            |histogram, times| {
                repeat(times, || {
                    black_box(histogram.start().stop());
                });
            },
        );
        let one_in_64 = NonZeroU32::new(64).expect("not zero");
        let sampled = &histogram.sample(one_in_64, &calls);
        bench(
            c,
            "timer/sampled_1_in_64",
            || sampled,
            |sampled, times| {
                repeat(times, || drop(sampled.start()));
            },
        );
    }

    fn record_one<const DIGITS: u8>(c: &mut Criterion, name: &str, one: &Histogram<DIGITS>) {
        let values = &*latencies();
        bench(
            c,
            name,
            || one,
            |one, times| {
                repeat_with(times, values, |value| one.record(value));
            },
        );
    }

    fn record_random(c: &mut Criterion, name: &str, many: &[Histogram; CELLS]) {
        let (indices, values) = (&*indices(), &*latencies());
        // The first touch of a page is the system's work, and not what is asked here.
        on_all(|| {
            for histogram in many {
                values.iter().step_by(16).for_each(|value| histogram.record(*value));
            }
        });
        bench(
            c,
            name,
            || many,
            |many, times| {
                let mut next = 0_usize;
                repeat_with(times, indices, |at| {
                    many[usize::from(at) % CELLS].record(values[next % values.len()]);
                    next += 1;
                });
            },
        );
    }

    fn many<M>(register: impl Fn(String) -> Result<M, RegisterError>) -> Box<[M; CELLS]> {
        let metrics = (0..CELLS).map(|number| register(format!("record.{number}")));
        let metrics: Result<Box<[M]>, _> = metrics.collect();
        let metrics = metrics.expect("the registry has room").try_into();
        metrics.unwrap_or_else(|_| unreachable!("as many as asked for"))
    }
}

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    record::main();
}
