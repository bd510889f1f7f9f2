//! Histograms against `hdrhistogram`: quantiles, the correction for coordinated omission, and what
//! `to_hdr` returns, for random values in every precision.
#![cfg(not(loom))]

use hdrhistogram::Histogram as Hdr;
use proptest::prelude::*;
use quipu::{HistogramSnapshot, Registry, Snapshot};
use std::sync::Arc;

/// A record: a value, how often, and if the first is none, at which expected interval.
type Record = (u64, u64, u64);

/// What a histogram of `digits` shows after `records`; a shared one as well.
fn snapshot_of(digits: u8, records: &[Record]) -> Arc<Snapshot> {
    let registry = Registry::new();
    macro_rules! record {
        ($digits:literal) => {{
            let builder = || registry.histogram("h").significant_digits::<$digits>();
            let own = builder().register().unwrap();
            let shared = builder().label("cells", "shared").shared().register().unwrap();
            for histogram in [own, shared] {
                for &(value, n, interval) in records {
                    match n {
                        0 => histogram.record_corrected(value, interval),
                        1 => histogram.record(value),
                        _ => histogram.record_n(value, n),
                    }
                }
            }
        }};
    }
    match digits {
        1 => record!(1),
        2 => record!(2),
        _ => record!(3),
    }
    registry.snapshot()
}

fn hdr_of(digits: u8, records: &[Record]) -> Hdr<u64> {
    let mut hdr = Hdr::new_with_bounds(1, u64::MAX, digits).unwrap();
    for &(value, n, interval) in records {
        match n {
            0 => hdr.record_correct(value, interval).unwrap(),
            _ => hdr.record_n(value, n).unwrap(),
        }
    }
    hdr
}

fn both(snapshot: &Snapshot) -> [HistogramSnapshot<'_>; 2] {
    let own = snapshot.histogram("h", &[]);
    let shared = snapshot.histogram("h", &[("cells", "shared")]);
    [own, shared].map(|histogram| histogram.unwrap())
}

fn assert_same_buckets(seen: HistogramSnapshot<'_>, hdr: &Hdr<u64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(seen.count(), hdr.len());
    let buckets = hdr.iter_recorded().map(|step| {
        (hdr.lowest_equivalent(step.value_iterated_to()), step.count_since_last_iteration())
    });
    let seen_buckets: Vec<_> = seen.buckets().map(|bucket| (bucket.low, bucket.count)).collect();
    prop_assert_eq!(seen_buckets, buckets.collect::<Vec<_>>());
    for bucket in seen.buckets() {
        prop_assert!(hdr.equivalent(bucket.low, bucket.high));
        prop_assert!(bucket.high == u64::MAX || !hdr.equivalent(bucket.low, bucket.high + 1));
    }
    let converted = seen.to_hdr();
    let summary = |hdr: &Hdr<u64>| (hdr.len(), hdr.min(), hdr.max());
    prop_assert_eq!(summary(&converted), summary(hdr));
    // `hdrhistogram` marks with u64::MAX that there was nothing but 0, and compares that mark too.
    let only_the_last_and_0 = hdr.equivalent(hdr.min_nz(), u64::MAX);
    prop_assert!(only_the_last_and_0 || converted == *hdr, "to_hdr differs");
    for bucket in seen.buckets() {
        prop_assert_eq!(converted.count_at(bucket.low), bucket.count);
    }
    Ok(())
}

/// Values of all magnitudes.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (any::<u64>(), 0..64_u32).prop_map(|(number, by)| number >> by),
        1 => Just(0),
        1 => Just(u64::MAX),
    ]
}

fn config(cases: u32) -> ProptestConfig {
    let cases = if cfg!(miri) { 2 } else { cases };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn records_fall_into_the_buckets_of_hdrhistogram(
        digits in 1..=3_u8,
        values in prop::collection::vec((value(), 1..1_000_u64), 1..60),
    ) {
        let records: Vec<_> = values.into_iter().map(|(value, n)| (value, n, 0)).collect();
        let hdr = hdr_of(digits, &records);
        let products = records.iter().map(|(value, n, _)| value.wrapping_mul(*n));
        let sum = products.fold(0, u64::wrapping_add);
        for seen in both(&snapshot_of(digits, &records)) {
            assert_same_buckets(seen, &hdr)?;
            prop_assert_eq!(seen.sum(), sum);
            prop_assert_eq!(seen.min(), records.iter().map(|record| record.0).min());
            prop_assert_eq!(seen.max(), records.iter().map(|record| record.0).max());
            prop_assert_eq!(seen.mean(), Some(sum as f64 / seen.count() as f64));
        }
    }

    #[test]
    fn quantiles_are_those_of_hdrhistogram_up_to_the_exact_maximum(
        digits in 1..=3_u8,
        values in prop::collection::vec((value(), 1..50_u64), 1..60),
        quantiles in prop::collection::vec(0.0..=1.0_f64, 1..10),
    ) {
        let records: Vec<_> = values.into_iter().map(|(value, n)| (value, n, 0)).collect();
        let hdr = hdr_of(digits, &records);
        let snapshot = snapshot_of(digits, &records);
        let (min, max) = (records.iter().min().unwrap().0, records.iter().max().unwrap().0);
        // Ranks that are whole numbers, where rounding goes wrong if it does.
        let count = hdr.len();
        let whole = [1, count / 2, count - 1, count].map(|rank| rank as f64 / count as f64);
        let usual = [0.5, 0.9, 0.99, 0.999, 1.0];
        for q in quantiles.into_iter().chain(whole).chain(usual).filter(|q| *q > 0.0) {
            let value = hdr.value_at_quantile(q);
            // hdrhistogram takes the end of the last bucket of all for one less than it is.
            let is_in_the_last = hdr.equivalent(value, u64::MAX);
            let expected = if is_in_the_last { max } else { value.min(max) };
            for seen in both(&snapshot) {
                prop_assert_eq!(seen.quantile(q), Some(expected), "quantile {}", q);
                prop_assert_eq!(seen.quantile(0.0), Some(min));
            }
        }
    }

    #[test]
    fn corrected_records_are_those_of_hdrhistogram_bucket_by_bucket(
        digits in 1..=3_u8,
        pairs in prop::collection::vec((value(), 1..3_000_u64, 0..3_u64), 1..6),
    ) {
        // Intervals that divide the value up to 3,000 times, since the oracle goes one by one.
        let records: Vec<_> = pairs
            .into_iter()
            .map(|(value, parts, more)| (value, 0, (value / parts).saturating_add(more)))
            .filter(|(value, _, interval)| *interval == 0 || value / interval < 5_000)
            .collect();
        let hdr = hdr_of(digits, &records);
        let mut sum = 0_u64;
        for &(value, _, interval) in &records {
            sum = sum.wrapping_add(value);
            let mut missing = value.saturating_sub(interval);
            while interval > 0 && missing >= interval {
                sum = sum.wrapping_add(missing);
                missing -= interval;
            }
        }
        for seen in both(&snapshot_of(digits, &records)) {
            assert_same_buckets(seen, &hdr)?;
            prop_assert_eq!(seen.sum(), sum);
        }
    }
}

/// Value by value this would take centuries.
#[test]
fn the_longest_correction_costs_a_step_for_each_bucket() {
    for digits in if cfg!(miri) { 1..=1 } else { 1..=3 } {
        for seen in both(&snapshot_of(digits, &[(u64::MAX, 0, 1)])) {
            // Each value from 1 on, once.
            assert_eq!(seen.count(), u64::MAX);
            assert_eq!(seen.sum(), 1 << 63, "the sum of 1 to 2^64 - 1, modulo 2^64");
            assert_eq!((seen.min(), seen.max()), (Some(1), Some(u64::MAX)));
            let mut next = 1;
            for bucket in seen.buckets() {
                let from = bucket.low.max(1);
                assert_eq!((bucket.count, from), (bucket.high - from + 1, next));
                next = bucket.high.wrapping_add(1);
            }
            assert_eq!(next, 0);
        }
    }
}

#[test]
fn corrections_at_the_ends_of_the_range() {
    let cases: [(u64, u64, u64); 10] = [
        (0, 0, 1),
        (0, 1, 1),
        (0, u64::MAX, 1),
        (1, 1, 1),
        (2, 1, 2),
        (9, 10, 1),
        (10, 10, 1),
        (19, 10, 1),
        (u64::MAX, u64::MAX, 1),
        (u64::MAX, 1 << 63, 1),
    ];
    for (value, interval, count) in cases {
        for seen in both(&snapshot_of(2, &[(value, 0, interval)])) {
            assert_eq!(seen.count(), count, "{value} at {interval}");
            assert_eq!(seen.max(), Some(value));
        }
    }
    for seen in both(&snapshot_of(2, &[(u64::MAX, 0, u64::MAX / 2)])) {
        // 2^64 - 1, 2^63 and 1; the last is less than the interval.
        assert_eq!((seen.count(), seen.min()), (2, Some(1 << 63)));
    }
}
