//! Exact totals with many threads: while others read, while the store grows, and when there are more
//! threads than shards.
#![cfg(not(loom))]

mod process;

use process::in_own_process;
use quipu::{Counter, Gauge, Histogram, HistogramSnapshot, Registry, StoreConfig, UpDownCounter};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread::{self, JoinHandle};

const THREADS: u64 = 4;
const ROUNDS: u64 = if cfg!(miri) { 12 } else { 50_000 };

/// Values of all magnitudes, the same for every run; those of two seeds differ.
fn values(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> (state % 64)
    })
}

/// Runs `work` in threads of its own, each with its number, and waits until they have ended.
fn in_threads(threads: u64, work: impl Fn(u64) + Send + Sync + 'static) {
    let work = Arc::new(work);
    let start = |number| {
        let work = work.clone();
        thread::spawn(move || work(number))
    };
    let running: Vec<JoinHandle<()>> = (0..threads).map(start).collect();
    running.into_iter().for_each(|thread| thread.join().unwrap());
}

fn buckets(histogram: HistogramSnapshot<'_>) -> BTreeMap<u64, u64> {
    histogram.buckets().map(|bucket| (bucket.low, bucket.count)).collect()
}

#[test]
fn sum_counts_every_increment_once() {
    let registry = Registry::new();
    let counter = registry.counter("c").register().unwrap();
    let up_down = registry.up_down_counter("u").register().unwrap();
    in_threads(THREADS, move |number| {
        for n in 0..ROUNDS {
            counter.add(n);
            counter.increment();
            up_down.add(if number % 2 == 0 { 3 } else { -2 });
        }
    });
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.counter("c", &[]), Some(THREADS * (ROUNDS * (ROUNDS - 1) / 2 + ROUNDS)));
    assert_eq!(snapshot.up_down_counter("u", &[]), Some((THREADS * ROUNDS / 2) as i64));
}

/// What several threads recorded is what one `hdrhistogram` holds that has all the values.
fn assert_exact(registry: &Registry, histogram: Histogram) {
    in_threads(THREADS, move |number| {
        values(number + 1).take(ROUNDS as usize).for_each(|value| histogram.record(value));
    });
    let mut expected = hdrhistogram::Histogram::<u64>::new_with_bounds(1, u64::MAX, 2).unwrap();
    let all: Vec<u64> = (1..=THREADS).flat_map(|seed| values(seed).take(ROUNDS as usize)).collect();
    all.iter().for_each(|&value| expected.record(value).unwrap());

    let snapshot = registry.snapshot();
    let seen = snapshot.histogram("h", &[]).unwrap();
    assert_eq!(seen.count(), THREADS * ROUNDS);
    assert_eq!(seen.sum(), all.iter().copied().fold(0, u64::wrapping_add));
    assert_eq!(seen.min(), all.iter().copied().min());
    assert_eq!(seen.max(), all.iter().copied().max());
    assert!(seen.to_hdr() == expected, "the buckets differ");
}

#[test]
fn histograms_of_many_threads_are_exact() {
    let registry = Registry::new();
    let histogram = registry.histogram("h").register().unwrap();
    assert_exact(&registry, histogram);
}

#[test]
fn shared_histograms_of_many_threads_are_exact() {
    let registry = Registry::new();
    let histogram = registry.histogram("h").shared().register().unwrap();
    assert_exact(&registry, histogram);
}

#[test]
fn the_last_set_of_a_gauge_wins() {
    let registry = Registry::new();
    let gauge = registry.gauge("g").register().unwrap();
    let setter = gauge.clone();
    in_threads(THREADS, move |number| {
        (0..ROUNDS).for_each(|_| setter.set(-1.0));
        setter.set(number as f64);
    });
    let reading = registry.snapshot().gauge("g", &[]).unwrap();
    assert!((0..THREADS).any(|number| number as f64 == reading), "{reading} was not set last");
    gauge.set(0.25);
    assert_eq!(registry.snapshot().gauge("g", &[]), Some(0.25));
}

/// A snapshot after another, of metrics that are being recorded.
struct Watched {
    count: u64,
    histograms: Vec<(BTreeMap<u64, u64>, u64, u64)>,
}

impl Watched {
    fn read(registry: &Registry, histograms: &[&str]) -> Self {
        let snapshot = registry.snapshot();
        let read = |name: &&str| {
            let seen = snapshot.histogram(name, &[]).unwrap();
            let buckets = buckets(seen);
            assert_eq!(seen.count(), buckets.values().sum::<u64>(), "{name}: count and buckets");
            (buckets, seen.min().unwrap_or(u64::MAX), seen.max().unwrap_or(0))
        };
        Self {
            count: snapshot.counter("c", &[]).unwrap(),
            histograms: histograms.iter().map(read).collect(),
        }
    }

    fn assert_not_less_than(&self, earlier: &Self) {
        assert!(self.count >= earlier.count, "{} after {}", self.count, earlier.count);
        for (now, before) in self.histograms.iter().zip(&earlier.histograms) {
            for (low, count) in &before.0 {
                let now = now.0.get(low).copied().unwrap_or(0);
                assert!(now >= *count, "the bucket from {low}: {now} after {count}");
            }
            assert!(now.1 <= before.1 && now.2 >= before.2, "the extremes move outwards only");
        }
    }
}

#[test]
fn snapshots_taken_all_the_while_never_show_less_than_earlier_ones() {
    const SNAPSHOTS: usize = if cfg!(miri) { 5 } else { 200 };
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let own = registry.histogram("own").register().unwrap();
    let shared = registry.histogram("shared").shared().register().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let record = |seed| {
        let (counter, own, shared) = (counter.clone(), own.clone(), shared.clone());
        let done = done.clone();
        thread::spawn(move || {
            let until_done = values(seed).take_while(|_| !done.load(Ordering::Relaxed));
            let record = |value| {
                counter.increment();
                own.record(value);
                shared.record(value);
            };
            // Few magnitudes: a snapshot is soon taken, and another.
            until_done.map(|value| value % 10_000).map(record).count() as u64
        })
    };
    let watch = |_| {
        let registry = registry.clone();
        thread::spawn(move || {
            let mut before = Watched::read(&registry, &["own", "shared"]);
            for _ in 0..SNAPSHOTS {
                let now = Watched::read(&registry, &["own", "shared"]);
                now.assert_not_less_than(&before);
                before = now;
            }
        })
    };
    let recording: Vec<_> = (1..3).map(record).collect();
    let watching: Vec<_> = (0..2).map(watch).collect();
    let watched: Vec<_> = watching.into_iter().map(JoinHandle::join).collect();
    done.store(true, Ordering::Relaxed);
    let recorded: u64 = recording.into_iter().map(|thread| thread.join().unwrap()).sum();
    watched.into_iter().for_each(Result::unwrap);

    let last = Watched::read(&registry, &["own", "shared"]);
    assert_eq!(last.count, recorded);
    assert_eq!(last.histograms[0], last.histograms[1]);
    assert_eq!(last.histograms[0].0.values().sum::<u64>(), recorded);
}

#[test]
fn the_next_snapshot_holds_what_a_joined_thread_recorded() {
    let registry = Registry::new();
    let counter = registry.counter("c").register().unwrap();
    let histogram = registry.histogram("h").register().unwrap();
    for turn in 1..=ROUNDS.min(300) {
        let (counter, histogram) = (counter.clone(), histogram.clone());
        thread::spawn(move || {
            counter.increment();
            histogram.record(turn);
        })
        .join()
        .unwrap();
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.counter("c", &[]), Some(turn));
        let seen = snapshot.histogram("h", &[]).unwrap();
        assert_eq!((seen.count(), seen.sum()), (turn, turn * (turn + 1) / 2));
        assert_eq!((seen.min(), seen.max()), (Some(1), Some(turn)));
    }
}

/// Handles of a new series, on their way to the threads that record.
type Handles = (Counter, UpDownCounter, Gauge, Option<Histogram>);

#[test]
fn nothing_is_lost_while_thousands_of_series_are_registered() {
    const SERIES: u64 = if cfg!(miri) { 5 } else { 3_000 };
    const EACH: u64 = 10;
    let registry = Arc::new(Registry::new());
    let steady = registry.counter("steady").register().unwrap();
    let start = |_| {
        let steady = steady.clone();
        let (sender, receiver) = mpsc::channel::<Handles>();
        let recorder = thread::spawn(move || {
            for (counter, up_down, gauge, histogram) in receiver {
                for n in 0..EACH {
                    steady.increment();
                    counter.add(n);
                    up_down.decrement();
                    gauge.set(n as f64);
                    histogram.iter().for_each(|histogram| histogram.record(n * 1_000));
                }
            }
        });
        (sender, recorder)
    };
    let recorders: Vec<_> = (0..THREADS).map(start).collect();
    for index in 0..SERIES {
        let index_text = index.to_string();
        let counter = registry.counter("c").label("index", &index_text).register().unwrap();
        let up_down = registry.up_down_counter("u").label("index", &index_text);
        let gauge = registry.gauge("g").label("index", &index_text).register().unwrap();
        // So many that their buckets need a segment after the other.
        let histogram = registry.histogram("h").label("index", &index_text);
        let histogram = (index % 10 == 0).then(|| histogram.register().unwrap());
        let handles = (counter, up_down.register().unwrap(), gauge, histogram);
        for (sender, _) in &recorders {
            sender.send(handles.clone()).unwrap();
        }
    }
    for (sender, recorder) in recorders {
        drop(sender);
        recorder.join().unwrap();
    }

    let snapshot = registry.snapshot();
    assert_eq!(snapshot.counter("steady", &[]), Some(THREADS * SERIES * EACH));
    for index in 0..SERIES {
        let index_text = index.to_string();
        let labels = [("index", &*index_text)];
        let sum = THREADS * EACH * (EACH - 1) / 2;
        assert_eq!(snapshot.counter("c", &labels), Some(sum));
        assert_eq!(snapshot.up_down_counter("u", &labels), Some(-((THREADS * EACH) as i64)));
        assert_eq!(snapshot.gauge("g", &labels), Some((EACH - 1) as f64));
        let histogram = snapshot.histogram("h", &labels);
        let seen = histogram.map(|seen| (seen.count(), seen.sum(), seen.max()));
        let expected = (THREADS * EACH, sum * 1_000, Some((EACH - 1) * 1_000));
        assert_eq!(seen, (index % 10 == 0).then_some(expected));
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn more_threads_than_shards_lose_nothing() {
    in_own_process("more_threads_than_shards_lose_nothing", || {
        const LIVE: u64 = 16;
        quipu::configure(StoreConfig::new().max_shards(4)).unwrap();
        let registry = Arc::new(Registry::new());
        let counter = registry.counter("c").register().unwrap();
        let up_down = registry.up_down_counter("u").register().unwrap();
        let histogram = registry.histogram("h").register().unwrap();
        let with_shard = registry.counter("with_shard").register().unwrap();
        let all_live = Arc::new(Barrier::new(LIVE as usize));
        let watched = registry.clone();
        in_threads(LIVE, move |number| {
            with_shard.add(u64::from(quipu::register_thread()));
            all_live.wait();
            for value in values(number + 1).take(5_000) {
                counter.increment();
                up_down.add(-2);
                histogram.record(value);
            }
            if number == 0 {
                let seen = watched.snapshot();
                let seen = seen.histogram("h", &[]).unwrap();
                assert_eq!(seen.count(), buckets(seen).values().sum::<u64>());
            }
            all_live.wait();
        });
        // Shard 0 is everybody's.
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.counter("with_shard", &[]), Some(3));
        assert_eq!(snapshot.counter("c", &[]), Some(LIVE * 5_000));
        assert_eq!(snapshot.up_down_counter("u", &[]), Some(-2 * LIVE as i64 * 5_000));
        let all = || (1..=LIVE).flat_map(|seed| values(seed).take(5_000));
        let seen = snapshot.histogram("h", &[]).unwrap();
        assert_eq!(seen.count(), LIVE * 5_000);
        assert_eq!(seen.sum(), all().fold(0, u64::wrapping_add));
        assert_eq!((seen.min(), seen.max()), (all().min(), all().max()));
        assert_eq!(quipu::store_usage().shards_ever_used, 3);
        assert_eq!(quipu::store_usage().shards_leased, 0);
    });
}
