//! A histogram as a snapshot holds it.
#![forbid(unsafe_code)]

use crate::buckets::{Layout, Row};
use std::ops::Range;

/// Totals of one histogram, and where its rows are in the snapshot.
#[derive(Clone, Debug, Default)]
pub(super) struct HistogramTotals {
    pub(super) rows: Range<usize>,
    pub(super) count: u64,
    pub(super) sum: u64,
    /// Meaningless while `count` is 0.
    pub(super) min: u64,
    pub(super) max: u64,
}

impl HistogramTotals {
    /// With the extremes given, moved into the first and the last bucket of `rows`: extremes of records
    /// whose buckets were not seen yet, or were counted in an earlier interval, are out.
    pub(super) fn bounded(mut self, layout: Layout, rows: &[Row], (min, max): (u64, u64)) -> Self {
        let first = rows.first().and_then(|row| row.held().next());
        let last = rows.last().and_then(|row| row.held().next_back());
        if let (Some((first, _)), Some((last, _))) = (first, last) {
            self.min = min.clamp(layout.low(first), layout.high(first));
            self.max = max.clamp(layout.low(last), layout.high(last));
        }
        self
    }
}

/// The distribution that a histogram held: a view into a [`Snapshot`](crate::Snapshot).
#[derive(Clone, Copy)]
pub struct HistogramSnapshot<'a> {
    layout: Layout,
    digits: u8,
    totals: &'a HistogramTotals,
    rows: &'a [Row],
}

/// A bucket that holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The smallest value that falls into it.
    pub low: u64,
    /// The largest value that falls into it.
    pub high: u64,
    /// How many values fell into it.
    pub count: u64,
}

impl<'a> HistogramSnapshot<'a> {
    pub(super) fn new(digits: u8, totals: &'a HistogramTotals, rows: &'a [Row]) -> Self {
        Self { layout: Layout::new(digits), digits, totals, rows }
    }

    /// How many values were recorded: the sum of the buckets.
    pub fn count(&self) -> u64 {
        self.totals.count
    }

    /// The sum of the values, exact; wraps at 2^64.
    pub fn sum(&self) -> u64 {
        self.totals.sum
    }

    /// The smallest value recorded, exact; `None` if there was none.
    pub fn min(&self) -> Option<u64> {
        (self.totals.count != 0).then_some(self.totals.min)
    }

    /// The largest value recorded, exact; `None` if there was none.
    pub fn max(&self) -> Option<u64> {
        (self.totals.count != 0).then_some(self.totals.max)
    }

    /// The mean of the values, exact but for rounding and for a sum that has wrapped; `None` if
    /// there was none.
    pub fn mean(&self) -> Option<f64> {
        (self.totals.count != 0).then(|| self.totals.sum as f64 / self.totals.count as f64)
    }

    /// The value that a share `q` of all values does not exceed, `None` if there was none or `q` is
    /// NaN.
    ///
    /// The rank is `ceil(q x count)`, at least 1, and the value is the upper bound of that rank's
    /// bucket, but never more than [`max`](Self::max): at most one bucket's width too large. `q` is
    /// clamped to 0 to 1; 0 gives [`min`](Self::min).
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let (min, max) = (self.min()?, self.max()?);
        if q.is_nan() {
            return None;
        }
        if q <= 0.0 {
            return Some(min);
        }
        let rank = ((q * self.count() as f64).ceil() as u64).clamp(1, self.count());
        let mut seen = 0_u64;
        let reached = self.buckets().find(|bucket| {
            seen = seen.saturating_add(bucket.count);
            seen >= rank
        });
        Some(reached.map_or(max, |bucket| bucket.high.min(max)))
    }

    /// The buckets that hold something, by ascending value.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + use<'a> {
        let layout = self.layout;
        self.counts().map(move |(index, count)| Bucket {
            low: layout.low(index),
            high: layout.high(index),
            count,
        })
    }

    /// Where the buckets begin and end.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Index and count of the buckets that hold something.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (usize, u64)> + use<'a> {
        self.rows.iter().flat_map(Row::held)
    }

    /// The rows that hold something.
    pub(crate) fn rows(&self) -> &'a [Row] {
        self.rows
    }

    /// How many significant decimal digits its buckets keep.
    pub fn significant_digits(&self) -> u8 {
        self.digits
    }

    /// The same distribution as a histogram of the `hdrhistogram` crate, bucket for bucket.
    ///
    /// Allocates its table of counts: 8, 58 or 440 KiB for 1, 2 or 3 significant digits.
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        let digits = self.digits;
        let mut hdr = hdrhistogram::Histogram::new_with_bounds(1, u64::MAX, digits)
            .expect("1 to u64::MAX and 0 to 3 digits are valid");
        self.add_to(&mut hdr);
        hdr
    }

    /// Adds the distribution to `hdr`, which has as many significant digits; values beyond its range
    /// count as the largest that it can hold.
    pub(crate) fn add_to(&self, hdr: &mut hdrhistogram::Histogram<u64>) {
        // To `hdrhistogram` a value that occurs 0 times is an extreme all the same.
        let mut record = |value, count| {
            if count != 0 {
                hdr.saturating_record_n(value, count);
            }
        };
        for bucket in self.buckets() {
            // The smallest and the largest value go in as they are; the rest are anywhere in their
            // buckets.
            let holds_max = u64::from((bucket.low..=bucket.high).contains(&self.totals.max));
            record(self.totals.max, holds_max);
            record(bucket.low.max(self.totals.min).min(bucket.high), bucket.count - holds_max);
        }
    }
}

impl std::fmt::Debug for HistogramSnapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistogramSnapshot")
            .field("count", &self.count())
            .field("sum", &self.sum())
            .field("min", &self.min())
            .field("max", &self.max())
            .finish_non_exhaustive()
    }
}
