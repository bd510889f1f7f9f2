//! Exactness under faults: exporters that fail in every way, one by one and in random order, beside
//! healthy ones. In the end each has acknowledged exactly what was recorded.
#![cfg(not(loom))]

mod exporter;

use exporter::{Log, NEVER, PATIENCE, additions, by, client_of, reporting, returns, wait_until};
use fastrand::Rng;
use quipu::testing::ManualClock;
use quipu::{Client, Delivery, ExportError, Exporter, FailureCause, Registry, Snapshot};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const FLUSHES: u64 = if cfg!(miri) { 20 } else { 10_000 };
const INTERVAL: Duration = Duration::from_secs(1);
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);

const CAUSES: [FailureCause; 10] = [
    FailureCause::Unreachable,
    FailureCause::TimedOut,
    FailureCause::RateLimited,
    FailureCause::Rejected,
    FailureCause::Unauthorized,
    FailureCause::Unavailable,
    FailureCause::Storage,
    FailureCause::Panicked,
    FailureCause::Overran,
    FailureCause::Other,
];

/// What was recorded, or acknowledged.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sums {
    counter: u64,
    up_down: i64,
    recorded: u64,
    sum: u64,
    /// By the bounds of the bucket.
    buckets: BTreeMap<(u64, u64), u64>,
}

impl Sums {
    fn add(&mut self, delta: &Snapshot) {
        self.counter += delta.counter("c", &[]).unwrap_or(0);
        self.up_down += delta.up_down_counter("u", &[]).unwrap_or(0);
        if let Some(histogram) = delta.histogram("h", &[]) {
            self.recorded += histogram.count();
            self.sum += histogram.sum();
            for bucket in histogram.buckets() {
                *self.buckets.entry((bucket.low, bucket.high)).or_default() += bucket.count;
            }
        }
    }
}

/// What an exporter has acknowledged.
#[derive(Default)]
struct Acknowledged {
    sums: Sums,
    sequence: Option<u64>,
    overlaps: Vec<String>,
}

impl Acknowledged {
    fn add(&mut self, delivery: &Delivery<'_>) {
        let (sequence, against) =
            (delivery.snapshot().sequence(), delivery.acknowledged().map(Snapshot::sequence));
        if against != self.sequence || against.is_some_and(|against| against >= sequence) {
            self.overlaps.push(format!("{sequence} after {:?}: {delivery:?}", self.sequence));
        }
        self.sequence = Some(sequence);
        self.sums.add(delivery.delta());
    }
}

type Ledger = Arc<Mutex<Acknowledged>>;

fn add(ledger: &Ledger, delivery: &Delivery<'_>) {
    ledger.lock().unwrap_or_else(PoisonError::into_inner).add(delivery);
}

#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("as intended")
    }
}

impl std::error::Error for Unspeakable {}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as intended, once more");
    }
}

/// Fails in a way that chance chooses, or succeeds.
struct Faulty {
    random: Rng,
    clock: ManualClock,
    ledger: Ledger,
    /// Counts the beginning and the end of each hang: it is odd during one.
    hangs: Arc<AtomicU64>,
    released: Receiver<()>,
    /// Kinds of faults seen: all have to be.
    seen: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Faulty {
    fn fail(&mut self) -> ExportError {
        ExportError::new(CAUSES[self.random.usize(..CAUSES.len())], "as intended")
    }

    /// Succeeds or fails, with even chances.
    fn finish(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        if self.random.bool() {
            return Err(self.fail());
        }
        add(&self.ledger, delivery);
        Ok(())
    }

    fn see(&self, fault: &'static str) {
        *self.seen.lock().unwrap().entry(fault).or_default() += 1;
    }
}

impl Exporter for Faulty {
    fn name(&self) -> &str {
        "faulty"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        if delivery.is_last() {
            add(&self.ledger, delivery);
            return Ok(());
        }
        // Whether the delta was computed must not matter to the next one.
        if self.random.bool() {
            let _ = delivery.delta();
        }
        match self.random.u8(..16) {
            0..4 => {
                self.see("fails");
                Err(self.fail())
            }
            4 => {
                self.see("asks for silence");
                let silence = Duration::from_millis(self.random.u64(..4_000));
                Err(self.fail().with_retry_after(silence))
            }
            5 => {
                self.see("panics");
                panic!("as intended")
            }
            6 => {
                self.see("panics with a bomb");
                std::panic::panic_any(Bomb)
            }
            7 => {
                self.see("fails without a text");
                Err(Unspeakable.into())
            }
            8 => {
                self.see("hangs");
                self.hangs.fetch_add(1, SeqCst);
                let _ = self.released.recv();
                self.hangs.fetch_add(1, SeqCst);
                self.finish(delivery)
            }
            9 => {
                self.see("is late");
                self.clock.jump(ATTEMPT_TIMEOUT + INTERVAL);
                self.finish(delivery)
            }
            _ => {
                self.see("acknowledges");
                add(&self.ledger, delivery);
                Ok(())
            }
        }
    }
}

/// Records until it is told to stop, and keeps its own books.
fn record(registry: &Registry, stop: &AtomicBool, seed: u64) -> (Sums, BTreeMap<u64, u64>) {
    let counter = registry.counter("c").register().unwrap();
    let up_down = registry.up_down_counter("u").register().unwrap();
    let histogram = registry.histogram("h").register().unwrap();
    let mut random = Rng::with_seed(seed);
    let (mut sums, mut values) = (Sums::default(), BTreeMap::new());
    while !stop.load(SeqCst) {
        for _ in 0..16 {
            let (count, step) = (random.u64(..5), random.i64(-9..10));
            let value = random.u64(..16) << random.u32(..30);
            counter.add(count);
            up_down.add(step);
            histogram.record(value);
            sums.counter += count;
            sums.up_down += step;
            sums.recorded += 1;
            sums.sum += value;
            *values.entry(value).or_default() += 1;
        }
        thread::yield_now();
    }
    (sums, values)
}

/// Puts values into the buckets of `like`.
fn into_buckets(values: &BTreeMap<u64, u64>, like: &Sums) -> BTreeMap<(u64, u64), u64> {
    let mut buckets = BTreeMap::new();
    for (value, count) in values {
        let holds = |(low, high): &&(u64, u64)| (*low..=*high).contains(value);
        let bucket = like.buckets.keys().find(holds).expect("each value is in a bucket");
        *buckets.entry(*bucket).or_default() += count;
    }
    buckets
}

/// Panics that are intended are not shown: with backtraces they would take most of the time.
fn leave_out_panics_of(exporter: &'static str) {
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if thread::current().name().is_none_or(|name| !name.contains(exporter)) {
            show(panic);
        }
    }));
}

#[test]
fn every_record_is_acknowledged_once_whatever_the_exporter_does() {
    leave_out_panics_of("faulty");
    let seed = 0x51_u64;
    let registry = Arc::new(Registry::new());
    let clock = ManualClock::new();
    let (healthy, faulty) = (Ledger::default(), Ledger::default());
    let hangs = Arc::new(AtomicU64::new(0));
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let (release, released) = channel();
    let exporter = Faulty {
        random: Rng::with_seed(seed),
        clock: clock.clone(),
        ledger: faulty.clone(),
        hangs: hangs.clone(),
        released,
        seen: seen.clone(),
    };
    let beside = by("healthy", {
        let healthy = healthy.clone();
        move |delivery: &Delivery<'_>| {
            add(&healthy, delivery);
            Ok(())
        }
    });
    let client = Client::builder().registry(registry.clone()).clock(clock.clone());
    let client = client.flush_interval(INTERVAL).attempt_timeout(ATTEMPT_TIMEOUT);
    let client = client.backoff(Duration::from_millis(200)..=Duration::from_secs(2));
    let client = client.exporter(exporter).exporter(beside).start().unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let recording = thread::spawn({
        let (registry, stop) = (registry.clone(), stop.clone());
        move || record(&registry, &stop, seed)
    });
    let mut random = Rng::with_seed(seed + 1);
    let mut flushes_until_release = 0;
    let is_hanging = |hangs: u64| hangs % 2 == 1;
    let flushes = || registry.latest().map_or(0, |latest| latest.sequence());
    while flushes() < FLUSHES {
        let before = flushes();
        clock.jump(INTERVAL);
        wait_until("a flush", || flushes() > before);
        wait_until("the deliveries", || {
            is_hanging(hangs.load(SeqCst)) || clock.settle(Duration::from_millis(1))
        });
        let hang = hangs.load(SeqCst);
        if !is_hanging(hang) {
            continue;
        }
        if flushes_until_release == 0 {
            release.send(()).unwrap();
            wait_until("the end of the hang", || hangs.load(SeqCst) != hang);
            flushes_until_release = random.u64(1..6);
        }
        flushes_until_release -= 1;
    }
    drop(release);
    stop.store(true, SeqCst);
    let (mut recorded, values) = recording.join().unwrap();
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");

    let (healthy, faulty) = (healthy.lock().unwrap(), faulty.lock().unwrap());
    recorded.buckets = into_buckets(&values, &healthy.sums);
    assert!(recorded.recorded > 0);
    assert_eq!(healthy.sums, recorded, "seed {seed}");
    assert_eq!(faulty.sums, recorded, "seed {seed}");
    assert_eq!(healthy.overlaps, [""; 0]);
    assert_eq!(faulty.overlaps, [""; 0]);
    if !cfg!(miri) {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 8, "{seen:?}");
        for cause in CAUSES {
            let latest = registry.snapshot();
            let labels = [("exporter", "faulty"), ("cause", cause.name())];
            let failures = latest.counter("quipu.export.failures", &labels).unwrap();
            assert!(failures > 10, "{cause:?}: {failures}");
        }
    }
}

/// Runs 30 rounds with an exporter that fails in its way in two of three, beside ones that do not.
fn assert_nothing_is_lost(mut fail: impl FnMut() -> Result<(), ExportError> + Send + 'static) {
    let (registry, counter) = exporter::registry();
    let histogram = registry.histogram("h").register().unwrap();
    let acknowledged = Log::new();
    let (first, before) = channel();
    let (second, after) = channel();
    let log = acknowledged.clone();
    let mut attempt = 0;
    let failing = by("failing", move |delivery: &Delivery<'_>| {
        attempt += 1;
        if attempt % 3 != 0 && !delivery.is_last() {
            return fail();
        }
        log.push(additions(delivery));
        Ok(())
    });
    let client = client_of(&registry).exporter(reporting(first)).exporter(failing);
    // No attempt but those that the flushes ask for.
    let client = client.exporter(reporting(second)).backoff(NEVER..=NEVER).start().unwrap();
    let report = returns(move || {
        for round in 1..=30 {
            counter.add(round);
            histogram.record(round);
            client.flush(PATIENCE);
        }
        counter.add(1_000);
        client.stop(PATIENCE)
    });
    let sum = acknowledged.all().iter().fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    assert_eq!(sum, (465 + 1_000, 30));
    assert!(report.is_delivered(), "{report}");
    let failing = &report.exporters[1];
    assert_eq!((report.flushes, failing.attempts, failing.failures), (31, 31, 20));
    assert_eq!((&*failing.name, failing.acknowledged), ("failing", 11));
    assert!(failing.last_failure.is_some());
    for others in [before, after] {
        let each: Vec<_> = others.iter().collect();
        let expected = (1..=30).map(|round| (round, 1)).chain([(1_000, 0)]);
        assert_eq!(each, expected.collect::<Vec<_>>());
    }
}

#[test]
fn an_exporter_that_fails_gets_what_it_missed() {
    assert_nothing_is_lost(|| Err(std::io::Error::other("no route to host").into()));
}

#[test]
fn an_exporter_that_panics_gets_what_it_missed() {
    assert_nothing_is_lost(|| panic!("as intended"));
}

#[test]
fn an_error_that_panics_when_it_is_shown_is_a_failure_like_others() {
    assert_nothing_is_lost(|| Err(Unspeakable.into()));
}

#[test]
fn a_panic_that_panics_when_it_is_dropped_is_a_failure_like_others() {
    assert_nothing_is_lost(|| std::panic::panic_any(Bomb));
}
