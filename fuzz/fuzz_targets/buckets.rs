//! Histograms of every precision hold, bucket for bucket, what `hdrhistogram` holds.
#![no_main]

use hdrhistogram::Histogram as Hdr;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use quipu::Registry;
use quipu_fuzz::{check_buckets, check_quantile};

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
