//! A slot from its last handle to its next series.

use super::{explore, must_fail, registry, store};
use crate::metric::{Counter, TypedFamily};
use crate::registry::Registry;
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

type Family = TypedFamily<Counter, (bool,)>;

/// The members of a family, which share a run of cells, are dropped by two threads, each of which has
/// recorded to its own; then another registry registers such a family.
fn reuse_neighbours(copy: fn(&Counter) -> Counter, forget: bool) -> bool {
    let store = store(2);
    let family = |registry: &Registry| -> Family {
        registry.counter("c").typed_family(["a"]).register().unwrap()
    };
    let first = registry(&store);
    let members = family(&first);
    let recorder = {
        let (store, member) = (store.clone(), copy(&members.with((true,))));
        thread::spawn(move || {
            member.add_at(&Lessee::new(&store), 1);
            if forget {
                std::mem::forget(member);
            }
        })
    };
    members.with((false,)).add_at(&Lessee::new(&store), 4);
    let address = members.with((true,)).cells().address();
    drop((members, first));

    let second = registry(&store);
    let members = family(&second);
    let reused = members.with((true,)).cells().address() == address;
    let counts = || {
        let snapshot = second.snapshot();
        ["false", "true"].map(|a| snapshot.counter("c", &[("a", a)]).unwrap())
    };
    assert_eq!(counts(), [0, 0], "a new series begins with a count");
    members.with((true,)).add_at(&Lessee::new(&store), 2);
    recorder.join().unwrap();
    assert_eq!(counts(), [0, 2], "a stranger's count");
    reused
}

#[test]
fn a_reused_run_is_as_new() {
    let outcomes = explore("reuse of a run", 100, || reuse_neighbours(Counter::clone, false));
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [false, true]);
}

#[test]
fn twin_a_member_that_is_not_counted() {
    must_fail("an uncounted member", || _ = reuse_neighbours(Counter::uncounted, true));
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
    let outcomes = explore("touching against clearing", 60, || {
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
