//! What lines say.

use super::agent::{Agent, Place, Received};
use super::directory::Directory;
use super::reading::{Known, at_rank, lines};
use super::{PATIENCE, client_of, dropped, plain};
use proptest::prelude::*;
use quipu::{DogStatsd, Registry, Unit};
use std::sync::Arc;

/// Flushes once, and returns what the agent got.
fn sent(registry: &Arc<Registry>, setup: impl FnOnce(DogStatsd) -> DogStatsd) -> Vec<Vec<u8>> {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let directory = Directory::new(&format!("dogstatsd-lines-{number}"));
    let place = Place::Datagram(directory.path().join("agent"));
    let received = Received::default();
    let agent = Agent::start(&place, &received);
    let client = client_of(registry).exporter(setup(plain(place.exporter()))).start().unwrap();
    assert!(client.flush(PATIENCE).is_delivered());
    agent.stop();
    received.all()
}

/// The lines that are not the client's own.
fn texts(datagrams: &[Vec<u8>]) -> Vec<String> {
    let texts = datagrams.iter().map(|datagram| std::str::from_utf8(datagram).unwrap());
    let lines = texts.flat_map(|text| text.split('\n').map(str::to_owned));
    lines.filter(|line| !line.contains("quipu.")).collect()
}

#[test]
fn each_kind_of_metric_has_its_line() {
    let registry = Arc::new(Registry::new());
    registry.counter("a-requests").label("method", "GET").register().unwrap().add(3);
    registry.counter("b.idle").register().unwrap();
    registry.counter("c.spent").unit(Unit::Nanoseconds).register().unwrap().add(1_500_000_000);
    registry.up_down_counter("d.active").register().unwrap().add(-2);
    registry.gauge("e.depth").unit(Unit::Percent).register().unwrap().set(450.0);
    registry.gauge("f.unset").register().unwrap();
    registry.gauge("g.nan").register().unwrap().set(f64::NAN);
    let duration = registry.histogram("h.duration").unit(Unit::Microseconds).register().unwrap();
    [7, 8, 100].into_iter().for_each(|value| duration.record(value));
    [(9, 4), (10, 2), (11, 4), (12, 2)]
        .into_iter()
        .for_each(|(value, n)| duration.record_n(value, n));
    registry.histogram("i.empty").register().unwrap();
    let datagrams = sent(&registry, |it| it.prefix("shop").tag("env", "prod"));
    let expected = [
        "shop.a_requests:3|c|#env:prod,method:GET",
        "shop.c.spent:1.5|c|#env:prod",
        "shop.d.active:-2|g|#env:prod",
        "shop.e.depth:4.5|g|#env:prod",
        "shop.h.duration:0.000007:0.000008:0.0001|d|#env:prod",
        "shop.h.duration:0.00001:0.000012|d|@0.5|#env:prod",
        "shop.h.duration:0.000009:0.000011|d|@0.25|#env:prod",
    ];
    assert_eq!(texts(&datagrams), expected);
    assert_eq!(dropped(&registry, "unrepresentable"), 1);
}

#[test]
fn an_up_down_counter_is_its_total_and_a_counter_what_was_added() {
    let directory = Directory::new("dogstatsd-totals");
    let place = Place::Datagram(directory.path().join("agent"));
    let received = Received::default();
    let agent = Agent::start(&place, &received);
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let active = registry.up_down_counter("u").register().unwrap();
    let client = client_of(&registry).exporter(plain(place.exporter())).start().unwrap();
    for _ in 0..3 {
        counter.add(5);
        active.add(-4);
        assert!(client.flush(PATIENCE).is_delivered());
    }
    agent.stop();
    let expected = ["c:5|c", "u:-4|g", "c:5|c", "u:-8|g", "c:5|c", "u:-12|g"];
    assert_eq!(texts(&received.all()), expected);
}

#[test]
fn timestamps_are_there_when_asked_for_and_never_the_same() {
    let directory = Directory::new("dogstatsd-times");
    let place = Place::Datagram(directory.path().join("agent"));
    let received = Received::default();
    let agent = Agent::start(&place, &received);
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let histogram = registry.histogram("h").register().unwrap();
    let exporter = plain(place.exporter()).with_timestamps();
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    let before = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for _ in 0..4 {
        counter.increment();
        histogram.record(1);
        assert!(client.flush(PATIENCE).is_delivered());
    }
    agent.stop();
    let all = lines(&received.all());
    let seconds: Vec<u64> =
        all.iter().filter(|line| line.name == "c").map(|line| line.second.unwrap()).collect();
    assert_eq!(seconds.len(), 4);
    assert!(seconds[0] >= before && seconds.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_line_that_fits_into_no_datagram_is_dropped_and_counted() {
    let registry = Arc::new(Registry::new());
    registry.counter("before").register().unwrap().add(1);
    let large = registry.counter("large").label("k", &"v".repeat(190));
    large.label("l", &"v".repeat(190)).register().unwrap().add(2);
    registry.counter("later").register().unwrap().add(3);
    let datagrams = sent(&registry, |it| it.max_datagram_bytes(300));
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 300));
    assert_eq!(texts(&datagrams), ["before:1|c", "later:3|c"]);
    assert_eq!(dropped(&registry, "too_large"), 1);
}

#[test]
fn where_the_process_runs_goes_with_every_line() {
    let directory = Directory::new("dogstatsd-origin");
    let place = Place::Datagram(directory.path().join("agent"));
    let received = Received::default();
    let agent = Agent::start(&place, &received);
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().increment();
    let client = client_of(&registry).exporter(place.exporter()).start().unwrap();
    assert!(client.flush(PATIENCE).is_delivered());
    agent.stop();
    let all = lines(&received.all());
    assert!(all.iter().all(|line| line.container == all[0].container), "{all:?}");
    if let Some(container) = &all[0].container {
        assert!(container.starts_with("ci-") || container.starts_with("in-"), "{container}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z|,#:@ ]{0,20}", "\\PC{0,30}", "[^\0]{0,300}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_recorded_is_read_back(
        labels in prop::collection::vec(any_text(), 1..12),
        counts in prop::collection::vec(1..1_u64 << 50, 12),
        gauge in prop::num::f64::NORMAL,
        values in prop::collection::vec((0..64_u32, any::<u64>(), 1..2_000_u64), 1..200),
        max_bytes in 600..9_000_usize,
    ) {
        let registry = Arc::new(Registry::new());
        let mut total = 0.0;
        for (at, (label, count)) in labels.iter().zip(&counts).enumerate() {
            let series = registry.counter("c").label("value", label).label("at", &at.to_string());
            let registered = series.register();
            prop_assume!(registered.is_ok());
            registered.unwrap().add(*count);
            total += *count as f64;
        }
        registry.gauge("g").register().unwrap().set(gauge);
        let histogram = registry.histogram("h").unit(Unit::Nanoseconds).register().unwrap();
        for &(shift, value, n) in &values {
            histogram.record_n(value >> shift, n);
        }
        let datagrams = sent(&registry, |it| it.max_datagram_bytes(max_bytes));
        let limit = max_bytes;
        prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= limit));
        let known = Known::of(&lines(&datagrams));
        prop_assert_eq!(known.counts.len(), labels.len().min(12));
        prop_assert!((known.count("c") - total).abs() <= total * 1e-15);
        prop_assert_eq!(&known.gauges[&("g".to_owned(), vec![])], &gauge);

        let snapshot = registry.snapshot();
        let recorded = snapshot.histogram("h", &[]).unwrap();
        let read = &known.distributions[&("h".to_owned(), vec![])];
        prop_assert_eq!(known.weight("h"), recorded.count());
        for step in 1..=100 {
            let share = f64::from(step) / 100.0;
            let rank = ((share * recorded.count() as f64).ceil() as u64).clamp(1, recorded.count());
            let value = at_rank(read, rank) * 1e9;
            // The quantile is the bucket's upper bound, and what was sent is its middle.
            let bound = recorded.quantile(share).unwrap() as f64;
            prop_assert!(value <= bound * (1.0 + 1e-12), "{} {} {}", share, value, bound);
            prop_assert!(value >= bound - bound / 128.0 - 1.0, "{} {} {}", share, value, bound);
        }
        // Nobody knows whether its bucket's lower bound is of this interval, so that one is moved.
        let (min, max) = (recorded.min().unwrap(), recorded.max().unwrap());
        let first = recorded.buckets().next().unwrap();
        let middle = first.low + (first.high.min(max) - first.low) / 2;
        let smallest = if min == first.low { middle } else { min };
        prop_assert_eq!(read[0].0, smallest as f64 / 1e9);
    }
}
