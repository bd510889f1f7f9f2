//! Snapshots: what all series held at a moment, as immutable data.
//!
//! A collector adds the cells up; it never waits for a writer, nor makes one wait. Collections of a
//! registry are ordered among themselves by the collector's lock, which is what makes a later
//! snapshot show at least what an earlier one did: each cell only grows, and a load that happens
//! after another one never returns an older value.
#![forbid(unsafe_code)]

mod catalog;
mod collector;
mod delta;
mod histogram;
mod order;

pub use histogram::{Bucket, HistogramSnapshot};

pub(crate) use catalog::{Catalog, Followed, Step};
pub(crate) use collector::Collector;

use crate::buckets::Row;
use crate::metric::UNSET_GAUGE;
use crate::series::{Descriptor, Kind};
use crate::store::recording_since;
use histogram::HistogramTotals;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// What all series of a registry held at a moment; from [`Registry::snapshot`](crate::Registry).
///
/// Owned and immutable: it can be kept, sent and read at leisure. Values are totals since the
/// process began to record, or those of an interval if it comes from [`delta`](Self::delta).
///
/// A histogram is consistent with itself: its count is the sum of its buckets. Its sum may differ
/// from the buckets by records in flight at that instant, and so may two series from each other;
/// such differences are gone in the next snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    catalog: Arc<Catalog>,
    /// One word for each series: a count, the bits of a gauge, or an index into `histograms`.
    values: Vec<u64>,
    histograms: Vec<HistogramTotals>,
    /// The buckets of all histograms, each a range of these, in rows that hold something.
    rows: Vec<Row>,
    taken: Moment,
    since: Moment,
    sequence: u64,
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) time: SystemTime,
    pub(crate) at: Instant,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { time: SystemTime::now(), at: Instant::now() }
    }

    fn of_first_record() -> Self {
        let (time, at) = recording_since();
        Self { time, at }
    }
}

impl Snapshot {
    /// The count of a counter, if it exists. Labels may be given in any order.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        match self.value(name, labels)? {
            Value::Counter(count) => Some(count),
            _ => None,
        }
    }

    /// The sum of an up-down counter, if it exists.
    pub fn up_down_counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<i64> {
        match self.value(name, labels)? {
            Value::UpDownCounter(sum) => Some(sum),
            _ => None,
        }
    }

    /// The reading of a gauge, if it exists and was set.
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        match self.value(name, labels)? {
            Value::Gauge(reading) => Some(reading),
            _ => None,
        }
    }

    /// The distribution of a histogram, if it exists.
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<HistogramSnapshot<'_>> {
        match self.value(name, labels)? {
            Value::Histogram(histogram) => Some(histogram),
            _ => None,
        }
    }

    /// The value of a series of any kind; `None` if there is none, or for a gauge never set.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<Value<'_>> {
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        self.value_at(self.catalog.position(name, &labels)?)
    }

    /// All series and their values, by name and then by labels; gauges never set are left out.
    ///
    /// The first call, or look-up of a series, after series were registered puts them in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Descriptor, Value<'_>)> {
        let positions = self.catalog.sorted().iter().map(|&at| at as usize);
        positions.filter_map(|at| Some((self.catalog.get(at), self.value_at(at)?)))
    }

    /// The series from a place on, in the same order, each with its place.
    #[cfg(any(feature = "datadog", feature = "dogstatsd", feature = "sentry", feature = "statsd"))]
    pub(crate) fn iter_from(
        &self,
        place: usize,
    ) -> impl Iterator<Item = (usize, &Descriptor, Value<'_>)> {
        let places = self.catalog.sorted().iter().enumerate().skip(place);
        places.filter_map(|(place, &at)| {
            let at = at as usize;
            Some((place, self.catalog.get(at), self.value_at(at)?))
        })
    }

    /// How many series the registry had.
    pub fn len(&self) -> usize {
        self.catalog.len()
    }

    /// Whether the registry had no series.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When it was taken, by the system's clock, which may be set back. What happened before, in
    /// the sense of a join or another synchronisation, is in it.
    pub fn time(&self) -> SystemTime {
        self.taken.time
    }

    /// When it was taken, by the monotonic clock.
    pub fn instant(&self) -> Instant {
        self.taken.at
    }

    /// When its counts began: when the process first used quipu, or was forked after that, or for
    /// a [`delta`](Self::delta) when the earlier snapshot was taken.
    pub fn since(&self) -> SystemTime {
        self.since.time
    }

    /// Its number among the snapshots of its registry, from 1.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What changed since `earlier`, which is of the same registry.
    ///
    /// Counters, up-down counters and histograms are what was added in between; a gauge is its
    /// reading of now. The `min` and `max` of a histogram are exact if they are new extremes, and
    /// otherwise as precise as its buckets. A series that `earlier` does not have is there in whole,
    /// and so is everything if `earlier` is of the process that this one was forked from; an
    /// `earlier` that is not earlier leaves nothing.
    ///
    /// Cost: one pass over both, and one allocation for each kind of data.
    pub fn delta(&self, earlier: &Snapshot) -> Snapshot {
        delta::between(earlier, self, None)
    }

    /// The same, into the buffers of a snapshot that is not needed any more.
    pub(crate) fn delta_into(&self, earlier: &Snapshot, buffers: Option<Snapshot>) -> Snapshot {
        delta::between(earlier, self, buffers)
    }

    /// Whether it is of this process, and not of the one that this one was forked from.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.since.at == recording_since().1
    }

    /// The time that its counts were made in, by the monotonic clock: since the process first used
    /// quipu, or of a [`delta`](Self::delta) since the earlier snapshot.
    pub fn interval(&self) -> Duration {
        self.taken.at.saturating_duration_since(self.since.at)
    }

    fn value_at(&self, at: usize) -> Option<Value<'_>> {
        let value = self.values[at];
        Some(match self.catalog.get(at).kind() {
            Kind::Counter => Value::Counter(value),
            Kind::UpDownCounter => Value::UpDownCounter(value as i64),
            Kind::Gauge if Self::is_unset(value) => return None,
            Kind::Gauge => Value::Gauge(f64::from_bits(value)),
            Kind::Histogram => Value::Histogram(self.histogram_at(at)),
        })
    }

    fn totals_at(&self, at: usize) -> &HistogramTotals {
        &self.histograms[self.values[at] as usize]
    }

    /// Which series it is about.
    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The count or sum of the series at a position of the catalog, or the bits of a gauge's reading.
    pub(crate) fn word_at(&self, at: usize) -> u64 {
        self.values[at]
    }

    /// Whether such a word is that of a gauge never set.
    pub(crate) fn is_unset(word: u64) -> bool {
        word == UNSET_GAUGE
    }

    /// The distribution of the series at a position of the catalog, which is a histogram.
    pub(crate) fn histogram_at(&self, at: usize) -> HistogramSnapshot<'_> {
        let totals = self.totals_at(at);
        let digits = self.catalog.get(at).significant_digits();
        HistogramSnapshot::new(digits, totals, &self.rows[totals.rows.clone()])
    }
}

/// What a series held.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A counter's count.
    Counter(u64),
    /// An up-down counter's sum.
    UpDownCounter(i64),
    /// A gauge's reading.
    Gauge(f64),
    /// A histogram's distribution.
    Histogram(HistogramSnapshot<'a>),
}
