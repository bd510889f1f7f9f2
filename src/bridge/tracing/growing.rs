//! A table that only grows, and is read without a lock.
//!
//! Each of its parts is four times as large as the one before, and is filled up to one half.
//! Nothing is ever moved or removed, so that what was found stays valid as long as the table: no
//! count, no pin.
#![forbid(unsafe_code)]

use crate::sync::{self, AtomicUsize, Mutex, Ordering::Relaxed};
use std::sync::OnceLock;

const LEAST_SLOTS: usize = 64;
const GROWTH: usize = 4;

/// Values that are found by their hash, of which the upper half counts.
pub(super) struct Growing<T> {
    first: Part<T>,
    len: AtomicUsize,
    limit: AtomicUsize,
    growth: Mutex<()>,
}

struct Part<T> {
    slots: Box<[OnceLock<T>]>,
    next: OnceLock<Box<Part<T>>>,
}

impl<T> Growing<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            first: Part::new(LEAST_SLOTS),
            len: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            growth: Mutex::new(()),
        }
    }

    /// The value with this hash that `is` holds of. Wait-free, allocates nothing.
    #[inline]
    pub(super) fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        self.parts().find_map(|part| part.held_from(hash).find(|&held| is(held)))
    }

    /// The same, made from the number of values if it is not there; `None` if the limit is reached,
    /// which takes no lock. Where `make` has none to give, that is the limit from then on.
    #[cold]
    #[inline(never)]
    pub(super) fn find_or_add(
        &self,
        hash: u64,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce(usize) -> Option<T>,
    ) -> Option<&T> {
        if self.is_full() {
            return self.find(hash, is);
        }
        let _growing = sync::lock(&self.growth);
        if let Some(found) = self.find(hash, is) {
            return Some(found);
        }
        let len = self.len();
        if self.is_full() {
            return None;
        }
        let Some(value) = make(len) else {
            self.limit.store(len, Relaxed);
            return None;
        };
        let slot = self.part_with_room(len).slots_from(hash).find(|slot| slot.get().is_none());
        self.len.store(len + 1, Relaxed);
        Some(sync::set_once(slot.expect("half of the slots are free"), value))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts().flat_map(|part| part.slots.iter().filter_map(OnceLock::get))
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Relaxed: who is late by one value finds out under the lock.
    fn is_full(&self) -> bool {
        self.len() >= self.limit.load(Relaxed)
    }

    fn parts(&self) -> impl Iterator<Item = &Part<T>> {
        std::iter::successors(Some(&self.first), |part| part.next.get().map(|next| &**next))
    }

    fn part_with_room(&self, mut len: usize) -> &Part<T> {
        let mut part = &self.first;
        while len >= part.slots.len() / 2 {
            len -= part.slots.len() / 2;
            part = part.next();
        }
        part
    }
}

impl<T> Part<T> {
    fn new(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| OnceLock::new()).collect(), next: OnceLock::new() }
    }

    /// The next part, which is made if it is not there.
    fn next(&self) -> &Self {
        match self.next.get() {
            Some(next) => next,
            None => {
                let next = Self::new(self.slots.len() * GROWTH);
                sync::set_once(&self.next, Box::new(next)).as_ref()
            }
        }
    }

    #[inline]
    fn slots_from(&self, hash: u64) -> impl Iterator<Item = &OnceLock<T>> {
        let mask = self.slots.len() - 1;
        let first = (hash >> 32) as usize;
        (0..self.slots.len()).map(move |at| &self.slots[first.wrapping_add(at) & mask])
    }

    /// A value lies in the first slot from its hash on that was free.
    #[inline]
    fn held_from(&self, hash: u64) -> impl Iterator<Item = &T> {
        self.slots_from(hash).map_while(OnceLock::get)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Few bits, so that many begin at the same slot.
    fn hash(value: u64) -> u64 {
        (value % 7) << 32
    }

    fn add(table: &Growing<u64>, value: u64) -> Option<u64> {
        table.find_or_add(hash(value), |held| *held == value, |_| Some(value)).copied()
    }

    fn find(table: &Growing<u64>, value: u64) -> Option<u64> {
        table.find(hash(value), |held| *held == value).copied()
    }

    #[test]
    fn what_was_added_stays_while_the_table_grows() {
        let table = Growing::new(usize::MAX);
        for value in 0..1_000 {
            assert_eq!(find(&table, value), None);
            assert_eq!(add(&table, value), Some(value));
            assert_eq!(add(&table, value), Some(value));
            assert_eq!(table.iter().count() as u64, value + 1);
        }
        assert!((0..1_000).all(|value| find(&table, value) == Some(value)));
    }

    #[test]
    fn a_value_is_made_once_whoever_asks_at_the_same_time() {
        let (table, made) = (Growing::new(usize::MAX), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for value in 0..500_u64 {
                        let make = |number| {
                            made.lock().unwrap().push(value);
                            Some((value, number))
                        };
                        let is = |held: &(u64, usize)| held.0 == value;
                        let added = table.find_or_add(hash(value), is, make).copied();
                        assert_eq!(table.find(hash(value), is).copied(), added);
                    }
                });
            }
        });
        assert_eq!(made.into_inner().unwrap(), Vec::from_iter(0..500));
    }

    #[test]
    fn a_full_table_finds_what_it_has_and_takes_no_lock() {
        let table = Growing::new(2);
        assert_eq!((add(&table, 1), add(&table, 2), add(&table, 3)), (Some(1), Some(2), None));
        let _growing = sync::lock(&table.growth);
        std::thread::scope(|scope| {
            let found = scope.spawn(|| (add(&table, 1), add(&table, 3)));
            assert_eq!(found.join().unwrap(), (Some(1), None));
        });
    }

    #[test]
    fn a_table_whose_values_cannot_be_made_is_full() {
        let table = Growing::new(usize::MAX);
        assert_eq!(add(&table, 1), Some(1));
        assert_eq!(table.find_or_add(hash(2), |held| *held == 2, |_| None), None);
        assert_eq!((add(&table, 1), add(&table, 3)), (Some(1), None));
    }
}
