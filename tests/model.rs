//! Random sequences of operations against a model that is plainly right: maps of numbers, and
//! `hdrhistogram` for the distributions.
#![cfg(not(loom))]

use hdrhistogram::Histogram as Hdr;
use proptest::prelude::*;
use quipu::{Counter, Gauge, Histogram, HistogramSnapshot, Registry, Snapshot, UpDownCounter};
use quipu::{RegisterError, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name and labels, the labels sorted by their keys.
type Key = (String, Vec<(String, String)>);

/// What a series holds, as the model knows it.
#[derive(Clone, Debug, PartialEq)]
enum Modelled {
    Count(u64),
    Sum(i64),
    Reading(Option<u64>),
    Distribution(Distribution),
}

#[derive(Clone, Debug, PartialEq)]
struct Distribution {
    hdr: Hdr<u64>,
    sum: u64,
    extremes: Option<(u64, u64)>,
}

impl Distribution {
    fn new(digits: u8) -> Self {
        let hdr = Hdr::new_with_bounds(1, u64::MAX, digits).unwrap();
        Self { hdr, sum: 0, extremes: None }
    }

    fn record(&mut self, value: u64, n: u64) {
        if n > 0 {
            self.hdr.record_n(value, n).unwrap();
            self.sum = self.sum.wrapping_add(value.wrapping_mul(n));
            let (min, max) = self.extremes.unwrap_or((value, value));
            self.extremes = Some((min.min(value), max.max(value)));
        }
    }

    /// The definition of HdrHistogram's correction, value by value.
    fn record_corrected(&mut self, value: u64, interval: u64) {
        self.record(value, 1);
        let mut missing = value.saturating_sub(interval);
        while interval > 0 && missing >= interval {
            self.record(missing, 1);
            missing -= interval;
        }
    }

    fn assert_is(&self, seen: HistogramSnapshot<'_>) {
        assert_eq!((seen.count(), seen.sum()), (self.hdr.len(), self.sum));
        assert_eq!(seen.min().zip(seen.max()), self.extremes);
        assert!(seen.to_hdr() == self.hdr, "to_hdr differs");
        let buckets = self.hdr.iter_recorded();
        let buckets: Vec<_> = buckets
            .map(|step| (self.hdr.lowest_equivalent(step.value_iterated_to()), step))
            .map(|(low, step)| (low, step.count_since_last_iteration()))
            .collect();
        assert_eq!(seen.buckets().map(|b| (b.low, b.count)).collect::<Vec<_>>(), buckets);
    }
}

/// A handle of any kind.
#[derive(Clone)]
enum Handle {
    Counter(Counter),
    UpDownCounter(UpDownCounter),
    Gauge(Gauge),
    Coarse(Histogram<1>),
    Histogram(Histogram),
    Fine(Histogram<3>),
}

/// The series of the tests; the kind comes from the name.
const NAMES: [&str; 7] = ["counter", "up_down", "gauge", "coarse", "medium", "fine", "shared"];
const LABELS: [&[(&str, &str)]; 3] =
    [&[], &[("a", "1"), ("b", "\n")], &[("b", "\n"), ("a", "2"), ("_c", "ä")]];

fn register(registry: &Registry, name: &str, labels: &[(&str, &str)]) -> Handle {
    macro_rules! labelled {
        ($builder:expr) => {
            labels.iter().fold($builder, |builder, (key, value)| builder.label(key, value))
        };
    }
    let histogram = labelled!(registry.histogram(name));
    let handle = || -> Result<Handle, RegisterError> {
        Ok(match name {
            "counter" => Handle::Counter(labelled!(registry.counter(name)).register()?),
            "up_down" => {
                Handle::UpDownCounter(labelled!(registry.up_down_counter(name)).register()?)
            }
            "gauge" => Handle::Gauge(labelled!(registry.gauge(name)).register()?),
            "coarse" => Handle::Coarse(histogram.significant_digits::<1>().register()?),
            "fine" => Handle::Fine(histogram.significant_digits::<3>().register()?),
            "shared" => Handle::Histogram(histogram.shared().register()?),
            _ => Handle::Histogram(histogram.register()?),
        })
    };
    handle().unwrap()
}

impl Handle {
    fn model(&self) -> Modelled {
        match self {
            Handle::Counter(_) => Modelled::Count(0),
            Handle::UpDownCounter(_) => Modelled::Sum(0),
            Handle::Gauge(_) => Modelled::Reading(None),
            Handle::Coarse(_) => Modelled::Distribution(Distribution::new(1)),
            Handle::Histogram(_) => Modelled::Distribution(Distribution::new(2)),
            Handle::Fine(_) => Modelled::Distribution(Distribution::new(3)),
        }
    }

    /// Records `value` in the way that `n` chooses; the model does the same.
    fn record(&self, value: u64, n: u64) {
        fn distribution<const DIGITS: u8>(histogram: &Histogram<DIGITS>, value: u64, n: u64) {
            match n {
                1 => histogram.record(value),
                2.. => histogram.record_n(value, n),
                0 => histogram.record_corrected(value, value / 5),
            }
        }
        match self {
            Handle::Counter(counter) if value == 1 => counter.increment(),
            Handle::Counter(counter) => counter.add(value),
            Handle::UpDownCounter(counter) => counter.add(value as i64),
            Handle::Gauge(gauge) => gauge.set(value as f64),
            Handle::Coarse(histogram) => distribution(histogram, value, n),
            Handle::Histogram(histogram) => distribution(histogram, value, n),
            Handle::Fine(histogram) => distribution(histogram, value, n),
        }
    }
}

impl Modelled {
    fn record(&mut self, value: u64, n: u64) {
        match self {
            Modelled::Count(count) => *count = count.wrapping_add(value),
            Modelled::Sum(sum) => *sum = sum.wrapping_add(value as i64),
            Modelled::Reading(reading) => *reading = Some((value as f64).to_bits()),
            Modelled::Distribution(distribution) if n == 0 => {
                distribution.record_corrected(value, value / 5);
            }
            Modelled::Distribution(distribution) => distribution.record(value, n),
        }
    }
}

fn assert_is(snapshot: &Snapshot, model: &BTreeMap<Key, Modelled>) {
    let exported = model.iter().filter(|(_, value)| **value != Modelled::Reading(None));
    let mut series = snapshot.iter();
    for ((key, expected), (descriptor, value)) in exported.zip(&mut series) {
        let (name, labels) = key;
        assert_eq!(descriptor.name(), name);
        let own = descriptor.labels().map(|label| (label.key(), label.value()));
        let labels: Vec<_> = labels.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(own.collect::<Vec<_>>(), labels, "sorted, and in the order of a map");
        let shuffled: Vec<_> = labels.iter().rev().copied().collect();
        assert!(snapshot.value(name, &shuffled).is_some());
        match (expected, value) {
            (Modelled::Count(count), Value::Counter(seen)) => {
                assert_eq!((*count, snapshot.counter(name, &shuffled)), (seen, Some(*count)));
            }
            (Modelled::Sum(sum), Value::UpDownCounter(seen)) => {
                assert_eq!((*sum, snapshot.up_down_counter(name, &shuffled)), (seen, Some(*sum)));
            }
            (Modelled::Reading(Some(bits)), Value::Gauge(seen)) => {
                assert_eq!(*bits, seen.to_bits());
                assert!(snapshot.gauge(name, &shuffled).is_some());
            }
            (Modelled::Distribution(expected), Value::Histogram(seen)) => {
                expected.assert_is(seen);
                let found = snapshot.histogram(name, &shuffled).map(|found| found.count());
                assert_eq!(found, Some(seen.count()));
            }
            (expected, seen) => panic!("{name}: {expected:?} as {seen:?}"),
        }
    }
    assert_eq!(series.count(), 0, "series that the model does not have");
    assert_eq!(snapshot.len(), model.len());
}

/// What is added up when deltas are: numbers for each series, by bucket for a histogram.
fn additive(snapshot: &Snapshot) -> BTreeMap<Key, BTreeMap<u64, u64>> {
    let labels = |label: quipu::Label<'_>| (label.key().to_owned(), label.value().to_owned());
    let of = |value: Value<'_>| match value {
        Value::Counter(count) => BTreeMap::from([(0, count)]),
        Value::UpDownCounter(sum) => BTreeMap::from([(0, sum as u64)]),
        Value::Histogram(seen) => {
            assert_eq!(seen.count(), seen.buckets().map(|bucket| bucket.count).sum::<u64>());
            let sum = [(u64::MAX, seen.sum())];
            seen.buckets().map(|bucket| (bucket.low, bucket.count)).chain(sum).collect()
        }
        // The last reading, which is no sum.
        _ => BTreeMap::new(),
    };
    let key = |series: &quipu::Descriptor| {
        (series.name().to_owned(), series.labels().map(labels).collect())
    };
    snapshot.iter().map(|(series, value)| (key(series), of(value))).collect()
}

/// Zeroes left out: an empty bucket is none.
fn sum_of(parts: &[&Snapshot]) -> BTreeMap<(Key, u64), u64> {
    let mut sum = BTreeMap::new();
    for (key, numbers) in parts.iter().flat_map(|part| additive(part)) {
        for (at, number) in numbers {
            let total: &mut u64 = sum.entry((key.clone(), at)).or_default();
            *total = total.wrapping_add(number);
        }
    }
    sum.retain(|_, number| *number != 0);
    sum
}

#[derive(Clone, Debug)]
enum Operation {
    Register(usize, usize),
    Record { series: usize, value: u64, n: u64, elsewhere: bool },
    Clone(usize),
    Drop(usize),
    Snapshot,
}

/// Small values, and values of all magnitudes.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![0..5_u64, 0..2_000_u64, (any::<u64>(), 0..64_u32).prop_map(|(n, by)| n >> by)]
}

fn operation() -> impl Strategy<Value = Operation> {
    let record = (any::<usize>(), value(), 0..4_u64, prop::bool::weighted(0.1));
    prop_oneof![
        3 => (0..NAMES.len(), 0..LABELS.len()).prop_map(|(name, at)| Operation::Register(name, at)),
        12 => record.prop_map(|(series, value, n, elsewhere)| {
            Operation::Record { series, value, n, elsewhere }
        }),
        1 => any::<usize>().prop_map(Operation::Clone),
        1 => any::<usize>().prop_map(Operation::Drop),
        2 => Just(Operation::Snapshot),
    ]
}

fn key(name: &str, labels: &[(&str, &str)]) -> Key {
    let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string()));
    let mut labels: Vec<_> = labels.collect();
    labels.sort();
    (name.to_owned(), labels)
}

fn run(operations: Vec<Operation>) {
    let registry = Registry::new();
    let mut model = BTreeMap::<Key, Modelled>::new();
    let mut handles = Vec::<(Key, Handle)>::new();
    let mut snapshots = vec![registry.snapshot()];
    for operation in operations.into_iter().chain([Operation::Snapshot]) {
        let held = handles.len();
        match operation {
            Operation::Register(name, labels) => {
                let (name, labels) = (NAMES[name], LABELS[labels]);
                let handle = register(&registry, name, labels);
                model.entry(key(name, labels)).or_insert_with(|| handle.model());
                handles.push((key(name, labels), handle));
            }
            Operation::Record { series, value, n, elsewhere } if held > 0 => {
                let (key, handle) = &handles[series % held];
                model.get_mut(key).unwrap().record(value, n);
                if elsewhere {
                    let handle = handle.clone();
                    std::thread::spawn(move || handle.record(value, n)).join().unwrap();
                } else {
                    handle.record(value, n);
                }
            }
            Operation::Clone(series) if held > 0 => handles.push(handles[series % held].clone()),
            Operation::Drop(series) if held > 0 => drop(handles.swap_remove(series % held)),
            Operation::Snapshot => {
                snapshots.push(registry.snapshot());
                assert_is(&snapshots[snapshots.len() - 1], &model);
            }
            _ => {}
        }
    }
    assert_deltas_add_up(&snapshots);
}

fn assert_deltas_add_up(snapshots: &[Arc<Snapshot>]) {
    let (first, last) = (&snapshots[0], &snapshots[snapshots.len() - 1]);
    let deltas: Vec<Snapshot> = snapshots.windows(2).map(|two| two[1].delta(&two[0])).collect();
    let all = last.delta(first);
    assert_eq!(sum_of(&deltas.iter().collect::<Vec<_>>()), sum_of(&[&all]));
    for (before, delta) in snapshots.iter().zip(&deltas) {
        let after = &snapshots[before.sequence() as usize];
        assert_eq!(sum_of(&[before, delta]), sum_of(&[after]));
        assert!(sum_of(&[&before.delta(after)]).is_empty(), "there is nothing new in the past");
        assert!(sum_of(&[&before.delta(before)]).is_empty());
    }
}

fn config(cases: u32) -> ProptestConfig {
    let cases = if cfg!(miri) { 2 } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn snapshots_and_deltas_are_those_of_the_model(
        operations in prop::collection::vec(operation(), 1..150),
    ) {
        run(operations);
    }
}
