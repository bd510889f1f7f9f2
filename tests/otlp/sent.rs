//! Whatever is registered and recorded, requests say what snapshots say.

use super::collector::Collector;
use super::metrics::Metric;
use super::{client, dropped, flush, oracle, otlp, strategies, sum_of};
use proptest::prelude::*;
use quipu::{Registry, Snapshot, Temporality};
use std::sync::Arc;

fn check(rounds: &[Vec<Metric>], temporality: Temporality) {
    let registry = Arc::new(Registry::new());
    let collector = Collector::start();
    let client = client(&registry, otlp(&collector).temporality(temporality));
    let mut before: Option<Arc<Snapshot>> = None;
    for metrics in rounds {
        metrics.iter().for_each(|metric| metric.add_to(&registry));
        let (requests, snapshot) = flush(&client, &registry, &collector);
        match (temporality, before) {
            (Temporality::Delta, Some(before)) => {
                oracle::check(&requests, &snapshot, Some(&snapshot.delta(&before)));
            }
            (Temporality::Delta, None) => oracle::check(&requests, &snapshot, Some(&snapshot)),
            _ => oracle::check(&requests, &snapshot, None),
        }
        before = Some(snapshot);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn totals_say_what_the_snapshot_says(
        rounds in prop::collection::vec(strategies::metrics(), 1..3),
    ) {
        check(&rounds, Temporality::Cumulative);
    }

    #[test]
    fn deltas_say_what_changed(rounds in prop::collection::vec(strategies::metrics(), 1..4)) {
        check(&rounds, Temporality::Delta);
    }
}

#[test]
fn deltas_add_up_to_the_total() {
    let registry = Arc::new(Registry::new());
    let collector = Collector::start();
    let client = client(&registry, otlp(&collector).temporality(Temporality::Delta));
    let counter = registry.counter("c").register().unwrap();
    let up_down = registry.up_down_counter("u").register().unwrap();
    let (mut sum, mut times) = (0, Vec::new());
    for n in 0..5 {
        counter.add(n);
        up_down.add(-2);
        let (requests, _) = flush(&client, &registry, &collector);
        sum += sum_of(&requests, "c");
        assert_eq!(sum_of(&requests, "u"), -2 * (n as i64 + 1), "it stays a total");
        let metrics = requests.iter().flat_map(|request| &request.metrics);
        let point = metrics.filter(|metric| metric.name == "c").flat_map(|metric| &metric.points);
        times.extend(point.map(|point| (point.start.unwrap(), point.time)));
    }
    assert_eq!(sum, 1 + 2 + 3 + 4);
    // The first one changed nothing, so that its points were left out.
    assert_eq!(times.len(), 4);
    assert!(times.windows(2).all(|pair| pair[0].1 == pair[1].0), "{times:?}");
}

#[test]
fn gauges_that_are_no_numbers_are_dropped_and_counted() {
    let registry = Arc::new(Registry::new());
    let collector = Collector::start();
    let client = client(&registry, otlp(&collector));
    registry.gauge("never").register().unwrap();
    registry.gauge("nan").register().unwrap().set(f64::NAN);
    registry.gauge("infinite").register().unwrap().set(f64::NEG_INFINITY);
    registry.gauge("fine").register().unwrap().set(1.0);
    let (requests, snapshot) = flush(&client, &registry, &collector);
    oracle::check(&requests, &snapshot, None);
    assert_eq!(dropped(&registry, "unrepresentable"), 2);
}
