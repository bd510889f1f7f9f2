//! How snapshots get from the flusher to the delivery threads, and what the last one holds.

use super::{explore, must_fail, registry, store};
use crate::client::{Handover, Order, Orders, Taken};
use crate::snapshot::Moment;
use crate::store::Lessee;
use crate::sync::{Arc, Mutex, Parker};
use loom::thread;
use std::time::Instant;

/// A hand-over, or a broken one.
trait Place: Send + Sync + 'static {
    fn put(&self, item: u64, parker: &Parker);
    fn put_back(&self, item: u64);
    fn close(&self, last: u64, parker: &Parker);
    fn take(&self) -> Taken<u64>;
}

/// The flusher puts 1 and 2 and closes with 3; the delivery thread's first attempt fails. Returns
/// what was attempted.
///
/// LOOM: a wake-up that is lost, as by waking the thread before the snapshot is there, ends in a
/// deadlock. loom reports it, and takes the process down with it: there can be no twin of that.
fn hand_over<P: Place>(place: P) -> Vec<u64> {
    let place = Arc::new(place);
    let parker = Arc::new(Parker::new());
    let delivering = {
        let (place, parker) = (place.clone(), parker.clone());
        thread::spawn(move || {
            let mut attempted: Vec<u64> = Vec::new();
            loop {
                match place.take() {
                    Taken::Item { item, is_last } => {
                        attempted.push(item);
                        assert!(!is_last || item == 3, "3 is the last");
                        if attempted.len() == 1 {
                            place.put_back(item);
                        }
                    }
                    Taken::End => return attempted,
                    Taken::Later | Taken::Nothing => parker.park(),
                }
            }
        })
    };
    place.put(1, &parker);
    place.put(2, &parker);
    place.close(3, &parker);
    let attempted = delivering.join().unwrap();
    assert!(attempted.is_sorted(), "an older snapshot came after a newer one: {attempted:?}");
    assert_eq!(attempted.last(), Some(&3), "the last snapshot was lost");
    attempted
}

impl Place for Handover<u64> {
    fn put(&self, item: u64, parker: &Parker) {
        Handover::put(self, item, false);
        parker.unparker().unpark();
    }

    fn put_back(&self, item: u64) {
        Handover::put_back(self, item);
    }

    fn close(&self, last: u64, parker: &Parker) {
        Handover::close(self, Some(last), Instant::now());
        parker.unparker().unpark();
    }

    fn take(&self) -> Taken<u64> {
        Handover::take(self, false)
    }
}

#[test]
fn the_newest_snapshot_replaces_the_waiting_one_and_the_last_is_never_lost() {
    let outcomes = explore("hand-over", 50, || hand_over(Handover::new()));
    let all = [vec![1, 1, 2, 3], vec![1, 1, 3], vec![1, 3], vec![2, 2, 3], vec![2, 3], vec![3, 3]];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), all);
}

/// Puts a failed snapshot back whatever is there.
struct PutsBackBlindly(Mutex<Option<u64>>, Handover<u64>);

impl Place for PutsBackBlindly {
    fn put(&self, item: u64, parker: &Parker) {
        *self.0.lock().unwrap() = Some(item);
        parker.unparker().unpark();
    }

    fn put_back(&self, item: u64) {
        *self.0.lock().unwrap() = Some(item);
    }

    fn close(&self, last: u64, parker: &Parker) {
        self.put(last, parker);
        self.1.close(None, Instant::now());
        parker.unparker().unpark();
    }

    fn take(&self) -> Taken<u64> {
        match self.0.lock().unwrap().take() {
            Some(item) => Taken::Item { item, is_last: false },
            None => self.1.take(false),
        }
    }
}

#[test]
fn twin_putting_a_failed_snapshot_back_over_a_newer_one() {
    must_fail("putting back blindly", || {
        let place = PutsBackBlindly(Mutex::new(None), Handover::new());
        hand_over(place);
    });
}

/// A thread records and has the flusher stop, while the flusher may be at a flush. Returns what each
/// snapshot held.
fn stop_after_a_record(collects_first: bool) -> Vec<u64> {
    let store = store(1);
    let registry = Arc::new(registry(&store));
    let counter = registry.counter("c").register().unwrap();
    let (orders, parker) = (Arc::new(Orders::new()), Arc::new(Parker::new()));
    let flusher = {
        let (registry, orders, parker) = (registry.clone(), orders.clone(), parker.clone());
        thread::spawn(move || {
            let mut held = Vec::new();
            loop {
                let early = collects_first.then(|| registry.publish(Moment::now));
                let Some(order) = orders.begin(false) else {
                    parker.park();
                    continue;
                };
                let snapshot = early.unwrap_or_else(|| registry.publish(Moment::now));
                held.push(snapshot.counter("c", &[]).unwrap());
                if let Order::Last { .. } = order {
                    return held;
                }
            }
        })
    };
    let lessee = Lessee::new(&store);
    let number = orders.request();
    parker.unparker().unpark();
    counter.add_at(&lessee, 1);
    orders.stop(Instant::now());
    parker.unparker().unpark();
    let held = flusher.join().unwrap();
    assert_eq!(held.last(), Some(&1), "the last snapshot misses what was recorded before the stop");
    assert_eq!(registry.latest().unwrap().counter("c", &[]), Some(1));
    assert!(number == 1 && held.len() <= 2);
    held
}

#[test]
fn what_was_recorded_before_the_stop_is_in_the_last_snapshot() {
    let outcomes = explore("stop after a record", 20, || stop_after_a_record(false));
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [vec![0, 1], vec![1], vec![1, 1]]);
}

#[test]
fn twin_collecting_before_looking_for_orders() {
    must_fail("collecting first", || _ = stop_after_a_record(true));
}

/// A flush that is under way when another one is asked for does not count as that one.
fn flush_asked_for_during_another(counts_begun: bool) -> u64 {
    let store = store(1);
    let registry = Arc::new(registry(&store));
    let counter = registry.counter("c").register().unwrap();
    let orders = Arc::new(Orders::new());
    let done = Arc::new((Mutex::new((0, 0)), Parker::new()));
    let flusher = {
        let (registry, orders, done) = (registry.clone(), orders.clone(), done.clone());
        thread::spawn(move || {
            // The first is a tick; the second may have to be waited for.
            let mut is_due = true;
            for _ in 0..2 {
                let number = loop {
                    match orders.begin(is_due) {
                        Some(Order::Flush { number, .. }) => break number,
                        Some(Order::Last { .. }) => unreachable!("nobody stops it"),
                        None => thread::yield_now(),
                    }
                };
                is_due = false;
                let snapshot = registry.publish(Moment::now);
                *done.0.lock().unwrap() = (number, snapshot.counter("c", &[]).unwrap());
                done.1.unparker().unpark();
            }
        })
    };
    let lessee = Lessee::new(&store);
    counter.add_at(&lessee, 1);
    let asked = orders.request();
    let wanted = if counts_begun { asked - 1 } else { asked };
    let number = loop {
        let (number, held) = *done.0.lock().unwrap();
        if number >= wanted.max(1) {
            assert_eq!(held, 1, "a flush that was asked for misses what was recorded before");
            break number;
        }
        done.1.park();
    };
    if number == 1 {
        // The flusher still waits for its second order.
        orders.request();
    }
    flusher.join().unwrap();
    number
}

#[test]
fn a_flush_asked_for_holds_what_was_recorded_before() {
    let outcomes = explore("flush asked for", 10, || flush_asked_for_during_another(false));
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn twin_taking_a_flush_under_way_for_the_one_asked_for() {
    must_fail("a flush under way", || _ = flush_asked_for_during_another(true));
}
