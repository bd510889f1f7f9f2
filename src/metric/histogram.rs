//! The distribution of values.
#![forbid(unsafe_code)]

use super::Counter;
use super::timer::{SampledTimer, Timer};
use crate::buckets::{Layout, Row};
use crate::store::{
    Distribution, Exhausted, Place, Reader, Records, Shard, Store, ThisThread, Totals,
};
use crate::sync::Arc;
use std::num::NonZeroU32;
use std::time::Duration;

/// A distribution of values from 0 to `u64::MAX`: latencies, sizes.
///
/// The buckets are HdrHistogram's for `DIGITS` significant decimal digits, 1 to 3: with 2, the
/// default, a bucket is at most 0.8 % wide. Nothing is out of range and nothing saturates. `sum`,
/// `min` and `max` are exact.
///
/// Each thread has buckets of its own, and memory is committed only for pages that hold values: for
/// typical latencies two or three pages of 4 KiB a thread, up to 4, 29 or 220 KiB for values all
/// over the range (1, 2 or 3 digits). A bucket in which one thread has counted 2^29 values goes on in
/// a cell of 64 bits beside it: there a record takes twice the time.
///
/// ```
/// let latency = quipu::registry()
///     .histogram("doc.request.duration")
///     .unit(quipu::Unit::Nanoseconds)
///     .register()?;
/// latency.record(12_345);
/// let snapshot = quipu::registry().snapshot();
/// let seen = snapshot.histogram("doc.request.duration", &[]).unwrap();
/// assert_eq!((seen.count(), seen.sum(), seen.max()), (1, 12_345, Some(12_345)));
/// # Ok::<(), quipu::RegisterError>(())
/// ```
// As long as it is, so that no handle lies on two cache lines, of which a record that finds nothing in
// the caches would wait for both.
#[cfg_attr(target_pointer_width = "64", repr(align(32)))]
#[derive(Clone)]
pub struct Histogram<const DIGITS: u8 = 2> {
    cells: Distribution<DIGITS>,
    /// Nanoseconds in one unit of the values.
    unit_ns: u64,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Histogram>() == 32);

impl<const DIGITS: u8> Histogram<DIGITS> {
    const LAYOUT: Layout = Layout::new(DIGITS);

    pub(crate) fn new(store: &Arc<Store>, shared: bool, unit_ns: u64) -> Result<Self, Exhausted> {
        Ok(Self { cells: Distribution::new(store, shared)?, unit_ns })
    }

    /// Records `value` once.
    ///
    /// No record is lost, whichever threads call it. Wait-free: plain loads and stores on cells that
    /// only this thread writes, three of each but for a new minimum or maximum; never allocates
    /// after the thread's first record. Establishes no happens-before edge. `sum` wraps at 2^64.
    #[inline(always)]
    pub fn record(&self, value: u64) {
        self.record_at(&ThisThread, value);
    }

    /// Records `value` `n` times, at the cost of once. `n` of 0 records nothing.
    #[inline]
    pub fn record_n(&self, value: u64, n: u64) {
        self.record_n_at(&ThisThread, value, n);
    }

    /// Records a duration in the histogram's unit, rounded down; in nanoseconds if the unit is not
    /// one of time. A duration of more than `u64::MAX` counts as `u64::MAX`.
    #[inline]
    pub fn record_duration(&self, duration: Duration) {
        self.record_ns(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Records `value`, and the values that a measurement held up for so long has missed: `value`
    /// minus one, two and more times `expected_interval`, down to `expected_interval`.
    ///
    /// A load generator that waits for an answer before it sends the next request records one long
    /// latency where its users met many; this puts the missing ones back (coordinated omission).
    /// The values are those of HdrHistogram's `recordValueWithExpectedInterval`. An interval of 0
    /// records `value` alone. Costs one update for each bucket that receives something, at most as
    /// many as the histogram has buckets.
    pub fn record_corrected(&self, value: u64, expected_interval: u64) {
        self.record_corrected_at(&ThisThread, value, expected_interval);
    }

    /// Starts a timer that records the time until it is dropped or stopped.
    ///
    /// ```
    /// # let latency = quipu::registry().histogram("doc.timer").register()?;
    /// {
    ///     let _timer = latency.start();
    ///     // what takes time
    /// }
    /// let elapsed = latency.start().stop();
    /// latency.start().discard();
    /// # Ok::<(), quipu::RegisterError>(())
    /// ```
    #[inline]
    pub fn start(&self) -> Timer<'_, DIGITS> {
        Timer::start(self)
    }

    /// Records how long `work` takes, also when it panics, and returns what it returns.
    #[inline]
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let _timer = self.start();
        work()
    }

    /// Times one call in `every_nth`, and counts every call on `calls`.
    ///
    /// For sections so short that reading the clock twice would be most of their cost. Each thread
    /// counts for itself, so that which calls are timed depends on no other thread.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// let calls = quipu::registry().counter("doc.lookups").register()?;
    /// let lookups = quipu::registry().histogram("doc.lookup.duration").register()?
    ///     .sample(NonZeroU32::new(64).unwrap(), &calls);
    /// let _timer = lookups.start();
    /// # Ok::<(), quipu::RegisterError>(())
    /// ```
    pub fn sample(&self, every_nth: NonZeroU32, calls: &Counter) -> SampledTimer<DIGITS> {
        SampledTimer::new(self.clone(), calls.clone(), every_nth)
    }

    /// Records an elapsed time, given in nanoseconds.
    #[inline(always)]
    pub(crate) fn record_ns(&self, elapsed_ns: u64) {
        let in_unit = if self.unit_ns == 1 { elapsed_ns } else { elapsed_ns / self.unit_ns };
        self.record(in_unit);
    }

    #[inline(always)]
    pub(crate) fn record_at(&self, place: &impl Place, value: u64) {
        self.cells.record(place, value);
    }

    #[inline]
    pub(crate) fn record_n_at(&self, place: &impl Place, value: u64, n: u64) {
        if n != 0 {
            let sum = value.wrapping_mul(n);
            self.cells.add(place, Records { low: value, high: value, count: n, sum });
        }
    }

    pub(crate) fn record_corrected_at(&self, place: &impl Place, value: u64, interval: u64) {
        self.record_at(place, value);
        if interval == 0 {
            return;
        }
        // The missing values are an arithmetic sequence; each round takes those of one bucket.
        let mut high = value.saturating_sub(interval);
        while high >= interval {
            let bucket_low = Self::LAYOUT.low(Self::LAYOUT.index(high)).max(interval);
            let steps = (high - bucket_low) / interval;
            let low = high - steps * interval;
            let count = steps.wrapping_add(1);
            // count * (low + high) is even, and needs more than 64 bits.
            let sum = u128::from(count) * (u128::from(low) + u128::from(high)) / 2;
            self.cells.add(place, Records { low, high, count, sum: sum as u64 });
            high = low.saturating_sub(interval);
        }
    }

    pub(crate) fn holders(&self) -> usize {
        self.cells.holders()
    }

    /// Has the next reading prepared; see [`Distribution::announce`].
    pub(crate) fn announce(&self, shards: impl Iterator<Item = Shard>) {
        self.cells.announce(shards);
    }

    /// Adds up what `shards` hold; see [`Distribution::read`].
    pub(crate) fn read(
        &self,
        shards: impl Iterator<Item = Shard>,
        reader: &mut Reader,
        rows: &mut Vec<Row>,
    ) -> Totals {
        self.cells.read(shards, reader, rows)
    }
}

impl<const DIGITS: u8> std::fmt::Debug for Histogram<DIGITS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram").field("digits", &DIGITS).finish_non_exhaustive()
    }
}
