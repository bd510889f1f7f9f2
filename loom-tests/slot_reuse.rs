//! A slot from its last handle to its next series.

use super::{explore, must_fail, registry, store};
use crate::metric::Counter;
use crate::store::Lessee;
use loom::thread;

/// A registry is dropped while a thread still records through a handle of its own; then the next
/// one registers. The slot may be that of the first, and must be as new.
fn reuse(copy: fn(&Counter) -> Counter, forget: bool) -> bool {
    let store = store(2);
    let first = registry(&store);
    let counter = first.counter("c").register().unwrap();
    let recorder = {
        let (store, counter) = (store.clone(), copy(&counter));
        thread::spawn(move || {
            counter.add_at(&Lessee::new(&store), 1);
            if forget {
                std::mem::forget(counter);
            }
        })
    };
    let address = counter.cells().address();
    drop(counter);
    drop(first);

    let second = registry(&store);
    let counter = second.counter("c").register().unwrap();
    let reused = counter.cells().address() == address;
    assert_eq!(second.snapshot().counter("c", &[]), Some(0), "a new series begins with a count");
    counter.add_at(&Lessee::new(&store), 2);
    recorder.join().unwrap();
    assert_eq!(second.snapshot().counter("c", &[]), Some(2), "a stranger's count");
    reused
}

#[test]
fn a_reused_slot_is_as_new() {
    let outcomes = explore("slot reuse", 100, || reuse(Counter::clone, false));
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [false, true]);
}

#[test]
fn twin_a_handle_that_is_not_counted() {
    must_fail("an uncounted handle", || _ = reuse(Counter::uncounted, true));
}

/// A thread touches its pages, the slot's among them, while the slot is cleared and used again.
fn touch_and_clear(touch: fn(&Lessee<'_>, &Counter)) -> bool {
    let store = store(2);
    let first = registry(&store);
    let counter = first.counter("c").register().unwrap();
    let toucher = {
        let (store, counter) = (store.clone(), counter.clone());
        thread::spawn(move || {
            let lessee = Lessee::new(&store);
            counter.add_at(&lessee, 1);
            let uncounted = counter.uncounted();
            drop(counter);
            touch(&lessee, &uncounted);
            std::mem::forget(uncounted);
        })
    };
    let address = counter.cells().address();
    drop(counter);
    drop(first);
    let second = registry(&store);
    let counter = second.counter("c").register().unwrap();
    let reused = counter.cells().address() == address;
    toucher.join().unwrap();
    assert_eq!(second.snapshot().counter("c", &[]), Some(0), "a new series begins with a count");
    reused
}

#[test]
fn touching_pages_brings_no_old_count_back() {
    let outcomes = explore("touching against clearing", 70, || {
        touch_and_clear(|lessee, _| _ = lessee.touch())
    });
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [false, true]);
}

#[test]
fn twin_touching_by_a_plain_store() {
    must_fail("touching by a plain store", || {
        touch_and_clear(|lessee, counter| _ = counter.add_at(lessee, 0));
    });
}
