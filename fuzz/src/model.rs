//! A registry to work on, and a plain model of it.

use hdrhistogram::Histogram as Hdr;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use quipu::{Counter, Gauge, Histogram, HistogramSnapshot, Registry, Snapshot, UpDownCounter};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What can be recorded.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Record {
    Add(u64),
    Change(i64),
    Set(f64),
    Value(u64),
    Values(u64, u16),
    Corrected(u64, u64),
}

/// A handle of each kind.
pub struct Handles {
    counter: Counter,
    level: UpDownCounter,
    gauge: Gauge,
    values: Histogram,
}

impl Handles {
    pub fn register(registry: &Registry) -> Self {
        Self {
            counter: registry.counter("counter").register().unwrap(),
            level: registry.up_down_counter("level").register().unwrap(),
            gauge: registry.gauge("gauge").register().unwrap(),
            values: registry.histogram("values").register().unwrap(),
        }
    }

    pub fn record(&self, record: Record) {
        match record {
            Record::Add(n) => self.counter.add(n),
            Record::Change(n) => self.level.add(n),
            Record::Set(reading) => self.gauge.set(reading),
            Record::Value(value) => self.values.record(value),
            Record::Values(value, n) => self.values.record_n(value, n.into()),
            Record::Corrected(value, interval) => {
                self.values.record_corrected(value, few_steps(value, interval));
            }
        }
    }
}

/// The interval, or one that does not keep the model busy for minutes.
fn few_steps(value: u64, interval: u64) -> u64 {
    if interval == 0 { 0 } else { interval.max(value >> 8) }
}

/// What was recorded, in the obvious way.
#[derive(Debug, Default)]
pub struct Model {
    count: u64,
    level: i64,
    reading: Option<f64>,
    /// How often each value occurred.
    values: BTreeMap<u64, u64>,
}

impl Model {
    pub fn record(&mut self, record: Record) {
        match record {
            Record::Add(n) => self.count = self.count.wrapping_add(n),
            Record::Change(n) => self.level = self.level.wrapping_add(n),
            // The bits that `Gauge::set` documents as "never set".
            Record::Set(reading) => {
                self.reading = Some(reading).filter(|r| r.to_bits() != 0x7ff4_7175_6970_7500);
            }
            Record::Value(value) => self.values(value, 1),
            Record::Values(value, n) => self.values(value, n.into()),
            Record::Corrected(value, interval) => {
                let interval = few_steps(value, interval);
                self.values(value, 1);
                let mut missing = value;
                while interval != 0 && missing >= interval && missing - interval >= interval {
                    missing -= interval;
                    self.values(missing, 1);
                }
            }
        }
    }

    fn values(&mut self, value: u64, n: u64) {
        if n != 0 {
            *self.values.entry(value).or_default() += n;
        }
    }

    /// The model of what is recorded from now on: a gauge keeps its reading.
    pub fn next_interval(&self) -> Self {
        Self { reading: self.reading, ..Self::default() }
    }

    /// Fails unless `snapshot` holds this model, a part of all that was `ever` recorded.
    pub fn check(&self, snapshot: &Snapshot, ever: &Model) {
        assert_eq!(snapshot.counter("counter", &[]), Some(self.count));
        assert_eq!(snapshot.up_down_counter("level", &[]), Some(self.level));
        let bits = |reading: Option<f64>| reading.map(f64::to_bits);
        assert_eq!(bits(snapshot.gauge("gauge", &[])), bits(self.reading));
        self.check_histogram(snapshot.histogram("values", &[]).unwrap(), ever);
    }

    fn check_histogram(&self, seen: HistogramSnapshot, ever: &Model) {
        let mut buckets = BTreeMap::<u64, u64>::new();
        let mut sum = 0_u64;
        for (&value, &n) in &self.values {
            *buckets.entry(low(value)).or_default() += n;
            sum = sum.wrapping_add(value.wrapping_mul(n));
        }
        assert!(seen.buckets().map(|bucket| (bucket.low, bucket.count)).eq(buckets));
        assert_eq!((seen.count(), seen.sum()), (self.values.values().sum(), sum));

        // Exact if no other interval had a more extreme value, otherwise inside the same bucket.
        let ends = |model: &Model| {
            let mut values = model.values.keys().copied();
            (values.clone().next(), values.next_back())
        };
        let ((min, max), (least, most)) = (ends(self), ends(ever));
        assert_eq!((seen.min().map(low), seen.max().map(low)), (min.map(low), max.map(low)));
        assert!(seen.min() <= min && seen.max() >= max);
        assert!(min != least || seen.min() == min);
        assert!(max != most || seen.max() == max);
    }
}

/// The smallest value in the bucket of `value`, at two significant digits.
fn low(value: u64) -> u64 {
    static HDR: LazyLock<Hdr<u64>> =
        LazyLock::new(|| Hdr::new_with_bounds(1, u64::MAX, 2).unwrap());
    HDR.lowest_equivalent(value)
}
