//! The ends of threads and of the process: nothing recorded on the way out is lost, and threads that
//! come and go cost nothing that stays.
#![cfg(not(loom))]
#![allow(unsafe_code)]

mod process;

use process::{emulator, in_own_process};
use quipu::{Counter, Histogram, Registry, store_usage};
use std::cell::OnceCell;
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

#[derive(Clone)]
struct Metrics {
    counter: Counter,
    histogram: Histogram,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            counter: registry.counter("c").register().unwrap(),
            histogram: registry.histogram("h").register().unwrap(),
        }
    }

    fn record(&self) {
        self.counter.increment();
        self.histogram.record(10);
        self.histogram.record_n(20, 2);
    }

    fn assert_recorded(registry: &Registry, times: u64) {
        let snapshot = registry.snapshot();
        assert_eq!(snapshot.counter("c", &[]), Some(times));
        let seen = snapshot.histogram("h", &[]).unwrap();
        assert_eq!((seen.count(), seen.sum()), (3 * times, 50 * times));
        assert_eq!((seen.min(), seen.max()), (Some(10), Some(20)));
    }
}

/// Records when its thread ends, and tells whether the thread had cells of its own then.
struct RecordsWhenDropped {
    metrics: Metrics,
    had_a_shard: mpsc::Sender<bool>,
}

impl Drop for RecordsWhenDropped {
    fn drop(&mut self) {
        self.metrics.record();
        let _ = self.had_a_shard.send(quipu::register_thread());
    }
}

thread_local! {
    static AT_EXIT: OnceCell<RecordsWhenDropped> = const { OnceCell::new() };
}

/// Runs `body` in a thread; `enter` makes the thread record at its exit. Returns whether it had a
/// shard then.
fn thread_that_records_at_its_exit(body: impl FnOnce(&Metrics, &dyn Fn()) + Send) -> bool {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry);
    let (had_a_shard, result) = mpsc::channel();
    let times = thread::scope(|scope| {
        let metrics = &metrics;
        let in_thread = scope.spawn(move || {
            let enter = || {
                let at_exit = RecordsWhenDropped {
                    metrics: metrics.clone(),
                    had_a_shard: had_a_shard.clone(),
                };
                AT_EXIT.with(|cell| assert!(cell.set(at_exit).is_ok()));
            };
            body(metrics, &enter);
        });
        // Only a join by its handle waits for a thread's destructors.
        in_thread.join().unwrap();
        registry.snapshot().counter("c", &[]).unwrap()
    });
    Metrics::assert_recorded(&registry, times);
    assert_eq!(times, 2);
    result.recv().unwrap()
}

#[test]
fn a_destructor_that_runs_before_quipus_own_records() {
    // The destructor registered last runs first.
    let had_a_shard = thread_that_records_at_its_exit(|metrics, enter| {
        metrics.record();
        enter();
    });
    assert!(had_a_shard || !cfg!(target_os = "linux"));
}

#[test]
fn a_destructor_that_runs_after_quipus_own_records() {
    let had_a_shard = thread_that_records_at_its_exit(|metrics, enter| {
        enter();
        metrics.record();
    });
    assert!(!had_a_shard || !cfg!(target_os = "linux"));
}

/// Records many times when its thread ends, while another thread does the same.
struct CompetesWhenDropped {
    counter: Counter,
    together: Arc<Barrier>,
}

const MANY: u64 = 2_000_000;

impl Drop for CompetesWhenDropped {
    fn drop(&mut self) {
        self.together.wait();
        (0..MANY).for_each(|_| self.counter.increment());
    }
}

/// The next thread gets the shard that was returned, while the one that returned it still records.
#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_late_destructor_keeps_out_of_the_shard_that_was_returned() {
    thread_local! {
        static COMPETES: OnceCell<CompetesWhenDropped> = const { OnceCell::new() };
    }
    // Alone, so that no other test has a lower shard to return.
    in_own_process("a_late_destructor_keeps_out_of_the_shard_that_was_returned", || {
        let registry = Registry::new();
        let counter = registry.counter("c").register().unwrap();
        let together = Arc::new(Barrier::new(2));
        let next = thread::spawn({
            let (counter, together) = (counter.clone(), together.clone());
            move || {
                together.wait();
                (0..MANY).for_each(|_| counter.increment());
            }
        });
        let ending = thread::spawn(move || {
            let competes = CompetesWhenDropped { counter: counter.clone(), together };
            COMPETES.with(|cell| assert!(cell.set(competes).is_ok()));
            counter.increment();
        });
        ending.join().unwrap();
        next.join().unwrap();
        assert_eq!(registry.snapshot().counter("c", &[]), Some(2 * MANY + 1));
    });
}

#[test]
fn the_first_record_of_a_thread_may_be_in_a_destructor() {
    thread_that_records_at_its_exit(|metrics, enter| {
        enter();
        let elsewhere = metrics.clone();
        thread::spawn(move || elsewhere.record()).join().unwrap();
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_shard_taken_in_a_destructor_is_returned() {
    in_own_process("a_shard_taken_in_a_destructor_is_returned", || {
        for _ in 0..50 {
            thread_that_records_at_its_exit(|metrics, enter| {
                enter();
                let elsewhere = metrics.clone();
                thread::spawn(move || elsewhere.record()).join().unwrap();
            });
        }
        let usage = store_usage();
        assert_eq!(usage.shards_leased, 0);
        assert!(usage.shards_ever_used <= 2, "{usage:?}");
    });
}

/// Keys of the system's own thread-specific data end after every thread-local of Rust.
#[test]
#[cfg(unix)]
#[cfg_attr(miri, ignore = "the interpreter ends threads in its own way")]
fn the_destructor_of_a_pthread_key_records() {
    extern "C" fn record(metrics: *mut libc::c_void) {
        // SAFETY: the thread put a box there.
        let metrics = unsafe { Box::from_raw(metrics.cast::<Metrics>()) };
        metrics.record();
    }
    let registry = Registry::new();
    let metrics = Metrics::new(&registry);
    let mut key = 0;
    // SAFETY: `key` may be written to, and `record` is the destructor of what is put there.
    assert_eq!(unsafe { libc::pthread_key_create(&mut key, Some(record)) }, 0);
    let in_thread = thread::spawn(move || {
        metrics.record();
        let at_exit = Box::into_raw(Box::new(metrics));
        // SAFETY: the key exists, and its destructor takes such a box.
        assert_eq!(unsafe { libc::pthread_setspecific(key, at_exit.cast()) }, 0);
    });
    in_thread.join().unwrap();
    Metrics::assert_recorded(&registry, 2);
}

/// Recorded to while the process ends.
#[cfg(unix)]
static UNTIL_THE_END: std::sync::OnceLock<(Registry, Metrics)> = std::sync::OnceLock::new();

#[test]
#[cfg(unix)]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_process_records_until_its_end() {
    extern "C" fn at_exit() {
        let (registry, metrics) = UNTIL_THE_END.get().unwrap();
        let before = registry.snapshot().counter("at_exit", &[]).unwrap();
        let counter = registry.counter("at_exit").register().unwrap();
        for _ in 0..1_000 {
            metrics.record();
            counter.increment();
        }
        let after = registry.snapshot().counter("at_exit", &[]).unwrap();
        println!("recorded {} at the exit", after - before);
    }
    let output = in_own_process("a_process_records_until_its_end", || {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry);
        let at_exit_only = registry.counter("at_exit").register().unwrap();
        at_exit_only.increment();
        let (registry, metrics) = UNTIL_THE_END.get_or_init(|| (registry, metrics));
        let (started, running) = mpsc::channel();
        for _ in 0..2 {
            let started = started.clone();
            thread::spawn(move || {
                metrics.record();
                started.send(()).unwrap();
                loop {
                    metrics.record();
                }
            });
        }
        running.recv().unwrap();
        running.recv().unwrap();
        assert!(registry.snapshot().counter("c", &[]).unwrap() >= 2);
        // SAFETY: the handler is a function without arguments that never unwinds into C.
        assert_eq!(unsafe { libc::atexit(at_exit) }, 0);
        std::process::exit(0);
    });
    assert!(output.contains("recorded 1000 at the exit"), "{output}");
}

/// Pages of memory that the process has resident, where the system tells.
fn resident_pages() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse().ok()
}

#[test]
#[cfg_attr(miri, ignore = "starts a process, and many threads")]
fn a_hundred_thousand_threads_use_as_many_shards_as_live_at_once() {
    in_own_process("a_hundred_thousand_threads_use_as_many_shards_as_live_at_once", || {
        const LIVE: u64 = 8;
        const PARTS: u64 = 20;
        // An emulator needs much time for each thread, and memory that it does not give back.
        let part: u64 = if emulator().is_empty() { 5_000 } else { 40 };
        let registry = Registry::new();
        let metrics = Metrics::new(&registry);
        let mut after_the_first_part = None;
        for _ in 0..PARTS {
            for _ in 0..part / LIVE {
                let start = |_| {
                    let metrics = metrics.clone();
                    thread::spawn(move || metrics.record())
                };
                let running: Vec<_> = (0..LIVE).map(start).collect();
                running.into_iter().for_each(|thread| thread.join().unwrap());
            }
            let now = (resident_pages(), store_usage().bytes_reserved);
            let first = *after_the_first_part.get_or_insert(now);
            assert_eq!(now.1, first.1);
            if let (Some(now), Some(first), true) = (now.0, first.0, emulator().is_empty()) {
                assert!(now < first + 256, "{now} pages resident, {first} after the first part");
            }
        }
        Metrics::assert_recorded(&registry, PARTS * part);
        let usage = store_usage();
        assert_eq!(usage.shards_leased, 0);
        assert!((1..=LIVE as usize).contains(&usage.shards_ever_used), "{usage:?}");
    });
}

/// A thread that ends by a panic gives its shard back as any other.
#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_thread_that_panics_loses_nothing() {
    in_own_process("a_thread_that_panics_loses_nothing", || {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry);
        for _ in 0..20 {
            let metrics = metrics.clone();
            let panicking = thread::spawn(move || {
                metrics.record();
                let timer = metrics.histogram.start();
                timer.discard();
                panic!("as intended");
            });
            assert!(panicking.join().is_err());
        }
        Metrics::assert_recorded(&registry, 20);
        assert_eq!(store_usage().shards_ever_used, 1);
        assert_eq!(store_usage().shards_leased, 0);
    });
}
