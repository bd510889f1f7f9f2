//! A distribution as values, each with the number of records that it stands for.
#![forbid(unsafe_code)]

use crate::snapshot::HistogramSnapshot;

/// A recorded value, and how many records it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) struct Point {
    pub(in crate::export) value: u64,
    pub(in crate::export) count: u64,
}

/// Puts the values of a distribution into `points`, in ascending order; their counts add up to its
/// count.
///
/// The smallest and the largest record are there as they were, where they are known. Every other
/// one is moved to the middle of its bucket: by at most half the bucket's width, so 3.2 %, 0.4 % or
/// 0.05 % for 1, 2 or 3 significant digits, or half a unit, if that is more.
pub(in crate::export) fn points(values: &HistogramSnapshot<'_>, points: &mut Vec<Point>) {
    points.clear();
    let (Some(min), Some(max)) = (values.min(), values.max()) else { return };
    let mut push = |value, count| {
        if count != 0 {
            points.push(Point { value, count });
        }
    };
    for bucket in values.buckets() {
        let mut rest = bucket.count;
        // At the outer bound of its bucket an extreme may be one of an earlier interval.
        if bucket.low < min && min <= bucket.high {
            push(min, 1);
            rest -= 1;
        }
        let has_max = bucket.low <= max && max < bucket.high && rest != 0;
        rest -= u64::from(has_max);
        let (low, high) = (bucket.low.max(min), bucket.high.min(max));
        push(low + high.saturating_sub(low) / 2, rest);
        push(max, u64::from(has_max));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use proptest::prelude::*;

    fn of(record: impl Fn(&crate::metric::Histogram)) -> (Vec<Point>, Vec<crate::Bucket>) {
        let registry = Registry::new();
        let histogram = registry.histogram("h").register().unwrap();
        record(&histogram);
        let snapshot = registry.snapshot();
        let values = snapshot.histogram("h", &[]).unwrap();
        let mut all = vec![Point { value: 9, count: 9 }];
        points(&values, &mut all);
        (all, values.buckets().collect())
    }

    #[test]
    fn nothing_recorded_is_no_point() {
        assert_eq!(of(|_| {}).0, []);
    }

    #[test]
    fn known_extremes_are_exact() {
        let (all, _) = of(|histogram| {
            for value in [100_001, 100_200, 100_200, 5_000_003] {
                histogram.record(value);
            }
        });
        assert_eq!(all.first(), Some(&Point { value: 100_001, count: 1 }));
        assert_eq!(all.last(), Some(&Point { value: 5_000_003, count: 1 }));
        assert_eq!(all.iter().map(|point| point.count).sum::<u64>(), 4);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_record_stays_in_its_bucket(
            values in prop::collection::vec((0..64_u32, any::<u64>(), 1..5_u64), 1..60)
        ) {
            let (all, buckets) = of(|histogram| {
                values.iter().for_each(|&(shift, value, n)| histogram.record_n(value >> shift, n));
            });
            prop_assert!(all.windows(2).all(|pair| pair[0].value <= pair[1].value));
            for bucket in &buckets {
                let inside = all.iter().filter(|it| (bucket.low..=bucket.high).contains(&it.value));
                prop_assert_eq!(inside.map(|point| point.count).sum::<u64>(), bucket.count);
            }
            let total: u64 = buckets.iter().map(|bucket| bucket.count).sum();
            prop_assert_eq!(all.iter().map(|point| point.count).sum::<u64>(), total);
        }
    }
}
