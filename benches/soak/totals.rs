//! What is recorded, counted three times: by the program itself, as plain sums; by registries; and
//! by whoever is delivered deltas.

use quipu::{Snapshot, Value};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Names of metrics; sums are kept over all of a metric's series.
pub const NAMES: [&str; 12] = [
    "soak.requests",
    "soak.open",
    "soak.latency",
    "soak.short",
    "soak.short.latency",
    "soak.late",
    "soak.sampled",
    "soak.sampled.latency",
    "soak.users",
    "churn.hits",
    "churn.sizes",
    "churn.full",
];

pub const REQUESTS: usize = 0;
pub const OPEN: usize = 1;
pub const LATENCY: usize = 2;
pub const SHORT: usize = 3;
pub const SHORT_LATENCY: usize = 4;
pub const LATE: usize = 5;
pub const SAMPLED: usize = 6;
pub const SAMPLED_LATENCY: usize = 7;
pub const USERS: usize = 8;
pub const HITS: usize = 9;
pub const SIZES: usize = 10;
pub const FULL: usize = 11;

/// Of the registry that is scraped, and delivered to the faulty collector.
pub const SERVED: Range<usize> = REQUESTS..HITS;
/// Those of them whose series all stay: a snapshot has all that was ever recorded.
pub const STAYING: Range<usize> = REQUESTS..USERS;
/// Of the registry whose series come and go by the thousand.
pub const CHURNED: Range<usize> = HITS..NAMES.len();

/// Of a metric: the sum of a counter, or of a histogram's values beside how many they are. Both
/// wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub values: u64,
    pub sum: u64,
}

/// Totals of all metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals([Total; NAMES.len()]);

impl Totals {
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut totals = Self::default();
        totals.add_all_of(snapshot);
        totals
    }

    pub fn get(&self, metric: usize) -> Total {
        self.0[metric]
    }

    /// Counts what is added to a counter.
    #[inline]
    pub fn count(&mut self, metric: usize, added: u64) {
        let total = &mut self.0[metric];
        total.sum = total.sum.wrapping_add(added);
    }

    /// Counts what is recorded in a histogram.
    #[inline]
    pub fn value(&mut self, metric: usize, value: u64) {
        self.values(metric, Total { values: 1, sum: value });
    }

    pub fn values(&mut self, metric: usize, more: Total) {
        let total = &mut self.0[metric];
        total.values = total.values.wrapping_add(more.values);
        total.sum = total.sum.wrapping_add(more.sum);
    }

    /// Replaces the sum of what is delivered as it stands, and not as what was added.
    pub fn set(&mut self, metric: usize, sum: u64) {
        self.0[metric] = Total { values: 0, sum };
    }

    /// Adds what a delta, or a snapshot, has of these metrics.
    pub fn add_all_of(&mut self, snapshot: &Snapshot) {
        for (descriptor, value) in snapshot.iter() {
            let Some(metric) = metric(descriptor.name()) else { continue };
            match value {
                Value::Counter(count) => self.count(metric, count),
                Value::UpDownCounter(sum) => self.count(metric, sum as u64),
                Value::Histogram(seen) => {
                    self.values(metric, Total { values: seen.count(), sum: seen.sum() });
                }
                _ => {}
            }
        }
    }

    /// Which of `metrics` differ, in words.
    pub fn differences(
        &self,
        recorded: &Self,
        metrics: impl IntoIterator<Item = usize>,
    ) -> Vec<String> {
        let differing = metrics.into_iter().filter(|&at| self.0[at] != recorded.0[at]);
        let words = differing.map(|at| {
            let (is, was) = (self.0[at], recorded.0[at]);
            format!("{}: {is:?} instead of {was:?}", NAMES[at])
        });
        words.collect()
    }
}

pub fn metric(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

/// What was recorded by all threads, in memory that quipu has nothing to do with.
///
/// Relaxed: they are read while nobody records, and the lock that sees to it orders both.
#[derive(Default)]
pub struct Tallies([[AtomicU64; 2]; NAMES.len()]);

impl Tallies {
    /// Adds what a thread has counted for itself, which begins anew.
    pub fn add(&self, own: &mut Totals) {
        for (total, own) in self.0.iter().zip(&mut own.0) {
            let own = std::mem::take(own);
            if own != Total::default() {
                total[0].fetch_add(own.values, Relaxed);
                total[1].fetch_add(own.sum, Relaxed);
            }
        }
    }

    pub fn so_far(&self) -> Totals {
        let mut totals = Totals::default();
        for (total, sum) in totals.0.iter_mut().zip(&self.0) {
            let [values, sum] = [0, 1].map(|at: usize| sum[at].load(Relaxed));
            *total = Total { values, sum };
        }
        totals
    }
}
