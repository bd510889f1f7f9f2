//! quipu's buckets as exponential ones: Prometheus' native histograms, and OpenTelemetry's.
//!
//! Of schema s, bucket i holds the values above `2^((i-1)/2^s)` up to `2^(i/2^s)`
//! (<https://prometheus.io/docs/specs/native_histograms/>). A schema is chosen whose buckets are wider
//! than quipu's. Each of quipu's goes in whole into the one that its middle lies in, so that the counts
//! add up to the same, and no value is off by more than half the width of its bucket.
//!
//! OpenTelemetry's bucket i is Prometheus' bucket i + 1
//! (<https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>).
#![forbid(unsafe_code)]

use super::scale::Scale;
use crate::snapshot::HistogramSnapshot;
use std::sync::LazyLock;

/// Values up to this one count as zero; the default of Prometheus' own library, 2^-128.
pub(super) const ZERO_THRESHOLD: f64 = f64::from_bits((1023 - 128) << 52);

/// As a client library may leave out: as many empty buckets in a row are written, more are skipped.
const GAP: i32 = 2;

/// The finest schema that any precision needs.
const FINEST: u32 = 8;

/// `2^(i / 2^FINEST - 1)` for each i, the bounds of buckets from a half to one.
static BOUNDS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let count = 1 << FINEST;
    (0..count).map(|i| f64::exp2(f64::from(i) / f64::from(count) - 1.0)).collect()
});

/// How fine buckets are that are no finer than those of a precision: by 9.1 %, 1.1 % and 0.27 %.
pub(super) fn schema(significant_digits: u8) -> u32 {
    match significant_digits {
        0 | 1 => 3,
        2 => 6,
        _ => FINEST,
    }
}

/// A distribution in native buckets; its buffers are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Exponential {
    pub(super) zero_count: u64,
    /// Gap before it, in buckets, and length; the first gap is the first bucket's index.
    pub(super) spans: Vec<(i32, u32)>,
    /// Each bucket's count minus the one before.
    pub(super) deltas: Vec<i64>,
}

impl Exponential {
    pub(super) fn fill(&mut self, values: &HistogramSnapshot<'_>, scale: Scale) {
        self.zero_count = 0;
        self.spans.clear();
        self.deltas.clear();
        let schema = schema(values.significant_digits());
        let layout = values.layout();
        let (mut current, mut in_current, mut written) = (None, 0_u64, 0_u64);
        for (index, count) in values.counts() {
            let (low, high) = (layout.low(index), layout.high(index));
            if low == 0 {
                self.zero_count = self.zero_count.wrapping_add(count);
                continue;
            }
            let bucket = index_of(scale.exported((low + (high - low) / 2) as f64), schema);
            match current {
                Some(open) if open == bucket => in_current = in_current.wrapping_add(count),
                Some(open) => {
                    self.push(in_current, &mut written);
                    self.skip(bucket - open - 1, &mut written);
                    in_current = count;
                }
                None => {
                    self.spans.push((bucket, 0));
                    in_current = count;
                }
            }
            current = Some(bucket);
        }
        match current {
            Some(_) => self.push(in_current, &mut written),
            // By a span, even an empty one, a native histogram is told from a classic one.
            None => self.spans.push((0, 0)),
        }
    }

    fn push(&mut self, count: u64, written: &mut u64) {
        self.deltas.push(count.wrapping_sub(*written) as i64);
        *written = count;
        self.spans.last_mut().expect("a bucket belongs to a span").1 += 1;
    }

    fn skip(&mut self, empty: i32, written: &mut u64) {
        if empty > GAP {
            self.spans.push((empty, 0));
        } else {
            (0..empty).for_each(|_| self.push(0, written));
        }
    }
}

/// The bucket that a positive normal number falls into.
fn index_of(value: f64, schema: u32) -> i32 {
    // value = fraction x 2^exponent, with a fraction from a half to one.
    let bits = value.to_bits();
    let exponent = ((bits >> 52) & 0x7ff) as i32 - 1022;
    let fraction = f64::from_bits((bits & ((1 << 52) - 1)) | (1022 << 52));
    let finest = BOUNDS.partition_point(|&bound| bound < fraction) as i32;
    let coarser = FINEST - schema;
    // Rounded up, since buckets include their upper bounds.
    let within = (finest + (1 << coarser) - 1) >> coarser;
    within + (exponent - 1) * (1 << schema)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::series::Unit;
    use proptest::prelude::*;

    fn upper(index: i32, schema: u32) -> f64 {
        f64::exp2(f64::from(index) / f64::from(1 << schema))
    }

    #[test]
    fn powers_of_two_are_upper_bounds() {
        for schema in [0, 3, 6, 8] {
            for power in -60..64 {
                let value = f64::exp2(f64::from(power));
                assert_eq!(index_of(value, schema), power * (1 << schema));
                assert_eq!(
                    index_of(value * (1.0 + f64::EPSILON), schema),
                    power * (1 << schema) + 1
                );
            }
        }
    }

    proptest! {
        #[test]
        fn numbers_lie_in_their_buckets(value in 1e-9..1e20_f64, schema in 0..=8_u32) {
            let index = index_of(value, schema);
            let rounding = 1.0 + 1e-14;
            prop_assert!(value <= upper(index, schema) * rounding);
            prop_assert!(value * rounding > upper(index - 1, schema));
        }

        #[test]
        fn counts_land_in_buckets_that_hold_their_values_within_the_stated_error(
            values in prop::collection::vec((any::<u64>(), 0..64_u32, 1..1_000_u64), 0..200),
            digits in 1..=3_u8,
            unit in prop::sample::select(vec![Unit::None, Unit::Nanoseconds, Unit::Thousandths]),
        ) {
            let values: Vec<_> = values.into_iter().map(|(v, by, n)| (v >> by, n)).collect();
            let registry = crate::Registry::new();
            let builder = registry.histogram("h").unit(unit);
            match digits {
                1 => {
                    let h = builder.significant_digits::<1>().register().unwrap();
                    values.iter().for_each(|&(v, n)| h.record_n(v, n));
                }
                2 => {
                    let h = builder.register().unwrap();
                    values.iter().for_each(|&(v, n)| h.record_n(v, n));
                }
                _ => {
                    let h = builder.significant_digits::<3>().register().unwrap();
                    values.iter().for_each(|&(v, n)| h.record_n(v, n));
                }
            }
            let snapshot = registry.snapshot();
            let scale = Scale::of(unit);
            let mut native = Exponential::default();
            native.fill(&snapshot.histogram("h", &[]).unwrap(), scale);

            let (mut index, mut count) = (0_i32, 0_i64);
            let mut deltas = native.deltas.iter();
            let mut buckets = Vec::new();
            for &(gap, length) in &native.spans {
                index += gap;
                for _ in 0..length {
                    count += deltas.next().unwrap();
                    buckets.push((index, count as u64));
                    index += 1;
                }
            }
            prop_assert!(deltas.next().is_none());
            let total: u64 = buckets.iter().map(|bucket| bucket.1).sum();
            let recorded: u64 = values.iter().map(|value| value.1).sum();
            prop_assert_eq!(total + native.zero_count, recorded);

            // In the order of values, each takes the next place of the next bucket.
            let mut sorted: Vec<_> = values.into_iter().filter(|value| value.0 != 0).collect();
            sorted.sort_unstable();
            let schema = schema(digits);
            let error = 1.0 + 0.5 / [16.0, 128.0, 1024.0][usize::from(digits) - 1] + 1e-12;
            let mut places = buckets.into_iter().filter(|bucket| bucket.1 != 0);
            let mut place = (0, 0);
            for (value, mut n) in sorted {
                while n != 0 {
                    if place.1 == 0 {
                        place = places.next().unwrap();
                    }
                    let exported = scale.exported(value as f64);
                    prop_assert!(exported <= upper(place.0, schema) * error, "{value} {place:?}");
                    prop_assert!(exported * error > upper(place.0 - 1, schema), "{value} {place:?}");
                    let taken = n.min(place.1);
                    n -= taken;
                    place.1 -= taken;
                }
            }
        }
    }
}
