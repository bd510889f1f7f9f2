//! What memory the cells take: reserved, committed, and of the whole process.
//!
//! ```text
//! cargo bench --bench memory
//! cargo bench --bench memory -- --thp-always     # as root: with huge pages wherever they can be
//! ```
//!
//! Two beds, each recorded to by 8 threads at once: 10,000 counters, and 1,000 histograms of
//! 2 significant digits that get log-normal latencies. Huge pages would commit 2 MiB for a touched
//! cell, which the store forbids; `--thp-always` sets the system to `always` for the time of the
//! run, to see that it holds, and sets it back afterwards. No timing, no bound: it prints.

#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;

use numbers::latencies;
use quipu::{Registry, store_usage};
use std::fs;
use std::sync::Barrier;
use std::thread;

const THREADS: usize = 8;
const COUNTERS: usize = 10_000;
const HISTOGRAMS: usize = 1_000;
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let always = arguments.iter().any(|argument| argument == "--thp-always");
    let _restored = always.then(HugePages::always);
    let setting = fs::read_to_string(HUGE_PAGES);
    let setting = setting.unwrap_or_else(|_| "unknown".into());
    println!("transparent huge pages: {}", setting.trim());

    counters();
    histograms();
}

fn counters() {
    let registry = Registry::new();
    let start = Reading::now();
    println!("\n{COUNTERS} counters, {THREADS} threads that add to all of them");
    start.print("before");
    let counter = |number| registry.counter(&format!("memory.{number}")).register();
    let counters: Result<Vec<_>, _> = (0..COUNTERS).map(counter).collect();
    let counters = counters.expect("an empty registry has room");
    let registered = Reading::now();
    registered.print("registered");
    let recorded = record_on_all(|| counters.iter().for_each(|counter| counter.increment()));
    recorded.print("recorded");
    let total = registry.snapshot().counter("memory.0", &[]);
    assert_eq!(total, Some(THREADS as u64));
    Reading::now().print("read");
    recorded.print_share(&registered, "thread and counter", THREADS * COUNTERS);
    Reading::now().print_share(&start, "series, all in all", COUNTERS);
}

fn histograms() {
    let registry = Registry::new();
    let values = latencies();
    let start = Reading::now();
    println!("\n{HISTOGRAMS} histograms, {THREADS} threads that record 1,024 latencies in each");
    start.print("before");
    let histogram = |number| registry.histogram(&format!("memory.{number}")).register();
    let histograms: Result<Vec<_>, _> = (0..HISTOGRAMS).map(histogram).collect();
    let histograms = histograms.expect("an empty registry has room");
    let registered = Reading::now();
    registered.print("registered");
    let recorded = record_on_all(|| {
        for histogram in &histograms {
            values.iter().for_each(|value| histogram.record(*value));
        }
    });
    recorded.print("recorded");
    let snapshot = registry.snapshot();
    let first = snapshot.histogram("memory.0", &[]).expect("registered");
    assert_eq!(first.count(), (THREADS * values.len()) as u64);
    Reading::now().print("read");
    println!("touched buckets of each: {}", first.buckets().count());
    recorded.print_share(&registered, "thread and histogram", THREADS * HISTOGRAMS);
}

/// Calls `record` on all threads, and reads the memory while they are alive.
fn record_on_all(record: impl Fn() + Sync) -> Reading {
    let (recorded, read) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                record();
                recorded.wait();
                read.wait();
            });
        }
        recorded.wait();
        let reading = Reading::now();
        read.wait();
        reading
    })
}

/// Bytes at a moment; `None` where the system does not say.
struct Reading {
    reserved: usize,
    committed: Option<usize>,
    resident: Option<usize>,
}

impl Reading {
    fn now() -> Self {
        let usage = store_usage();
        let resident = resident_kib();
        Self {
            reserved: usage.bytes_reserved,
            committed: usage.bytes_committed,
            resident: resident.map(|kib| kib << 10),
        }
    }

    fn print(&self, moment: &str) {
        let mib = |bytes: Option<usize>| match bytes {
            Some(bytes) => format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20)),
            None => "unknown".into(),
        };
        println!(
            "{moment:<12} reserved {:>16}  committed {:>12}  process {:>12}",
            mib(Some(self.reserved)),
            mib(self.committed),
            mib(self.resident),
        );
    }

    /// What was committed since `earlier`, of each of `parts`.
    fn print_share(&self, earlier: &Self, part: &str, parts: usize) {
        if let (Some(now), Some(before)) = (self.committed, earlier.committed) {
            let bytes = now.saturating_sub(before) as f64 / parts as f64;
            println!("committed by each {part}: {bytes:.1} bytes");
        }
    }
}

fn resident_kib() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The setting to go back to.
struct HugePages {
    before: String,
}

impl HugePages {
    /// Allows huge pages everywhere, if that can be.
    fn always() -> Option<Self> {
        let setting = fs::read_to_string(HUGE_PAGES).ok()?;
        let (_, rest) = setting.split_once('[')?;
        let (before, _) = rest.split_once(']')?;
        if fs::write(HUGE_PAGES, "always").is_err() {
            println!("not allowed to change the setting of huge pages");
            return None;
        }
        let before = before.to_owned();
        Some(Self { before })
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        if fs::write(HUGE_PAGES, &self.before).is_err() {
            eprintln!("could not set huge pages back to {:?}", self.before);
        }
    }
}
