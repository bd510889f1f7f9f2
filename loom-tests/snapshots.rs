//! Collectors among themselves and against writers.

use super::{explore, must_fail, registry, store};
use crate::store::Lessee;
use crate::sync::{Arc, AtomicU64, Ordering::Relaxed};
use loom::thread;

/// Two collectors of one registry; snapshots are ordered by their sequence.
#[test]
fn a_later_snapshot_never_shows_less() {
    let outcomes = explore("two collectors", 100, || {
        let store = store(1);
        let registry = Arc::new(registry(&store));
        let counter = registry.counter("c").register().unwrap();
        let collectors = [(); 2].map(|()| {
            let registry = registry.clone();
            thread::spawn(move || {
                let snapshot = registry.snapshot();
                (snapshot.sequence(), snapshot.counter("c", &[]).unwrap())
            })
        });
        let lessee = Lessee::new(&store);
        counter.add_at(&lessee, 1);
        counter.add_at(&lessee, 1);
        let mut seen = collectors.map(|collector| collector.join().unwrap());
        seen.sort_unstable();
        assert_eq!(seen.map(|(sequence, _)| sequence), [1, 2]);
        assert!(seen[0].1 <= seen[1].1, "the later snapshot shows less");
        assert_eq!(registry.snapshot().counter("c", &[]), Some(2));
        seen.map(|(_, count)| count)
    });
    let all = [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), all);
}

/// Without the collector's lock, two readings can be told apart by a flag and still be out of order.
#[test]
fn twin_two_collectors_without_a_lock() {
    must_fail("collectors ordered by a relaxed flag", || {
        let store = store(1);
        let registry = registry(&store);
        let counter = registry.counter("c").register().unwrap();
        let first_is_done = Arc::new(AtomicU64::new(0));
        let read = {
            let (store, counter) = (store.clone(), counter.clone());
            move || store.shards().map(|shard| counter.cells().load(shard)).sum::<u64>()
        };
        let first = {
            let (read, first_is_done) = (read.clone(), first_is_done.clone());
            thread::spawn(move || {
                let seen = read();
                first_is_done.store(1, Relaxed);
                seen
            })
        };
        let second = {
            let first_is_done = first_is_done.clone();
            thread::spawn(move || (first_is_done.load(Relaxed) == 1).then(read))
        };
        counter.add_at(&Lessee::new(&store), 1);
        let early = first.join().unwrap();
        if let Some(late) = second.join().unwrap() {
            assert!(early <= late, "the later reading shows less");
        }
    });
}

/// A collector that keeps to the shards it knew, though a thread has taken another one since.
#[test]
fn twin_a_stale_number_of_shards() {
    must_fail("a number of shards read too early", || {
        let store = store(1);
        let counter = registry(&store).counter("c").register().unwrap();
        let shards = store.shards();
        let recorder = {
            let (store, counter) = (store.clone(), counter.clone());
            thread::spawn(move || _ = counter.add_at(&Lessee::new(&store), 1))
        };
        recorder.join().unwrap();
        let total: u64 = shards.map(|shard| counter.cells().load(shard)).sum();
        assert_eq!(total, 1, "a count is missing after the join");
    });
}

/// What a thread recorded before it was joined is in the next snapshot, whatever it was.
#[test]
fn a_snapshot_after_a_join_holds_everything() {
    let outcomes = explore("record, join, snapshot", 15, || {
        let store = store(2);
        let registry = Arc::new(registry(&store));
        let recorder = {
            let (registry, store) = (registry.clone(), store.clone());
            thread::spawn(move || {
                let counter = registry.counter("c").register().unwrap();
                counter.add_at(&Lessee::new(&store), 1);
            })
        };
        let early = registry.snapshot();
        recorder.join().unwrap();
        assert_eq!(registry.snapshot().counter("c", &[]), Some(1));
        early.counter("c", &[])
    });
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [None, Some(0), Some(1)]);
}
