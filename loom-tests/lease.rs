//! Handing a shard from one thread to the next.

use super::{explore, must_fail, must_fail_without, store};
use crate::metric::Counter;
use crate::store::{Late, Lessee, Scalar, Store};
use crate::sync::{Arc, Edge};
use loom::thread;

fn counter(store: &Arc<Store>) -> Counter {
    Counter::over(Scalar::new(store).unwrap())
}

fn total(store: &Store, counter: &Counter) -> u64 {
    store.shards().map(|shard| counter.cells().load(shard)).sum()
}

/// One thread after the other: the second may find the first's shard free, with a count in it.
fn hand_over() -> (usize, u64) {
    let store = store(1);
    let counter = counter(&store);
    let second = {
        let (store, counter) = (store.clone(), counter.clone());
        thread::spawn(move || {
            let lessee = Lessee::new(&store);
            counter.add_at(&lessee, 1);
            counter.add_at(&lessee, 1);
            lessee.shard()
        })
    };
    let first = Lessee::new(&store);
    counter.add_at(&first, 1);
    drop(first);
    let seen_early = total(&store, &counter);
    let shard = second.join().unwrap();
    assert_eq!(total(&store, &counter), 3, "a count was lost");
    (shard, seen_early)
}

#[test]
fn a_shard_that_changes_hands_loses_no_count() {
    let outcomes = explore("lease hand-over", 150, hand_over);
    assert!(outcomes.contains(&(1, 1)), "the shard was handed over, late or unseen");
    assert!(outcomes.contains(&(1, 3)), "all was seen before the join");
    assert!(outcomes.contains(&(0, 1)), "the second thread found no shard");
}

#[test]
fn twin_taking_a_shard_relaxed() {
    must_fail_without(Edge::LeaseTake, || _ = hand_over());
}

#[test]
fn twin_giving_a_shard_back_relaxed() {
    must_fail_without(Edge::LeaseReturn, || _ = hand_over());
}

/// The bit of another shard changes between a return and the next lease of the same word.
#[test]
fn a_lease_of_another_shard_in_between_breaks_no_hand_over() {
    let outcomes = explore("lease hand-over across another lease", 1_000, || {
        let store = store(2);
        let counter = counter(&store);
        let threads = [(); 2].map(|()| {
            let (store, counter) = (store.clone(), counter.clone());
            thread::spawn(move || {
                let lessee = Lessee::new(&store);
                counter.add_at(&lessee, 1);
                lessee.shard()
            })
        });
        let first = Lessee::new(&store);
        counter.add_at(&first, 1);
        let own = first.shard();
        drop(first);
        let shards = threads.map(|thread| thread.join().unwrap());
        assert_eq!(total(&store, &counter), 3, "a count was lost");
        (own, shards)
    });
    assert!(outcomes.contains(&(1, [1, 2])) && outcomes.contains(&(2, [1, 2])));
    assert!(outcomes.contains(&(1, [2, 1])) && outcomes.contains(&(1, [1, 1])));
}

/// A thread ends while another starts, and a reader looks twice.
fn exit_snapshot_reuse(leave: fn(&Counter, Lessee<'_>)) -> (u64, u64) {
    let store = store(1);
    let counter = counter(&store);
    let reader = {
        let (store, counter) = (store.clone(), counter.clone());
        thread::spawn(move || (total(&store, &counter), total(&store, &counter)))
    };
    let next = {
        let (store, counter) = (store.clone(), counter.clone());
        thread::spawn(move || {
            counter.add_at(&Lessee::new(&store), 1);
        })
    };
    let lessee = Lessee::new(&store);
    counter.add_at(&lessee, 1);
    leave(&counter, lessee);
    next.join().unwrap();
    let (early, late) = reader.join().unwrap();
    assert!(early <= late, "a later reading shows less");
    assert!(late <= 2, "a count was seen twice");
    assert_eq!(total(&store, &counter), 2, "a count was lost");
    (early, late)
}

#[test]
fn exit_against_snapshot_against_reuse_is_exact() {
    let outcomes =
        explore("exit, snapshot, reuse", 1_000, || exit_snapshot_reuse(|_, lessee| drop(lessee)));
    let all = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), all);
}

#[test]
fn twin_folding_a_leaving_threads_count_into_the_shared_shard() {
    must_fail("fold at exit", || {
        exit_snapshot_reuse(|counter, lessee| {
            counter.add_at(&Late, 1);
            counter.add_at(&lessee, 1_u64.wrapping_neg());
        });
    });
}
