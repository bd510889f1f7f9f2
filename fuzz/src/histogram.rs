//! Histograms beside `hdrhistogram`'s.

use hdrhistogram::Histogram as Hdr;
use quipu::HistogramSnapshot;

/// What `hdr` holds is `seen` bucket for bucket, and so is what `seen` was converted to.
pub fn check_buckets(seen: HistogramSnapshot, converted: &Hdr<u64>, hdr: &Hdr<u64>) {
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

/// `hdrhistogram`'s quantile, up to the exact maximum.
pub fn check_quantile(seen: HistogramSnapshot, hdr: &Hdr<u64>, q: f64) {
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
