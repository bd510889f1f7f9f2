//! Tables that are looked up without a lock, while others add to them and remove from them.
//!
//! ```text
//! Lookup -> [ Table: slots ]     a power of two of them, at most half in use
//!                |  |  |
//!             Entry . Removed    an entry lies in the first slot from its hash on that was free
//! ```
//!
//! | who | does | how |
//! |---|---|---|
//! | a reader | follows the table and its slots, pinned | two loads with Acquire, no store that is shared |
//! | a writer, one at a time | adds an entry, removes one, replaces the table | stores with Release; what was replaced or removed is freed when nobody is pinned any more that was then |
//!
//! A reader that still has the table which was replaced finds in it all that was there then, and what
//! it does not find it looks for again under the writers' lock. A removed entry's slot stays taken,
//! since entries behind it were put there because of it; the next table leaves it out.
//!
//! The only file that knows how crossbeam-epoch is used; `sync.rs` names it.

use crate::sync::{self, AtomicPtr, Edge, Ordering::Relaxed, Pinned, Witness, pin};
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::{self, NonNull};

const LEAST_SLOTS: usize = if cfg!(all(loom, test)) { 2 } else { 16 };

/// Values that are found by their hash.
pub(crate) struct Lookup<T: Send + Sync + 'static> {
    table: AtomicPtr<Table<T>>,
}

struct Table<T> {
    slots: Box<[AtomicPtr<Entry<T>>]>,
    /// For models.
    witness: Witness,
}

struct Entry<T> {
    hash: u64,
    value: T,
}

/// What writers keep, behind the lock that makes them one at a time.
#[derive(Default)]
pub(crate) struct Writer {
    /// Entries, and slots that removed ones have left.
    slots_taken: usize,
    entries: usize,
}

impl Writer {
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }
}

/// A value that stays valid as long as this does, whoever removes it meanwhile.
pub(crate) struct Found<'l, T> {
    value: NonNull<T>,
    _guard: Pinned,
    lookup: PhantomData<&'l T>,
}

impl<T> Found<'_, T> {
    /// A value that is in no table.
    pub(crate) fn outside<'l>(value: &'l T) -> Found<'l, T> {
        Found { value: NonNull::from(value), _guard: pin(), lookup: PhantomData }
    }
}

impl<T> Deref for Found<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the guard was there before the value was found, and is still; or the value is outside
        // of tables, and borrowed.
        unsafe { self.value.as_ref() }
    }
}

/// Frees what was removed, by whomever, as far as nobody can be reading it. Without it, that waits until
/// threads have looked up a hundred times more.
pub(crate) fn free_removed() {
    // What was removed in one epoch may be freed two later, and each call may begin one.
    (0..3).for_each(|_| pin().flush());
}

/// Whatever is to be freed later, by whichever thread.
struct Garbage<T>(NonNull<T>);

// SAFETY: it is a box that nobody else frees, of what may be sent.
unsafe impl<T: Send> Send for Garbage<T> {}

impl<T: Send + 'static> Garbage<T> {
    /// # Safety
    ///
    /// `value` is a leaked box that nobody finds any more, nor frees.
    unsafe fn free_later(value: NonNull<T>, guard: &Pinned) {
        let garbage = Self(value);
        sync::free_after(Edge::Grace, guard, move || {
            let Garbage(value) = { garbage };
            // SAFETY: a leaked box, and nobody is left who has found it.
            drop(unsafe { Box::from_raw(value.as_ptr()) });
        });
    }
}

impl<T> Table<T> {
    fn leaked(slots: usize) -> NonNull<Self> {
        let slots = (0..slots).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        NonNull::from(Box::leak(Box::new(Self { slots, witness: Witness::new() })))
    }

    /// All slots, from the one that `hash` begins with.
    fn from(&self, hash: u64) -> impl Iterator<Item = &AtomicPtr<Entry<T>>> {
        // The upper bits, which the multiplications of a hash have mixed best.
        let mask = self.slots.len() - 1;
        let first = (hash >> 32) as usize;
        (0..self.slots.len()).map(move |at| &self.slots[first.wrapping_add(at) & mask])
    }
}

impl<T: Send + Sync + 'static> Lookup<T> {
    pub(crate) fn new() -> Self {
        Self { table: AtomicPtr::new(Table::leaked(LEAST_SLOTS).as_ptr()) }
    }

    /// The value with this hash that `is` holds of, if it is found without the writers' lock.
    ///
    /// Lock-free; a removal or an addition meanwhile may be seen or not.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<Found<'_, T>> {
        let guard = pin();
        // SAFETY: pinned before the table was loaded.
        let table = unsafe { self.table() };
        for slot in table.from(hash) {
            // ORDERING: Acquire, so that the entry is seen as it was made; pairs with the Release in
            // `add`.
            let entry = slot.load(sync::acquire(Edge::EntryFind));
            if entry == Self::removed() {
                continue;
            }
            // SAFETY: null, or an entry, which is not freed while the guard is there.
            let entry = unsafe { entry.as_ref() }?;
            if entry.hash == hash && is(&entry.value) {
                let value = NonNull::from(&entry.value);
                return Some(Found { value, _guard: guard, lookup: PhantomData });
            }
        }
        None
    }

    /// Adds a value that is not there.
    pub(crate) fn add(&self, writer: &mut Writer, hash: u64, value: T) {
        let entry = Box::new(Entry { hash, value });
        if (writer.slots_taken + 1) * 2 > self.slots() {
            self.replace_table(writer);
        }
        // SAFETY: only writers replace the table, and `writer` is borrowed.
        let table = unsafe { self.table() };
        let slot = table.from(hash).find(|slot| sync::load_pointer_by_owner(slot).is_null());
        let slot = slot.expect("half of the slots are free");
        // ORDERING: Release makes the entry visible with its address; pairs with the Acquire in `find`.
        slot.store(Box::into_raw(entry), sync::release(Edge::EntryAdd));
        writer.slots_taken += 1;
        writer.entries += 1;
    }

    /// Removes the value with this hash that `is` holds of; `each` is told before it can be freed.
    pub(crate) fn remove(
        &self,
        writer: &mut Writer,
        hash: u64,
        is: impl Fn(&T) -> bool,
        each: impl FnMut(&T),
    ) -> bool {
        // SAFETY: only writers replace the table, and `writer` is borrowed.
        let slots = unsafe { self.table() }.from(hash);
        let until_the_first_free_one =
            slots.take_while(|slot| !sync::load_pointer_by_owner(slot).is_null());
        self.remove_from(until_the_first_free_one, writer, is, each)
    }

    /// Removes all values that `is_to_go` holds of.
    pub(crate) fn remove_all(
        &self,
        writer: &mut Writer,
        is_to_go: impl FnMut(&T) -> bool,
        each: impl FnMut(&T),
    ) {
        // SAFETY: as in `remove`.
        let slots = unsafe { self.table() }.slots.iter();
        self.remove_from(slots, writer, is_to_go, each);
    }

    fn remove_from<'s>(
        &self,
        slots: impl Iterator<Item = &'s AtomicPtr<Entry<T>>>,
        writer: &mut Writer,
        mut is_to_go: impl FnMut(&T) -> bool,
        mut each: impl FnMut(&T),
    ) -> bool {
        let guard = pin();
        let before = writer.entries;
        for slot in slots {
            let Some(entry) = Self::entry(sync::load_pointer_by_owner(slot)) else { continue };
            // SAFETY: entries are freed after a writer has removed them, and this writer is the one.
            let value = unsafe { &entry.as_ref().value };
            if !is_to_go(value) {
                continue;
            }
            // Relaxed: who sees it reads nothing through it.
            slot.store(Self::removed(), Relaxed);
            writer.entries -= 1;
            each(value);
            // SAFETY: leaked by `add`, and no slot leads to it any more.
            unsafe { Garbage::free_later(entry, &guard) };
        }
        if writer.entries != before {
            // So that it is freed also if this thread never comes again.
            guard.flush();
        }
        writer.entries != before
    }

    /// Puts a table without the slots of removed entries, and with room for more, in the place of this
    /// one.
    fn replace_table(&self, writer: &mut Writer) {
        let slots = ((writer.entries + 1) * 4).next_power_of_two().max(LEAST_SLOTS);
        let new = Table::leaked(slots);
        // SAFETY: just made, and not freed before another writer replaces it.
        let table = unsafe { new.as_ref() };
        let guard = pin();
        let old = NonNull::new(sync::load_pointer_by_owner(&self.table)).expect("never null");
        // SAFETY: only writers replace the table, and `writer` is borrowed.
        let slots = unsafe { &old.as_ref().slots };
        let entries = slots.iter().map(sync::load_pointer_by_owner).filter_map(Self::entry);
        for entry in entries {
            // SAFETY: as in `remove`.
            let hash = unsafe { entry.as_ref() }.hash;
            let slot = table.from(hash).find(|slot| sync::load_pointer_by_owner(slot).is_null());
            // Relaxed: the table is published as a whole.
            slot.expect("there is room for four times as many").store(entry.as_ptr(), Relaxed);
        }
        // ORDERING: Release makes the slots and their entries visible with the table; pairs with the
        // Acquire in `table`.
        self.table.store(new.as_ptr(), sync::release(Edge::TableReplace));
        writer.slots_taken = writer.entries;
        // SAFETY: leaked when it was made, and not found any more.
        unsafe { Garbage::free_later(old, &guard) };
        guard.flush();
    }

    fn slots(&self) -> usize {
        let _guard = pin();
        // SAFETY: pinned before the table is loaded.
        unsafe { self.table() }.slots.len()
    }

    /// # Safety
    ///
    /// The calling thread is pinned, or no other one can replace the table, for as long as the table is
    /// used.
    #[inline(always)]
    unsafe fn table(&self) -> &Table<T> {
        // ORDERING: Acquire, so that the table is seen as it was made; pairs with the Release in
        // `replace_table`.
        let table = self.table.load(sync::acquire(Edge::EntryFind));
        // SAFETY: never null, and not freed, as the caller says.
        let table = unsafe { &*table };
        table.witness.read();
        table
    }

    /// What stands in the slot of an entry that was removed.
    fn removed() -> *mut Entry<T> {
        ptr::without_provenance_mut(align_of::<Entry<T>>())
    }

    fn entry(in_slot: *mut Entry<T>) -> Option<NonNull<Entry<T>>> {
        NonNull::new(in_slot).filter(|entry| entry.as_ptr() != Self::removed())
    }
}

impl<T: Send + Sync + 'static> Drop for Lookup<T> {
    fn drop(&mut self) {
        // Relaxed: nobody else is here.
        let table = self.table.load(Relaxed);
        // SAFETY: leaked when it was made; what was replaced before is freed by others.
        let table = unsafe { Box::from_raw(table) };
        for entry in table.slots.iter().filter_map(|slot| Self::entry(slot.load(Relaxed))) {
            // SAFETY: leaked by `add`, and in one slot only.
            drop(unsafe { Box::from_raw(entry.as_ptr()) });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::AtomicUsize;
    use std::collections::HashMap;
    use std::sync::Mutex;

    /// On the heap, so that a use after it was freed is seen.
    struct Passing(Box<[u64; 1]>);

    /// Few bits, so that many begin at the same slot.
    fn hash(value: u64) -> u64 {
        (value % 5) << 32
    }

    #[test]
    fn what_was_added_is_found_and_what_was_removed_is_not() {
        let (lookup, mut writer) = (Lookup::new(), Writer::default());
        let mut expected = HashMap::new();
        let rounds = if cfg!(miri) { 30 } else { 400 };
        for round in 0..rounds {
            let value = round * 7919 % 97_u64;
            if expected.remove(&value).is_some() {
                let is = |held: &u64| *held == value;
                assert!(
                    lookup.remove(&mut writer, hash(value), is, |held| assert_eq!(*held, value))
                );
            } else {
                lookup.add(&mut writer, hash(value), value);
                expected.insert(value, ());
            }
            assert_eq!(writer.entries(), expected.len());
            for value in 0..97 {
                let found = lookup.find(hash(value), |held| *held == value);
                assert_eq!(found.map(|found| *found), expected.get(&value).map(|()| value));
            }
        }
    }

    #[test]
    fn readers_find_what_stays_while_others_come_and_go() {
        let (lookup, writer) = (Lookup::new(), Mutex::new(Writer::default()));
        let add = |value: u64| {
            lookup.add(&mut writer.lock().unwrap(), hash(value), Passing(Box::new([value])))
        };
        (0..20).for_each(add);
        let is_done = AtomicUsize::new(0);
        let rounds = if cfg!(miri) { 20 } else { 20_000 };
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while is_done.load(Relaxed) == 0 {
                        for value in 0..20 {
                            let found = lookup.find(hash(value), |held| held.0[0] == value);
                            assert_eq!(found.map(|found| found.0[0]), Some(value));
                        }
                        let passing = lookup.find(hash(100), |held| held.0[0] == 100);
                        if let Some(passing) = passing {
                            assert_eq!(passing.0[0], 100);
                        }
                    }
                });
            }
            for _ in 0..rounds {
                add(100);
                let is = |held: &Passing| held.0[0] == 100;
                lookup.remove(&mut writer.lock().unwrap(), hash(100), is, |_| ());
            }
            is_done.store(1, Relaxed);
        });
    }
}
