//! Whatever is registered and recorded, a reader of DogStatsD knows from the lines what the snapshot
//! says: each series apart, each count and weight exact.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quipu::{Client, DogStatsd, Registry, Value};
use quipu_fuzz::agent::{
    Agent,
    reading::{Known, lines},
};
use quipu_fuzz::exposition::Input;
use quipu_fuzz::exposition::metrics::Metric;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static AGENT: LazyLock<Agent> = LazyLock::new(Agent::start);

fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

fuzz_target!(|input: (u16, Vec<Input>)| {
    let (max_bytes, metrics) = input;
    let registry = Arc::new(Registry::new());
    metrics.into_iter().map(Metric::from).for_each(|metric| metric.add_to(&registry));
    let snapshot = registry.snapshot();

    let exporter = DogStatsd::unix_datagram(AGENT.path()).unwrap().without_telemetry();
    // A line of 255 tags that are as long as they may be would fit into none.
    let exporter = exporter.max_datagram_bytes(20_000 + usize::from(max_bytes) % 40_000);
    let client = Client::builder().registry(registry.clone()).exporter(exporter).start().unwrap();
    let report = client.stop(Duration::from_secs(60));
    assert!(report.is_delivered(), "{report}");
    let known = Known::of(&lines(&AGENT.received()));

    let (mut counts, mut gauges, mut weights) = (Vec::new(), 0, Vec::new());
    for (_, value) in snapshot.iter() {
        match value {
            Value::Counter(0) => {}
            Value::Counter(count) => counts.push(count),
            Value::Gauge(reading) => gauges += usize::from(reading.is_finite()),
            Value::UpDownCounter(_) => gauges += 1,
            Value::Histogram(values) if values.count() != 0 => weights.push(values.count() as f64),
            _ => {}
        }
    }
    assert_eq!(known.counts.len(), counts.len());
    assert_eq!(known.gauges.len(), gauges);
    let weight_of = |values: &Vec<(f64, u64)>| values.iter().map(|(_, n)| n).sum::<u64>() as f64;
    let read = sorted(known.distributions.values().map(weight_of));
    assert_eq!(read, sorted(weights.into_iter()));
});
