//! quipu: a handle for each, that of one of its label sets computed.
#![forbid(unsafe_code)]

use super::inputs::{repeat, with_indices, with_latencies};
use super::{Instrument, MANY, Offer, Operation};
use quipu::{Counter, Histogram, Registry, SmallInt, TypedFamily, Value};
use std::sync::Arc;

type Requests = TypedFamily<Counter, (SmallInt<4>, SmallInt<8>)>;

pub fn offer(operation: Operation, _turn: usize) -> Offer {
    let registry = Arc::new(Registry::new());
    let read = registry.clone();
    let count = move || total(&read);
    let counter = |name: &str| registry.counter(name).register().expect("an empty registry");
    let histogram =
        || -> Histogram { registry.histogram("duration").register().expect("an empty registry") };
    Ok(match operation {
        Operation::Counter => {
            let counter = counter("requests");
            Instrument::new(move |_, times| repeat(times, || counter.increment()), count)
        }
        Operation::OneOfMany => {
            let all: Vec<_> = (0..MANY).map(|at| counter(&format!("requests.{at}"))).collect();
            let work = move |_, times| with_indices(times, |at| all[at].increment());
            Instrument::new(work, count)
        }
        Operation::Gauge => {
            let gauge = registry.gauge("load").register().expect("an empty registry");
            // What is set is in a register, as with all.
            Instrument::uncounted(move |_, times| repeat(times, || gauge.set(0.5)))
        }
        Operation::Histogram => {
            let histogram = histogram();
            let work =
                move |_, times| with_latencies(times, |latency_ns| histogram.record(latency_ns));
            Instrument::new(work, count).note("within 0.8 %, exact sum, min and max")
        }
        Operation::TimedSection => {
            let histogram = histogram();
            let work = move |_, times| repeat(times, || drop(histogram.start()));
            Instrument::new(work, count).note("within 0.8 %, exact sum, min and max")
        }
        Operation::TypedLabels => {
            let family = registry.counter("requests").typed_family(["method", "route"]);
            let family: Requests = family.register().expect("an empty registry");
            let value = |index: usize| (SmallInt::new(index % 4), SmallInt::new(index / 4 % 8));
            let work = move |_, times| {
                with_indices(times, |index| family.with(value(index)).increment());
            };
            Instrument::new(work, count)
        }
    })
}

fn total(registry: &Registry) -> u64 {
    let snapshot = registry.snapshot();
    let counts = snapshot.iter().map(|(_, value)| match value {
        Value::Counter(count) => count,
        Value::Histogram(histogram) => histogram.count(),
        _ => 0,
    });
    counts.sum()
}
