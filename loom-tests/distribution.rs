//! Histograms against a reader.

use super::{explore, must_fail, registry, store};
use crate::metric::Histogram;
use crate::registry::Registry;
use crate::series::{LabelList, Request, Unit};
use crate::snapshot::Snapshot;
use crate::store::{Late, Lessee};
use crate::sync::Arc;
use loom::thread;

/// A histogram of no digits: 65 buckets are what a model can bear.
fn histogram(registry: &Registry) -> Histogram<0> {
    let request = Request {
        name: "h",
        labels: LabelList::default(),
        help: "",
        unit: Unit::None,
        shared: false,
    };
    registry.register(request).unwrap()
}

/// Count and sum, after checking what must hold in every snapshot.
fn check(snapshot: &Snapshot) -> (u64, u64) {
    let seen = snapshot.histogram("h", &[]).unwrap();
    assert_eq!(seen.count(), seen.buckets().map(|bucket| bucket.count).sum::<u64>());
    if let (Some(min), Some(max)) = (seen.min(), seen.max()) {
        let (first, last) = (seen.buckets().next().unwrap(), seen.buckets().last().unwrap());
        assert!(first.low <= min && min <= first.high, "min is not in the first bucket");
        assert!(last.low <= max && max <= last.high, "max is not in the last bucket");
    }
    (seen.count(), seen.sum())
}

#[test]
fn a_snapshot_of_a_histogram_agrees_with_itself() {
    let outcomes = explore("histogram against a reader", 500, || {
        let store = store(1);
        let registry = Arc::new(registry(&store));
        let histogram = histogram(&registry);
        let reader = {
            let registry = registry.clone();
            thread::spawn(move || (check(&registry.snapshot()), check(&registry.snapshot())))
        };
        let lessee = Lessee::new(&store);
        histogram.record_at(&lessee, 5);
        histogram.record_at(&lessee, 1);
        let (early, late) = reader.join().unwrap();
        assert!(early.0 <= late.0, "a later snapshot counts less");
        let last = registry.snapshot();
        assert_eq!(check(&last), (2, 6));
        let last = last.histogram("h", &[]).unwrap();
        assert_eq!((last.min(), last.max()), (Some(1), Some(5)));
        (early, late)
    });
    let counts = |first, second| outcomes.iter().any(|(a, b)| (a.0, b.0) == (first, second));
    assert!(counts(0, 0) && counts(0, 1) && counts(0, 2) && counts(1, 2) && counts(2, 2));
    assert!(outcomes.iter().any(|&(a, _)| a == (1, 6)), "the sum was seen ahead of the buckets");
}

/// A count kept beside the buckets instead of being derived from them.
#[test]
fn twin_a_count_of_its_own() {
    must_fail("a count beside the buckets", || {
        let store = store(1);
        let registry = Arc::new(registry(&store));
        let histogram = histogram(&registry);
        let count = registry.counter("h.count").register().unwrap();
        let reader = {
            let registry = registry.clone();
            thread::spawn(move || {
                let snapshot = registry.snapshot();
                assert_eq!(snapshot.counter("h.count", &[]), Some(check(&snapshot).0));
            })
        };
        let lessee = Lessee::new(&store);
        histogram.record_at(&lessee, 5);
        count.add_at(&lessee, 1);
        reader.join().unwrap();
    });
}

#[test]
fn histograms_of_late_threads_and_lessees_add_up() {
    let outcomes = explore("histogram from everywhere", 200, || {
        let store = store(1);
        let registry = Arc::new(registry(&store));
        let histogram = histogram(&registry);
        let lessee = {
            let (store, histogram) = (store.clone(), histogram.clone());
            thread::spawn(move || histogram.record_at(&Lessee::new(&store), 2))
        };
        let reader = {
            let registry = registry.clone();
            thread::spawn(move || check(&registry.snapshot()).0)
        };
        // LOOM: here, and not in a thread of its own, since it loads before it stores.
        histogram.record_n_at(&Late, 7, 2);
        lessee.join().unwrap();
        let early = reader.join().unwrap();
        let last = registry.snapshot();
        assert_eq!(check(&last), (3, 16));
        let last = last.histogram("h", &[]).unwrap();
        assert_eq!((last.min(), last.max()), (Some(2), Some(7)));
        early
    });
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
}

/// Narrow cells hold 1 in a model: the second record and the third go to the wide cell.
#[test]
fn a_bucket_that_fills_up_goes_on_in_its_wide_cell() {
    let outcomes = explore("bucket that fills up", 500, || {
        let store = store(1);
        let registry = Arc::new(registry(&store));
        let histogram = histogram(&registry);
        let reader = {
            let registry = registry.clone();
            thread::spawn(move || (check(&registry.snapshot()).0, check(&registry.snapshot()).0))
        };
        let lessee = Lessee::new(&store);
        for _ in 0..3 {
            histogram.record_at(&lessee, 5);
        }
        let (early, late) = reader.join().unwrap();
        assert!(early <= late, "a later snapshot counts less");
        assert_eq!(check(&registry.snapshot()), (3, 15));
        (early, late)
    });
    for early in 0..=3 {
        assert!((early..=3).all(|late| outcomes.contains(&(early, late))), "{outcomes:?}");
    }
}

/// A full narrow cell whose count is moved to the wide one.
#[test]
fn twin_a_count_that_is_moved() {
    must_fail("a count that is moved", || {
        let store = store(1);
        let registry = Arc::new(registry(&store));
        let counter = |name| registry.counter(name).register().unwrap();
        let (narrow, wide) = (counter("narrow"), counter("wide"));
        let lessee = Lessee::new(&store);
        narrow.add_at(&lessee, 1);
        let reader = {
            let registry = registry.clone();
            thread::spawn(move || {
                let snapshot = registry.snapshot();
                let of = |name| snapshot.counter(name, &[]).unwrap();
                assert_eq!(of("narrow") + of("wide"), 1);
            })
        };
        wide.add_at(&lessee, 1);
        narrow.add_at(&lessee, 1_u64.wrapping_neg());
        reader.join().unwrap();
    });
}
