//! New segments and new series while others record, read and touch.

use super::{explore, must_fail_without, registry, store};
use crate::registry::Registry;
use crate::store::{Lessee, Line, Store};
use crate::sync::{Arc, Edge};
use loom::thread;

/// Reads while a thread registers a series and records to it.
#[test]
fn growth_against_a_snapshot_is_exact() {
    let outcomes = explore("growth against a snapshot", 100, || {
        let store = store(2);
        let registry = Arc::new(registry(&store));
        let old = registry.counter("old").register().unwrap();
        let grower = {
            let (store, registry) = (store.clone(), registry.clone());
            thread::spawn(move || {
                let lessee = Lessee::new(&store);
                let new = registry.counter("new").register().unwrap();
                new.add_at(&lessee, 1);
                old.add_at(&lessee, 1);
            })
        };
        let read = |registry: &Registry| {
            let snapshot = registry.snapshot();
            (snapshot.counter("old", &[]).unwrap(), snapshot.counter("new", &[]))
        };
        let (early, late) = (read(&registry), read(&registry));
        assert!(early.0 <= late.0 && early.1 <= late.1, "a later snapshot shows less");
        grower.join().unwrap();
        assert_eq!(read(&registry), (1, Some(1)));
        (early, late)
    });
    let seen = |one| outcomes.iter().any(|&(early, late)| early == one || late == one);
    assert!(seen((0, None)) && seen((0, Some(0))) && seen((0, Some(1))) && seen((1, Some(1))));
    assert!(seen((1, Some(0))), "of two relaxed records, the later was seen alone");
}

/// A thread walks the list of segments while another adds one.
fn walk_and_grow() -> usize {
    let store = store(1);
    let walker = {
        let store = store.clone();
        thread::spawn(move || {
            let lessee = Lessee::new(&store);
            lessee.touch()
        })
    };
    let gauge = Line::new(&store).unwrap();
    let walked = walker.join().unwrap();
    drop(gauge);
    assert!(1 <= walked && walked <= 2, "the walk has lost a segment: {walked}");
    walked
}

#[test]
fn a_walk_of_the_segments_misses_no_older_one() {
    let outcomes = explore("growth against pre-faulting", 5, walk_and_grow);
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn twin_adding_a_segment_relaxed() {
    must_fail_without(Edge::SegmentAdd, || _ = walk_and_grow());
}

#[test]
fn twin_finding_a_segment_relaxed() {
    must_fail_without(Edge::SegmentFind, || _ = walk_and_grow());
}

/// Two threads register the same series: there is one, and it has both counts.
#[test]
fn a_series_registered_twice_at_once_is_one() {
    explore("one series from two threads", 60, || {
        let store: Arc<Store> = store(2);
        let registry = Arc::new(registry(&store));
        let other = {
            let (store, registry) = (store.clone(), registry.clone());
            thread::spawn(move || {
                let counter = registry.counter("c").register().unwrap();
                counter.add_at(&Lessee::new(&store), 1);
            })
        };
        registry.counter("c").register().unwrap().add_at(&Lessee::new(&store), 1);
        other.join().unwrap();
        assert_eq!(registry.snapshot().counter("c", &[]), Some(2));
        assert_eq!(registry.snapshot().len(), 1);
    });
}
