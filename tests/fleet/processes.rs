//! Who is in the fleet, and what each records: the same in every run.

use super::truth::Truth;
use fastrand::Rng;
use quipu::{Counter, Histogram, Registry, Unit};

/// Nanoseconds.
const MILLISECOND: f64 = 1e6;

/// What a process records, in this order.
pub struct Process {
    pub number: usize,
    pub values: Vec<u64>,
}

/// The handles of a process.
pub struct Metrics {
    requests: Counter,
    latency: Histogram,
    mixed: Mixed,
}

/// A histogram that is finer in some processes than in others, as after half of a deployment.
enum Mixed {
    One(Histogram<1>),
    Two(Histogram<2>),
    Three(Histogram<3>),
}

/// So many processes: most are much alike, one in twenty is slow, one in ten nearly idle, and one
/// has a few requests that took up to a minute.
pub fn fleet(processes: usize) -> impl Iterator<Item = Process> {
    (0..processes).map(move |number| {
        let mut random = Rng::with_seed(number as u64);
        let mut log_normal = |count: usize, median: f64, deviation: f64| -> Vec<u64> {
            let normal = || {
                // Box and Muller's transformation of two uniform numbers.
                let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
                radius * (std::f64::consts::TAU * random.f64()).cos()
            };
            let values = std::iter::repeat_with(normal);
            values.take(count).map(|it| (median * (deviation * it).exp()) as u64).collect()
        };
        let values = match number % 20 {
            7 => log_normal(400, 80.0 * MILLISECOND, 0.7),
            3 | 13 => log_normal(number / 10 % 3, MILLISECOND, 0.8),
            _ => {
                let median = 0.5 + (number % 17) as f64 / 10.0;
                let mut values = log_normal(500, median * MILLISECOND, 0.8);
                if number == processes / 2 {
                    values.extend((1..=6).map(|tens| tens * 10_000_000_019));
                }
                values
            }
        };
        Process { number, values }
    })
}

/// What a fleet of so many processes recorded.
pub fn truth(processes: usize) -> Truth {
    Truth::of(fleet(processes).map(|process| process.values))
}

impl Process {
    pub fn register(&self, registry: &Registry) -> Metrics {
        let mixed = || registry.histogram("latency.mixed").unit(Unit::Nanoseconds);
        let mixed = match self.number % 3 {
            0 => Mixed::One(mixed().significant_digits::<1>().register().unwrap()),
            1 => Mixed::Two(mixed().register().unwrap()),
            _ => Mixed::Three(mixed().significant_digits::<3>().register().unwrap()),
        };
        let latency = registry.histogram("latency").unit(Unit::Nanoseconds);
        Metrics {
            requests: registry.counter("requests").register().unwrap(),
            latency: latency.register().unwrap(),
            mixed,
        }
    }

    /// What it records until its first export, and after that.
    pub fn halves(&self) -> [&[u64]; 2] {
        let (first, second) = self.values.split_at(self.values.len() / 2);
        [first, second]
    }
}

impl Metrics {
    pub fn record(&self, values: &[u64]) {
        for &value in values {
            self.requests.increment();
            self.latency.record(value);
            match &self.mixed {
                Mixed::One(histogram) => histogram.record(value),
                Mixed::Two(histogram) => histogram.record(value),
                Mixed::Three(histogram) => histogram.record(value),
            }
        }
    }
}
