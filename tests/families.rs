//! Families with label values that are known only while the program runs.
#![cfg(not(loom))]

use quipu::{
    Client, Counter, Delivery, ExportError, Exporter, FailureCause, Family, Gauge, Histogram,
    Registry, Snapshot, UpDownCounter, Value,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The counts of a counter's series, by the values of one label.
fn counts(snapshot: &Snapshot, name: &str, key: &str) -> BTreeMap<String, u64> {
    let series = snapshot.iter().filter(|(descriptor, _)| descriptor.name() == name);
    let counts = series.filter_map(|(descriptor, value)| match value {
        Value::Counter(count) => Some((descriptor.label(key).unwrap_or("-").to_owned(), count)),
        _ => None,
    });
    counts.collect()
}

fn of(counts: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|&(value, count)| (value.to_owned(), count)).collect()
}

#[test]
fn each_combination_of_values_is_a_series() {
    let registry = Registry::new();
    let requests: Family<Counter, 2> = registry
        .counter("requests")
        .label("host", "a")
        .family(["route", "method"])
        .register()
        .unwrap();
    requests.with(["/", "GET"]).add(3);
    requests.with(["/G", "ET"]).add(5);
    requests.with(["/", "GET"]).increment();
    let snapshot = registry.snapshot();
    let count = |route, method| {
        snapshot.counter("requests", &[("host", "a"), ("method", method), ("route", route)])
    };
    assert_eq!((count("/", "GET"), count("/G", "ET")), (Some(4), Some(5)));
    assert_eq!(snapshot.counter("requests", &[("host", "a"), ("overflow", "true")]), Some(0));
    assert_eq!((requests.len(), snapshot.len()), (2, 3));
}

#[test]
fn families_are_of_every_kind() {
    let registry = Registry::new();
    let open: Family<UpDownCounter, 1> =
        registry.up_down_counter("open").family(["pool"]).register().unwrap();
    let depth: Family<Gauge, 1> = registry.gauge("depth").family(["queue"]).register().unwrap();
    let time: Family<Histogram<3>, 1> = registry
        .histogram("time")
        .significant_digits::<3>()
        .shared()
        .family(["route"])
        .register()
        .unwrap();
    open.with(["a"]).add(-2);
    depth.with(["b"]).set(1.5);
    time.with(["c"]).record(70);
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.up_down_counter("open", &[("pool", "a")]), Some(-2));
    assert_eq!(snapshot.gauge("depth", &[("queue", "b")]), Some(1.5));
    let time = snapshot.histogram("time", &[("route", "c")]).unwrap();
    assert_eq!((time.count(), time.sum(), time.significant_digits()), (1, 70, 3));
}

#[test]
fn whoever_registers_the_same_family_shares_its_limit() {
    let registry = Registry::new();
    let family = || registry.counter("c").family(["k"]).max_series(2).register().unwrap();
    let (one, other) = (family(), family());
    one.with(["a"]).increment();
    other.with(["a"]).increment();
    other.with(["b"]).increment();
    one.with(["c"]).increment();
    assert_eq!(counts(&registry.snapshot(), "c", "k"), of(&[("-", 1), ("a", 2), ("b", 1)]));
    let mismatch = registry.gauge("c").family(["k"]).register().unwrap_err();
    assert!(mismatch.to_string().contains("is a counter already"), "{mismatch}");
}

#[test]
fn what_is_past_the_limit_is_counted_as_overflow_and_as_refused() {
    let registry = Registry::new();
    let family = registry.counter("c").family(["k"]).max_series(3).register().unwrap();
    for round in 0..4 {
        for value in 0..10 {
            family.with([&value.to_string()]).add(1 + round);
        }
    }
    let expected = of(&[("-", 70), ("0", 10), ("1", 10), ("2", 10)]);
    assert_eq!(counts(&registry.snapshot(), "c", "k"), expected);
    let refusals = registry.refusals();
    assert_eq!(refusals.count, 28);
    assert!(refusals.last.unwrap().to_string().contains("limit of 3 series"));

    assert!(family.remove(["1"]) && !family.remove(["1"]) && !family.remove(["7"]));
    family.with(["7"]).add(1);
    family.with(["8"]).add(1);
    let counts = counts(&registry.snapshot(), "c", "k");
    assert_eq!((counts["7"], counts["-"]), (1, 71));
}

#[test]
fn values_that_no_label_can_have_are_overflow() {
    let registry = Registry::new();
    let family = registry.counter("c").family(["k"]).register().unwrap();
    let long = "x".repeat(4_097);
    for value in ["\0", &long, &long[1..], "", "\"\n\\"] {
        family.with([value]).increment();
    }
    let counts = counts(&registry.snapshot(), "c", "k");
    assert_eq!(counts, of(&[("-", 2), (&long[1..], 1), ("", 1), ("\"\n\\", 1)]));
    assert_eq!(registry.refusals().count, 2);
}

#[test]
fn a_full_registry_is_overflow_too() {
    let registry = Registry::with_max_series(3);
    let family = registry.counter("c").family(["k"]).register().unwrap();
    for value in ["a", "b", "c", "c"] {
        family.with([value]).increment();
    }
    assert_eq!(counts(&registry.snapshot(), "c", "k"), of(&[("-", 2), ("a", 1), ("b", 1)]));
    assert!(registry.refusals().last.unwrap().to_string().contains("limit of 3 series"));
}

#[test]
fn faulty_keys_are_refused() {
    let registry = Registry::new();
    for keys in [["", "a"], ["a", "a"], ["a b", "c"]] {
        assert!(registry.counter("c").family(keys).register().is_err(), "{keys:?}");
    }
    assert!(registry.counter("c").label("a", "").family(["a"]).register().is_err());
    assert_eq!((registry.refusals().count, registry.snapshot().len()), (4, 0));
    // A detached one takes records all the same.
    registry.counter("c").family(["", "a"]).register_or_detached().with(["x", "y"]).increment();
}

#[test]
fn a_removed_series_is_in_the_next_snapshot_and_then_gone() {
    let registry = Registry::new();
    let family = registry.counter("c").family(["k"]).register().unwrap();
    family.with(["a"]).add(3);
    let before = registry.snapshot();
    family.with(["a"]).add(4);
    assert!(family.remove(["a"]));
    let last = registry.snapshot();
    assert_eq!(last.delta(&before).counter("c", &[("k", "a")]), Some(4));
    let gone = snapshot_without(&registry, "a");
    assert_eq!(counts(&gone, "c", "k"), of(&[("-", 0)]));
    // Once more: another series, which counts from zero.
    family.with(["a"]).add(5);
    let again = registry.snapshot();
    assert_eq!(again.counter("c", &[("k", "a")]), Some(5));
    assert_eq!(again.delta(&last).counter("c", &[("k", "a")]), Some(5));
}

/// The first snapshot that lacks a series.
fn snapshot_without(registry: &Registry, value: &str) -> Arc<Snapshot> {
    loop {
        let snapshot = registry.snapshot();
        if snapshot.counter("c", &[("k", value)]).is_none() {
            return snapshot;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_series_that_is_asked_for_again_before_it_is_gone_counts_on() {
    let registry = Registry::new();
    let family = registry.counter("c").family(["k"]).register().unwrap();
    for round in 1..50 {
        family.with(["a"]).add(1);
        family.remove(["a"]);
        // Before it can be final: nothing was read meanwhile.
        family.with(["a"]).add(1);
        assert_eq!(registry.snapshot().counter("c", &[("k", "a")]), Some(2 * round));
    }
}

#[test]
fn a_handle_that_is_kept_counts_after_its_series_was_removed() {
    let registry = Registry::new();
    let family = registry.counter("c").family(["k"]).register().unwrap();
    let kept: Counter = family.with(["a"]).clone();
    family.remove(["a"]);
    for count in 1..20 {
        kept.increment();
        assert_eq!(registry.snapshot().counter("c", &[("k", "a")]), Some(count));
    }
    // The same series, for whoever asks for it.
    family.with(["a"]).increment();
    assert_eq!(registry.snapshot().counter("c", &[("k", "a")]), Some(20));
    family.remove(["a"]);
    kept.increment();
    drop(kept);
    let mut last = 0;
    while let Some(count) = registry.snapshot().counter("c", &[("k", "a")]) {
        last = count;
    }
    assert_eq!(last, 21);
}

#[test]
fn idle_series_leave_and_those_in_use_do_not() {
    let registry = Registry::new();
    let family: Family<Counter, 1> = registry
        .counter("c")
        .family(["k"])
        .expire_after(Duration::from_millis(40))
        .register()
        .unwrap();
    family.with(["idle"]).add(7);
    let kept = family.with(["kept"]).clone();
    let mut total = 0;
    loop {
        family.with(["used"]).increment();
        total += 1;
        let counts = counts(&registry.snapshot(), "c", "k");
        assert_eq!((counts["used"], counts["kept"]), (total, 0));
        match counts.get("idle") {
            Some(count) => assert_eq!(*count, 7),
            None => break,
        }
    }
    kept.increment();
    assert_eq!(registry.snapshot().counter("c", &[("k", "kept")]), Some(1));
    drop(kept);
    snapshot_without(&registry, "kept");
    assert_eq!(family.len(), 0);
}

/// Adds up what it is delivered, and fails every third time.
struct Sums {
    sums: Arc<Mutex<BTreeMap<String, u64>>>,
    deliveries: u64,
}

impl Exporter for Sums {
    fn name(&self) -> &str {
        "sums"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.deliveries += 1;
        if self.deliveries % 3 == 0 {
            return Err(ExportError::new(FailureCause::Unavailable, "not now"));
        }
        let mut sums = self.sums.lock().unwrap();
        for (value, count) in counts(delivery.delta(), "c", "k") {
            *sums.entry(value).or_default() += count;
        }
        Ok(())
    }
}

#[test]
fn under_churn_every_count_is_delivered_once() {
    const THREADS: u64 = 2;
    const SETS: u64 = 64;
    let rounds: u64 = if cfg!(debug_assertions) { 150 } else { 1_500 };
    let registry = Arc::new(Registry::new());
    let family = registry.counter("c").family(["k"]).register().unwrap();
    let sums = Arc::new(Mutex::new(BTreeMap::new()));
    let exporter = Sums { sums: sums.clone(), deliveries: 0 };
    let client = Client::builder()
        .registry(registry.clone())
        .exporter(exporter)
        .flush_interval(Duration::from_millis(1))
        .backoff(Duration::from_millis(1)..=Duration::from_millis(1))
        .start()
        .unwrap();
    let (round, is_done, steps) = (AtomicU64::new(0), AtomicBool::new(false), Barrier::new(3));
    let recorded = Mutex::new(BTreeMap::<String, u64>::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                steps.wait();
                let mut own = BTreeMap::<String, u64>::new();
                while !is_done.load(Relaxed) {
                    let round = round.load(Relaxed);
                    for set in round..round + SETS {
                        let value = (set % (SETS * 4)).to_string();
                        family.with([&value]).increment();
                        *own.entry(value).or_default() += 1;
                    }
                }
                let mut recorded = recorded.lock().unwrap();
                for (value, count) in own {
                    *recorded.entry(value).or_default() += count;
                }
            });
        }
        steps.wait();
        for next in 0..rounds {
            // Sixty-four that may be in use, and sixty-four new ones.
            for set in next * SETS..(next + 1) * SETS {
                family.remove([&(set % (SETS * 4)).to_string()]);
            }
            round.store((next + 1) * SETS, Relaxed);
            client.flush(TIMEOUT);
        }
        is_done.store(true, Relaxed);
    });
    let report = client.stop(TIMEOUT);
    assert!(report.is_delivered(), "{report:?}");
    let mut sums = std::mem::take(&mut *sums.lock().unwrap());
    assert_eq!(sums.remove("-"), Some(0));
    sums.retain(|_, count| *count != 0);
    assert_eq!(sums, *recorded.lock().unwrap());
}
