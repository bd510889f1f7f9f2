//! Families: look-ups against growth, removal and series that leave.

use super::{explore, must_fail, must_fail_without, registry, store};
use crate::family::Family;
use crate::metric::Counter;
use crate::registry::Registry;
use crate::store::{Lessee, Lookup, Writer};
use crate::sync::{Arc, Edge, Witness};
use loom::thread;
use std::time::Duration;

/// A number of which loom checks that it is read after it was made and before it is dropped.
struct Watched(u64, Witness);

impl Watched {
    fn new(value: u64) -> Self {
        Self(value, Witness::new())
    }

    fn is(&self, value: u64) -> bool {
        self.1.read();
        self.0 == value
    }
}

/// A reader looks for 1 and 2 while a writer adds 2, for which it makes a larger table.
fn growth() -> bool {
    let lookup = Arc::new(Lookup::new());
    let mut writer = Writer::default();
    lookup.add(&mut writer, 0, Watched::new(1));
    let reader = {
        let lookup = lookup.clone();
        thread::spawn(move || {
            assert!(lookup.find(0, |value| value.is(1)).is_some(), "what is there is not found");
            lookup.find(0, |value| value.is(2)).is_some()
        })
    };
    lookup.add(&mut writer, 0, Watched::new(2));
    let found = reader.join().unwrap();
    assert!([1, 2].iter().all(|value: &u64| lookup.find(0, |held| held.is(*value)).is_some()));
    found
}

#[test]
fn a_lookup_finds_what_is_there_while_the_table_grows() {
    let outcomes = explore("lookup against growth", 60, growth);
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [false, true]);
}

#[test]
fn twin_finding_an_entry_relaxed() {
    must_fail_without(Edge::EntryFind, || _ = growth());
}

#[test]
fn twin_replacing_a_table_relaxed() {
    must_fail_without(Edge::TableReplace, || _ = growth());
}

/// A reader holds what a writer adds and removes; the table has room for it.
fn removal() -> bool {
    let lookup = Arc::new(Lookup::new());
    let writer = {
        let lookup = lookup.clone();
        thread::spawn(move || {
            let mut writer = Writer::default();
            lookup.add(&mut writer, 0, Watched::new(1));
            assert!(lookup.remove(&mut writer, 0, |value| value.is(1), |_| ()));
        })
    };
    // LOOM: here, where it takes two preemptions to begin before the writer and to end after it.
    let found = lookup.find(0, |value| value.is(1)).is_some_and(|found| found.is(1));
    writer.join().unwrap();
    assert!(lookup.find(0, |value| value.is(1)).is_none());
    found
}

#[test]
fn what_a_reader_has_found_is_freed_after_it() {
    let outcomes = explore("lookup against removal", 30, removal);
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [false, true]);
}

#[test]
fn twin_adding_an_entry_relaxed() {
    must_fail_without(Edge::EntryAdd, || _ = removal());
}

#[test]
fn twin_freeing_what_is_removed_at_once() {
    must_fail_without(Edge::Grace, || _ = removal());
}

fn family(registry: &Registry) -> Family<Counter, 1> {
    let family = registry.counter("c").family(["k"]).expire_after(Duration::from_secs(1));
    family.register().unwrap()
}

/// A thread records through what it has looked up, as `record` does it, while the series is removed or
/// expires, and snapshots are taken. All deltas together hold what was recorded; returns how often there was
/// no such series, and how much the first snapshot saw.
fn against_a_record(
    remove: fn(&Family<Counter, 1>),
    record: fn(&Family<Counter, 1>, &Lessee<'_>),
) -> (usize, u64) {
    let store = store(2);
    let registry = registry(&store);
    let family = family(&registry);
    family.with(["a"]).add_at(&Lessee::new(&store), 1);
    let recorder = {
        let (store, family) = (store.clone(), family.clone());
        thread::spawn(move || record(&family, &Lessee::new(&store)))
    };
    let mut last = registry.snapshot();
    let count = |snapshot: &crate::snapshot::Snapshot| snapshot.counter("c", &[("k", "a")]);
    let (first, mut absences) = (count(&last).unwrap(), 0);
    let mut total = first;
    remove(&family);
    let mut step = || {
        let next = registry.snapshot();
        absences += usize::from(count(&next).is_none());
        total += count(&next.delta(&last)).unwrap_or(0);
        last = next;
    };
    step();
    step();
    recorder.join().unwrap();
    step();
    assert_eq!(total, 2, "a count was lost, or counted twice");
    (absences, first)
}

fn removed(family: &Family<Counter, 1>) {
    family.remove(["a"]);
}

/// As the collector does it, when the time has come.
fn expired(family: &Family<Counter, 1>) {
    family.expire_idle();
}

fn record(family: &Family<Counter, 1>, lessee: &Lessee<'_>) {
    family.with(["a"]).add_at(lessee, 1);
}

fn record_through_a_kept_handle(family: &Family<Counter, 1>, lessee: &Lessee<'_>) {
    let kept = family.with(["a"]).clone();
    kept.add_at(lessee, 1);
}

#[test]
fn a_series_that_was_just_looked_up_does_not_leave() {
    let outcomes = explore("removal against a record", 200, || against_a_record(removed, record));
    let seen =
        |absent: bool, first: u64| outcomes.iter().any(|o| (o.0 > 0, o.1) == (absent, first));
    assert!(seen(false, 1) && seen(false, 2) && seen(true, 1) && seen(true, 2), "{outcomes:?}");
}

#[test]
fn a_handle_that_is_kept_keeps_its_series() {
    let outcomes = explore("removal against a kept handle", 200, || {
        against_a_record(removed, record_through_a_kept_handle)
    });
    assert!(outcomes.iter().any(|&(absences, _)| absences > 0), "{outcomes:?}");
}

#[test]
fn an_idle_series_that_is_looked_up_as_it_expires_loses_nothing() {
    let outcomes = explore("expiry against a record", 200, || against_a_record(expired, record));
    assert!(outcomes.iter().any(|&(absences, _)| absences > 0), "{outcomes:?}");
    assert!(outcomes.iter().any(|&(absences, _)| absences == 0), "{outcomes:?}");
}

#[test]
fn a_series_whose_handle_is_kept_does_not_expire() {
    let outcomes = explore("expiry against a kept handle", 200, || {
        against_a_record(expired, record_through_a_kept_handle)
    });
    assert!(outcomes.iter().any(|&(absences, _)| absences == 0), "{outcomes:?}");
}

#[test]
fn twin_recording_through_a_handle_that_is_not_counted() {
    for remove in [removed, expired] {
        must_fail("an uncounted handle of a family", move || {
            against_a_record(remove, |family, lessee| {
                let uncounted = family.with(["a"]).uncounted();
                uncounted.add_at(lessee, 1);
                std::mem::forget(uncounted);
            });
        });
    }
}
