//! Exponential buckets, merged and asked as backends do it.
//!
//! Of schema s, or scale s in OpenTelemetry's words, bucket i holds the values above `b^(i-1)` up
//! to `b^i`, where `b = 2^(2^-s)`; OpenTelemetry calls it i - 1. A bucket of schema s lies in whole
//! in one of schema s - 1, so that merging loses nothing but the finer bounds
//! (<https://prometheus.io/docs/specs/native_histograms/>,
//! <https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponential-scale>).
//!
//! # The error of a quantile
//!
//! quipu's bucket of a value v goes in whole into the exponential bucket that holds its middle m,
//! which is no further from v than half of its width: `|m - v| <= h v`, with h = 1/32, 1/256 or
//! 1/2048 for 1, 2 or 3 significant digits. Values that are each moved by at most that share of
//! themselves move each place of their order by no more. So the bucket which a backend finds for a
//! place holds an m that is as near to the value v in that place. The answer r lies between the
//! bounds of that bucket, so that `m / b <= r <= m b`, and
//!
//! ```text
//! (1 - h) / b  <=  r / v  <=  (1 + h) b
//! ```

use super::reading::{Distribution, Native, Number};
use super::truth::Error;
use std::collections::BTreeMap;

/// How an answer is found between the bounds of a bucket.
#[derive(Clone, Copy, Debug)]
pub enum Interpolation {
    /// Prometheus 2.
    Linear,
    /// Prometheus 3.
    Exponential,
}

#[derive(Clone, Debug, Default)]
pub struct Merged {
    pub schema: i64,
    pub count: u64,
    pub sum: f64,
    pub max: Option<f64>,
    zero_count: u64,
    buckets: BTreeMap<i64, u64>,
}

/// The error of a quantile that comes from buckets of a schema, of values that are recorded with so
/// many significant digits at least.
pub fn stated_error(schema: i64, digits: u8) -> Error {
    let growth = (-schema as f64).exp2().exp2();
    let half = 0.5 / [16.0, 128.0, 1024.0][usize::from(digits) - 1];
    Error { below: 1.0 - (1.0 - half) / growth, above: (1.0 + half) * growth - 1.0 }
}

impl Merged {
    pub fn of_prometheus(distribution: &Distribution, native: &Native) -> Self {
        let Number::Double(sum) = distribution.sum else { panic!("a double") };
        Self {
            schema: native.schema,
            count: distribution.count,
            sum,
            max: None,
            zero_count: native.zero_count,
            buckets: held(native.buckets.iter().copied()),
        }
    }

    pub fn of_otlp(sent: &super::otlp_reading::Distribution) -> Self {
        Self {
            schema: sent.scale,
            count: sent.count,
            sum: sent.sum,
            max: sent.extremes.map(|(_, max)| max),
            zero_count: sent.zero_count,
            buckets: held((sent.offset + 1..).zip(sent.counts.iter().copied())),
        }
    }

    /// Adds another one, at the coarser schema of both; one that holds nothing has none.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let schema = if self.count == 0 { other.schema } else { self.schema.min(other.schema) };
        self.coarsen(schema);
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.into_iter().chain(other.max).reduce(f64::max);
        self.zero_count += other.zero_count;
        for (&index, count) in &other.buckets {
            *self.buckets.entry(coarser(index, other.schema - schema)).or_default() += count;
        }
    }

    fn coarsen(&mut self, schema: i64) {
        let by = self.schema - schema;
        if by > 0 {
            for (index, count) in std::mem::take(&mut self.buckets) {
                *self.buckets.entry(coarser(index, by)).or_default() += count;
            }
        }
        self.schema = schema;
    }

    pub fn quantile(&self, q: f64, interpolation: Interpolation) -> f64 {
        let rank = q * self.count as f64;
        let mut before = self.zero_count as f64;
        assert!(rank > before, "a quantile above zero");
        let bound = |index: i64| (index as f64 / (self.schema as f64).exp2()).exp2();
        for (&index, &count) in &self.buckets {
            let count = count as f64;
            if before + count >= rank {
                let part = (rank - before) / count;
                let (low, high) = (bound(index - 1), bound(index));
                return match interpolation {
                    Interpolation::Linear => low + (high - low) * part,
                    Interpolation::Exponential => low * (high / low).powf(part),
                };
            }
            before += count;
        }
        panic!("{q} of {self:?}");
    }

    /// Of its buckets.
    pub fn counted(&self) -> u64 {
        self.zero_count + self.buckets.values().sum::<u64>()
    }
}

/// Those that are not empty.
fn held(buckets: impl Iterator<Item = (i64, u64)>) -> BTreeMap<i64, u64> {
    buckets.filter(|&(_, count)| count != 0).collect()
}

/// The bucket, so many schemas coarser, that a bucket lies in: rounded up, as an index names the
/// upper bound.
fn coarser(index: i64, by: i64) -> i64 {
    ((index - 1) >> by) + 1
}

#[test]
fn buckets_that_are_merged_hold_what_they_held() {
    let of = |schema, buckets: &[(i64, u64)]| {
        let count = buckets.iter().map(|bucket| bucket.1).sum();
        let buckets = buckets.iter().copied().collect();
        Merged { schema, count, buckets, ..Merged::default() }
    };
    // By 2^(1/4): up to 2 and its neighbours. By 2: up to 2, and up to 4.
    let mut merged = of(2, &[(3, 1), (4, 2), (5, 4), (-3, 8), (-4, 16)]);
    merged.merge(&of(0, &[(1, 100), (2, 200)]));
    assert_eq!(merged.schema, 0);
    let expected = BTreeMap::from([(-1, 16), (0, 8), (1, 1 + 2 + 100), (2, 4 + 200)]);
    assert_eq!(merged.buckets, expected);
    assert_eq!(merged.counted(), merged.count);
}
