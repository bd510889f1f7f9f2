//! The shard of those that have none.

use super::{explore, must_fail, store};
use crate::metric::{Counter, UpDownCounter};
use crate::store::{Late, Lessee, Scalar, Store};
use crate::sync::Arc;
use loom::thread;

/// Two threads without a shard record while a third reads.
fn record_twice() -> u64 {
    let store = store(1);
    let counter = Counter::over(Scalar::new(&store).unwrap());
    let other = {
        let counter = counter.clone();
        thread::spawn(move || _ = counter.add_at(&Late, 1))
    };
    let reader = {
        let (store, counter) = (store.clone(), counter.clone());
        thread::spawn(move || store.shards().map(|shard| counter.cells().load(shard)).sum())
    };
    counter.add_at(&Late, 1);
    other.join().unwrap();
    let total: u64 = store.shards().map(|shard| counter.cells().load(shard)).sum();
    assert_eq!(total, 2, "a count was lost");
    reader.join().unwrap()
}

#[test]
fn threads_without_a_shard_lose_no_count() {
    let outcomes = explore("shared shard", 50, record_twice);
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn twin_two_lessees_of_one_shard() {
    must_fail("two lessees of one shard", || {
        let store = store(1);
        let counter = Counter::over(Scalar::new(&store).unwrap());
        let (other_store, other) = (store.clone(), counter.clone());
        let thread = thread::spawn(move || {
            other.add_at(&*std::mem::ManuallyDrop::new(Lessee::intrude(&other_store, 1)), 1);
        });
        counter.add_at(&Lessee::new(&store), 1);
        thread.join().unwrap();
    });
}

/// A thread with a shard and one without, on counters that go up and down.
#[test]
fn a_late_thread_and_a_lessee_add_up() {
    let outcomes = explore("late thread beside a lessee", 5, || {
        let store = store(1);
        let counter = UpDownCounter::over(Scalar::new(&store).unwrap());
        let late = {
            let counter = counter.clone();
            thread::spawn(move || counter.add_at(&Late, -2))
        };
        let lessee = Lessee::new(&store);
        counter.add_at(&lessee, 3);
        let seen = sum(&store, &counter);
        counter.add_at(&lessee, 1);
        late.join().unwrap();
        assert_eq!(sum(&store, &counter), 2);
        seen
    });
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [1, 3]);
}

fn sum(store: &Arc<Store>, counter: &UpDownCounter) -> i64 {
    store.shards().map(|shard| counter.cells().load(shard) as i64).sum()
}
