//! As Prometheus does it: `sum` over all processes, and then `histogram_quantile`.

use super::exponential::{Interpolation, Merged, stated_error};
use super::exports::{EXPORTS, TRUTH};
use super::reading::{Family, Number, Reading};
use super::truth::{Error, Truth, rounding_of};
use super::{PROCESSES, QUANTILES};
use std::collections::BTreeMap;

/// The one series of a family in a body.
fn reading<'a>(families: &'a [Family], name: &str) -> &'a Reading {
    let family = families.iter().find(|family| family.name == name).expect("it is there");
    let [series] = &family.series[..] else { panic!("{family:?}") };
    &series.reading
}

fn number(reading: &Reading) -> f64 {
    match reading {
        Reading::Number(Number::Double(double)) => *double,
        Reading::Number(Number::Text(text)) => text.parse().unwrap(),
        Reading::Histogram(_) => panic!("{reading:?}"),
    }
}

/// `sum(..)` of native histograms.
fn sum_of_native(name: &str) -> Merged {
    let mut sum = Merged::default();
    for families in &EXPORTS.protobuf {
        let Reading::Histogram(distribution) = reading(families, name) else { panic!("{name}") };
        let native = distribution.native.as_ref().expect("native buckets");
        sum.merge(&Merged::of_prometheus(distribution, native));
    }
    sum
}

fn assert_native(sum: &Merged, truth: &Truth, error: Error) {
    assert_eq!(sum.count, truth.count());
    assert_eq!(sum.counted(), truth.count());
    truth.assert_sum(sum.sum, rounding_of(PROCESSES));
    for interpolation in [Interpolation::Exponential, Interpolation::Linear] {
        for q in QUANTILES {
            truth.assert_quantile(q, sum.quantile(q, interpolation), error);
        }
        // No maximum is exported: there is the bound of the last bucket.
        truth.assert_quantile(1.0, sum.quantile(1.0, interpolation), error);
    }
}

#[test]
fn native_histograms_of_a_fleet_have_its_quantiles_within_1_5_percent() {
    let sum = sum_of_native("latency_seconds");
    assert_eq!(sum.schema, 6);
    let error = stated_error(6, 2);
    assert!(error.below < 0.015 && error.above < 0.015, "{error:?}");
    assert_native(&sum, &TRUTH, error);
}

#[test]
fn native_histograms_of_different_precision_merge_at_the_lowest_schema() {
    let sum = sum_of_native("latency_mixed_seconds");
    assert_eq!(sum.schema, 3);
    let error = stated_error(3, 1);
    assert!(error.below < 0.112 && error.above < 0.125, "{error:?}");
    assert_native(&sum, &TRUTH, error);
}

#[test]
fn counters_of_a_fleet_add_up_exactly() {
    for scrapes in [&EXPORTS.protobuf, &EXPORTS.text] {
        let counts = scrapes.iter().map(|families| number(reading(families, "requests")));
        assert_eq!(counts.sum::<f64>(), TRUTH.count() as f64);
    }
}

/// Classic buckets say between which of their bounds a quantile lies, and no more; nothing at all
/// where it lies above the last one.
#[test]
fn classic_buckets_of_a_fleet_have_its_quantiles_between_the_right_bounds() {
    // By the bits of bounds, which are in the order of the bounds.
    let (mut buckets, mut count, mut sum) = (BTreeMap::<u64, u64>::new(), 0, 0.0);
    for families in &EXPORTS.text {
        let Reading::Histogram(distribution) = reading(families, "latency_seconds") else {
            panic!("a histogram")
        };
        count += distribution.count;
        sum += number(&Reading::Number(distribution.sum.clone()));
        for (bound, up_to) in &distribution.buckets {
            *buckets.entry(bound.to_bits()).or_default() += up_to;
        }
    }
    assert_eq!(count, TRUTH.count());
    TRUTH.assert_sum(sum, rounding_of(PROCESSES));

    let buckets: Vec<_> =
        buckets.iter().map(|(&bits, &up_to)| (f64::from_bits(bits), up_to)).collect();
    let mut compared = 0;
    for q in QUANTILES {
        let rank = q * count as f64;
        let at = buckets.partition_point(|&(_, up_to)| (up_to as f64) < rank);
        let Some(&(upper, up_to)) = buckets.get(at) else {
            // Above the last bound.
            assert!(TRUTH.around(q).1 > 10.0, "{q}");
            continue;
        };
        let (lower, before) = if at == 0 { (0.0, 0) } else { buckets[at - 1] };
        let said = lower + (upper - lower) * (rank - before as f64) / (up_to - before) as f64;
        let (low, high) = TRUTH.around(q);
        // Values that share quipu's bucket with a bound are counted below it.
        assert!(low >= lower && high <= upper * (1.0 + 1.0 / 127.0), "{q}: {low} to {high}");
        assert!((lower..=upper).contains(&said));
        compared += 1;
    }
    assert!(compared >= 4, "{compared}");
}
