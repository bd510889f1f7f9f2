//! Histograms of every precision hold, bucket for bucket, what `hdrhistogram` holds.
#![no_main]

use hdrhistogram::Histogram as Hdr;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use quipu::{HistogramSnapshot, Registry};
use quipu_fuzz as _;

#[derive(Arbitrary, Debug)]
struct Input {
    /// Value, how far to shift it right, how often it occurs.
    records: Vec<(u64, u8, u16)>,
    quantiles: [f64; 2],
    digits: u8,
}

fuzz_target!(|input: Input| {
    let records = input.records.iter().map(|&(value, shift, n)| (value >> (shift % 64), n.into()));
    // The cells of the last run's registry: nothing of it may show.
    let registry = Registry::new();
    let one = registry.histogram("d1").significant_digits::<1>().register().unwrap();
    let two = registry.histogram("d2").significant_digits::<2>().register().unwrap();
    let three = registry.histogram("d3").significant_digits::<3>().shared().register().unwrap();
    for (value, n) in records.clone() {
        one.record_n(value, n);
        two.record_n(value, n);
        three.record_n(value, n);
    }
    // hdrhistogram takes a value that occurs 0 times for an extreme.
    let records = records.filter(|&(_, n)| n != 0);
    let digits = 1 + input.digits % 3;
    let mut hdr = Hdr::new_with_bounds(1, u64::MAX, digits).unwrap();
    records.clone().for_each(|(value, n)| hdr.record_n(value, n).unwrap());

    let snapshot = registry.snapshot();
    let seen = snapshot.histogram(&format!("d{digits}"), &[]).unwrap();
    let sum = |sum: u64, (value, n): (u64, u64)| sum.wrapping_add(value.wrapping_mul(n));
    let values = records.clone().map(|(value, _)| value);
    assert_eq!((seen.count(), seen.sum()), (hdr.len(), records.fold(0, sum)));
    assert_eq!((seen.min(), seen.max()), (values.clone().min(), values.max()));
    check_buckets(seen, &seen.to_hdr(), &hdr);
    input.quantiles.iter().for_each(|&q| check_quantile(seen, &hdr, q));
});

fn check_buckets(seen: HistogramSnapshot, converted: &Hdr<u64>, hdr: &Hdr<u64>) {
    let mut count = 0;
    for bucket in seen.buckets() {
        assert_eq!(bucket.low, hdr.lowest_equivalent(bucket.high));
        assert_eq!(bucket.high - bucket.low, hdr.equivalent_range(bucket.low) - 1);
        assert_eq!(bucket.count, hdr.count_at(bucket.low));
        assert_eq!(bucket.count, converted.count_at(bucket.low));
        count += bucket.count;
    }
    assert_eq!((count, count), (hdr.len(), converted.len()));
    assert!(hdr.equivalent(converted.min(), hdr.min()));
    assert!(hdr.equivalent(converted.max(), hdr.max()));
}

fn check_quantile(seen: HistogramSnapshot, hdr: &Hdr<u64>, q: f64) {
    let value = seen.quantile(q);
    match (seen.min(), seen.max()) {
        (Some(_), Some(_)) if q.is_nan() => assert_eq!(value, None),
        (Some(min), Some(_)) if q <= 0.0 => assert_eq!(value, Some(min)),
        (Some(_), Some(max)) => {
            // hdrhistogram's upper bound of the very last bucket is one too small.
            let bound = hdr.value_at_quantile(q);
            let bound = if bound == u64::MAX - 1 { u64::MAX } else { bound };
            assert_eq!(value, Some(bound.min(max)));
        }
        _ => assert_eq!(value, None),
    }
}
