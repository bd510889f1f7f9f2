//! What is seen of the process in each window of a run.

use super::run::Work;
use crate::counting::LIVE_BYTES;
use crate::latency::{LANES, Latencies};
use serde_json::{Value, json};
use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// By which latencies of a window are told.
pub const SHARES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p9999", 0.9999)];

/// Something that has to stay as it is.
#[derive(Clone, Copy)]
pub struct Level {
    pub name: &'static str,
    pub of: fn(&Window) -> f64,
    pub unit: &'static str,
    /// By which share it may be larger in the end, and by how much in any case.
    pub share: f64,
    pub slack: f64,
    /// What it may still grow by in a run of 20 seconds, in which not all buffers have found their
    /// size, nor all kinds of series their number; in proportion less in a longer one.
    pub start_up: f64,
}

const MIB: f64 = 1_048_576.0;

impl Level {
    const fn bytes(name: &'static str, of: fn(&Window) -> f64, share: f64, start_up: f64) -> Self {
        Self { name, of, unit: "MiB", share, slack: 1.0, start_up }
    }

    const fn number(name: &'static str, of: fn(&Window) -> f64, slack: f64) -> Self {
        Self { name, of, unit: "", share: 0.0, slack, start_up: 0.0 }
    }

    /// The most that it may be in the end of a run of so many seconds.
    pub fn bound(&self, before: f64, seconds: f64) -> f64 {
        before * (1.0 + self.share) + self.slack.max(self.start_up * 20.0 / seconds)
    }
}

pub const LEVELS: [Level; 6] = [
    Level::bytes("resident", |it| it.resident / MIB, 0.10, 16.0),
    Level::bytes("heap in use", |it| it.heap / MIB, 0.03, 6.0),
    Level::bytes("committed", |it| it.committed / MIB, 0.05, 3.0),
    // A segment of few is 2 MiB, one of many a gigabyte: of those there may be no more.
    Level::bytes("reserved", |it| it.reserved / MIB, 0.01, 0.0),
    Level::number("threads", |it| it.threads, 0.0),
    // Of the connections to the collector, and of those to the endpoint.
    Level::number("files", |it| it.files, 4.0),
];

/// Read while nobody records, and no short-lived thread is alive.
#[derive(Clone)]
pub struct Window {
    /// Seconds since the start of the run, at its end.
    pub at: f64,
    pub resident: f64,
    pub heap: f64,
    pub committed: f64,
    pub reserved: f64,
    pub shards: usize,
    pub threads: f64,
    pub files: f64,
    /// Of the processors, in cores, since the window before.
    pub cores: f64,
    /// Of each kind of work since the start.
    pub work: [(&'static str, u64); 6],
    pub samples: u64,
    /// By lane, then by share, in nanoseconds.
    pub latencies: [[u64; SHARES.len()]; LANES.len()],
    pub noise: [u64; SHARES.len()],
    pub max: [u64; LANES.len()],
}

/// When a window began.
pub struct Began {
    start: Instant,
    at: Instant,
    processor_time: Duration,
}

impl Began {
    pub fn now() -> Self {
        let start = Instant::now();
        Self { start, at: start, processor_time: processor_time() }
    }
}

impl Window {
    /// The window that ends now; the next one begins.
    pub fn end(began: &mut Began, work: &Work, latencies: &Latencies) -> Self {
        let (now, used) = (Instant::now(), processor_time());
        let store = quipu::store_usage();
        let window = Self {
            at: (now - began.start).as_secs_f64(),
            resident: resident_bytes(),
            heap: LIVE_BYTES.load(Relaxed) as f64,
            committed: store.bytes_committed.unwrap_or(0) as f64,
            reserved: store.bytes_reserved as f64,
            shards: store.shards_ever_used,
            threads: entries("/proc/self/task"),
            // Without the one that lists them.
            files: entries("/proc/self/fd") - 1.0,
            cores: (used - began.processor_time).as_secs_f64() / (now - began.at).as_secs_f64(),
            work: [
                ("records", work.records.load(Relaxed)),
                ("threads", work.threads.load(Relaxed)),
                ("label_sets", work.label_sets.load(Relaxed)),
                ("registries", work.registries.load(Relaxed)),
                ("snapshots", work.snapshots.load(Relaxed)),
                ("scrapes", work.scrapes.load(Relaxed)),
            ],
            samples: latencies.samples(),
            latencies: std::array::from_fn(|lane| {
                SHARES.map(|(_, share)| latencies.quantile_ns(lane, share))
            }),
            noise: SHARES.map(|(_, share)| latencies.noise_ns(share)),
            max: std::array::from_fn(|lane| latencies.max_ns(lane)),
        };
        (began.at, began.processor_time) = (now, used);
        window
    }

    pub fn json(&self) -> Value {
        let shares = |of: &[u64]| -> Value {
            SHARES.iter().zip(of).map(|((name, _), ns)| (name.to_string(), json!(ns))).collect()
        };
        let lanes: Value = LANES
            .iter()
            .zip(&self.latencies)
            .zip(self.max)
            .map(|((lane, of), max)| {
                let mut lane_of = shares(of);
                lane_of["max"] = json!(max);
                (lane.to_string(), lane_of)
            })
            .collect();
        let work: Value =
            self.work.iter().map(|(name, count)| (name.to_string(), json!(count))).collect();
        json!({
            "at_s": self.at,
            "resident_bytes": self.resident,
            "heap_bytes": self.heap,
            "store_committed_bytes": self.committed,
            "store_reserved_bytes": self.reserved,
            "shards_ever_used": self.shards,
            "threads": self.threads,
            "files": self.files,
            "cores": self.cores,
            "work_so_far": work,
            "samples": self.samples,
            "latency_ns": lanes,
        })
    }
}

/// The middle of what windows say.
pub fn median(windows: &[Window], of: impl Fn(&Window) -> f64) -> f64 {
    let mut values: Vec<f64> = windows.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn resident_bytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) * 1_024.0
}

fn entries(directory: &str) -> f64 {
    fs::read_dir(directory).map_or(f64::NAN, |entries| entries.count() as f64)
}

/// What all threads have run for, those that have ended too.
fn processor_time() -> Duration {
    /// Linux tells times to programs in hundredths of a second.
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    TICK * ticks.filter_map(|ticks| ticks.parse::<u32>().ok()).sum::<u32>()
}
