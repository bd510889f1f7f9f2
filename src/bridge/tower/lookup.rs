//! A table that is read by every request and hardly ever grows.
//!
//! Readers load the newest version, without a lock and without a count that they share. Whoever
//! adds an entry holds the lock, copies the table and publishes the copy.
#![forbid(unsafe_code)]

use crate::sync::{self, Arc, Mutex, Published};
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Hashed with the standard library's keyed hash: keys may come from outside.
pub(super) struct Lookup<K, V> {
    entries: Published<HashMap<K, V>>,
    growth: Mutex<()>,
}

impl<K: Eq + Hash + Clone, V: Clone> Lookup<K, V> {
    pub(super) fn new() -> Self {
        Self { entries: Published::empty(), growth: Mutex::new(()) }
    }

    /// What `read` makes of the value of `key`, if there is one. Lock-free, allocates nothing.
    #[inline]
    pub(super) fn read<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.read(|entries| entries?.get(key).map(read))
    }

    /// The value of `key`, made by `make` from the number of entries if there is none; `None` if
    /// there are `limit` entries already, which takes no lock. Copies the table.
    #[cold]
    pub(super) fn read_or_add<Q>(
        &self,
        key: &Q,
        limit: usize,
        make: impl FnOnce(usize) -> V,
    ) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
    {
        if self.len() >= limit {
            return self.read(key, V::clone);
        }
        let _growing = sync::lock(&self.growth);
        if let Some(value) = self.read(key, V::clone) {
            return Some(value);
        }
        let count = self.len();
        if count >= limit {
            return None;
        }
        let value = make(count);
        let mut entries = self.entries.read(|entries| entries.cloned().unwrap_or_default());
        entries.insert(key.to_owned(), value.clone());
        self.entries.publish(Arc::new(entries));
        Some(value)
    }

    /// The key whose value `is_it`.
    pub(super) fn key_of(&self, is_it: impl Fn(&V) -> bool) -> Option<K> {
        self.entries.read(|entries| {
            let found = entries?.iter().find(|(_, value)| is_it(value));
            found.map(|(key, _)| key.clone())
        })
    }

    fn len(&self) -> usize {
        self.entries.read(|entries| entries.map_or(0, HashMap::len))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_whoever_asks_at_the_same_time() {
        let lookup: Lookup<u64, Arc<u64>> = Lookup::new();
        let made = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for key in 0..200 {
                        let make = |_| {
                            made.lock().unwrap().push(key);
                            Arc::new(key)
                        };
                        assert_eq!(
                            lookup.read_or_add(&key, usize::MAX, make).as_deref(),
                            Some(&key)
                        );
                        assert_eq!(lookup.read(&key, |value| **value), Some(key));
                    }
                });
            }
        });
        assert_eq!(made.into_inner().unwrap(), Vec::from_iter(0..200));
    }

    #[test]
    fn a_full_table_still_finds_what_it_has_and_adds_nothing() {
        let lookup: Lookup<String, usize> = Lookup::new();
        assert_eq!(lookup.read_or_add("a", 2, |count| count), Some(0));
        assert_eq!(lookup.read_or_add("b", 2, |count| count), Some(1));
        assert_eq!(lookup.read_or_add("c", 2, |count| count), None);
        assert_eq!(lookup.read_or_add("b", 2, |_| unreachable!()), Some(1));
        assert_eq!(lookup.read("c", |value| *value), None);
        assert_eq!(lookup.key_of(|value| *value == 1).as_deref(), Some("b"));
    }

    #[test]
    fn whoever_looks_into_a_full_table_waits_for_no_lock() {
        let lookup: Arc<Lookup<u64, u64>> = Arc::new(Lookup::new());
        lookup.read_or_add(&1, 1, |_| 1);
        let _growing = sync::lock(&lookup.growth);
        let (sender, results) = std::sync::mpsc::channel();
        std::thread::spawn({
            let lookup = lookup.clone();
            move || {
                sender.send([lookup.read_or_add(&1, 1, |_| 0), lookup.read_or_add(&2, 1, |_| 0)])
            }
        });
        let found = results.recv_timeout(std::time::Duration::from_secs(30));
        assert_eq!(found, Ok([Some(1), None]));
    }
}
