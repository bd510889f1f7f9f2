//! What a delivery to an OpenTelemetry collector allocates: its head, and nothing for its series.
#![cfg(all(feature = "otlp", not(loom)))]
#![allow(unsafe_code)]

#[allow(dead_code, reason = "other tests ask more of it")]
#[path = "otlp/collector.rs"]
mod collector;
mod counting;

use collector::Collector;
use counting::ALL_ALLOCATIONS;
use quipu::{Client, Counter, Histogram, Otlp, Registry, Temporality};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const DELIVERIES: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(60);

/// Allocations of a delivery of as many series, all of which changed; the collector's are among them.
fn allocations(series: usize, temporality: Temporality) -> u64 {
    let registry = Arc::new(Registry::new());
    let counters: Vec<Counter> = (0..series)
        .map(|number| registry.counter("c").label("number", &number.to_string()).register())
        .collect::<Result<_, _>>()
        .unwrap();
    let histogram: Histogram = registry.histogram("h").register().unwrap();
    let collector = Collector::start();
    let otlp = Otlp::new(&collector.endpoint()).unwrap().temporality(temporality);
    let client = Client::builder().registry(registry).flush_interval(PATIENCE).exporter(otlp);
    let client = client.start().unwrap();
    let deliver = || {
        counters.iter().for_each(Counter::increment);
        histogram.record(1_000);
        assert!(client.flush(PATIENCE).is_delivered());
        let received = collector.take();
        assert!(received.len() == 1 && received[0].length > series * 30);
    };
    (0..20).for_each(|_| deliver());
    let before = ALL_ALLOCATIONS.load(Relaxed);
    (0..DELIVERIES).for_each(|_| deliver());
    (ALL_ALLOCATIONS.load(Relaxed) - before) / DELIVERIES
}

#[test]
#[cfg_attr(miri, ignore = "has connections")]
fn a_delivery_allocates_nothing_for_its_series() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let (few, many) = (allocations(10, temporality), allocations(5_000, temporality));
        println!("{temporality:?}: {few} allocations for 10 series, {many} for 5,000");
        assert!(many <= few + 20, "{few} for 10 series, {many} for 5,000");
        assert!(many <= 300, "{many} for a delivery");
    }
}
