//! Which shard a thread writes to.
//!
//! `OFFSET` is a constant-initialised `Cell` without a destructor: reading it tests no state and
//! works at any moment of a thread's life, other destructors included. Zero means "no shard":
//!
//! | offset | lease | a record |
//! |---|---|---|
//! | 0 | none yet | takes a shard, or goes to shard 0 when all are taken |
//! | shard x stride | held | goes to that shard |
//! | 0 | given back, the thread is ending | goes to shard 0 |

use super::{PROCESS, Shard, Store};
use std::cell::Cell;

/// Where the calling thread's cells are.
///
/// # Safety
///
/// An offset other than 0 is a shard that the calling thread has leased, times the stride. Slots
/// recorded to through a place are of the store that the lease is of.
pub(crate) unsafe trait Place {
    /// Bytes from a slot to this thread's cell of it, or 0 without a lease.
    fn offset(&self) -> usize;

    /// Takes a lease if there is none, and returns the offset, 0 if there is none to be had.
    fn lease(&self) -> usize;
}

/// The place of the calling thread in the process's store.
pub(crate) struct ThisThread;

thread_local! {
    static OFFSET: Cell<usize> = const { Cell::new(0) };
    static LEASE: ThreadLease = const { ThreadLease { shard: Cell::new(0) } };
}

struct ThreadLease {
    /// 0 without a lease.
    shard: Cell<usize>,
}

// SAFETY: the offset is set by a lease and cleared before it is given back; outside of tests, the
// process's store is the only one.
unsafe impl Place for ThisThread {
    #[inline(always)]
    fn offset(&self) -> usize {
        OFFSET.get()
    }

    fn lease(&self) -> usize {
        // An error: this thread's lease has been returned already.
        LEASE.try_with(|lease| lease.take(Store::process())).unwrap_or(0)
    }
}

impl ThreadLease {
    fn take(&self, store: &Store) -> usize {
        if self.shard.get() == 0 {
            let Some(shard) = store.leases.take() else {
                return 0;
            };
            if self.shard.get() != 0 {
                // A signal handler on this thread was faster.
                store.leases.give_back(shard);
            } else {
                self.shard.set(shard);
                OFFSET.set(Shard(shard).offset());
                if store.prefault {
                    store.touch(shard, true);
                }
            }
        }
        Shard(self.shard.get()).offset()
    }
}

impl Drop for ThreadLease {
    fn drop(&mut self) {
        // What other destructors record from here on goes to shard 0.
        OFFSET.set(0);
        if let (1.., Some(store)) = (self.shard.get(), PROCESS.get()) {
            store.leases.give_back(self.shard.get());
        }
    }
}

/// The shard that the calling thread has, 0 if none.
#[cfg(all(unix, not(all(loom, test))))]
pub(super) fn own_shard() -> usize {
    LEASE.try_with(|lease| lease.shard.get()).unwrap_or(0)
}

impl Store {
    /// Writes to the pages of `shard`, whose lessee calls this; returns how many segments there
    /// were.
    fn touch(&self, shard: usize, buckets_too: bool) -> usize {
        let touched = self.segments.iter().map(|segment| {
            if buckets_too || !segment.holds_buckets() {
                segment.touch(shard);
            }
        });
        touched.count()
    }
}

/// Prepares the calling thread for recording, so that its first records pay for nothing.
///
/// Takes the thread's shard, its entry for the exit hook, and touches the memory of every counter
/// and histogram header registered so far; with [`StoreConfig::prefault`](crate::StoreConfig) also
/// of the histogram buckets. Optional: a thread's first record does the necessary part by itself.
/// Call it again to touch what was registered since.
///
/// Returns whether the thread has cells of its own; `false` when all shards are taken, or while
/// the thread is ending: its records then go to the shared shard, slower and just as exact.
pub fn register_thread() -> bool {
    let store = Store::process();
    if ThisThread.lease() == 0 {
        return false;
    }
    LEASE.try_with(|lease| store.touch(lease.shard.get(), store.prefault)).is_ok()
}

/// A lease as a value, for tests and models with a store of their own.
#[cfg(test)]
pub(crate) struct Lessee<'a> {
    store: &'a Store,
    shard: Cell<usize>,
}

#[cfg(test)]
impl<'a> Lessee<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, shard: Cell::new(0) }
    }

    /// The shard in use, 0 without a lease.
    pub(crate) fn shard(&self) -> usize {
        self.shard.get()
    }

    /// Touches every segment; returns how many there were.
    pub(crate) fn touch(&self) -> usize {
        self.lease();
        self.store.touch(self.shard.get(), true)
    }

    /// Two lessees of one shard: what the types otherwise rule out, for a model's twin.
    #[cfg(loom)]
    pub(crate) fn intrude(store: &'a Store, shard: usize) -> Self {
        Self { store, shard: Cell::new(shard) }
    }
}

// SAFETY: the shard was taken from the store and is given back by `drop`.
#[cfg(test)]
unsafe impl Place for Lessee<'_> {
    fn offset(&self) -> usize {
        Shard(self.shard.get()).offset()
    }

    fn lease(&self) -> usize {
        if let Some(shard) = self.store.leases.take() {
            self.shard.set(shard);
        }
        self.offset()
    }
}

#[cfg(test)]
impl Drop for Lessee<'_> {
    fn drop(&mut self) {
        if self.shard.get() != 0 {
            self.store.leases.give_back(self.shard.get());
        }
    }
}

/// A thread that gets no lease.
#[cfg(test)]
pub(crate) struct Late;

// SAFETY: it never has an offset.
#[cfg(test)]
unsafe impl Place for Late {
    fn offset(&self) -> usize {
        0
    }

    fn lease(&self) -> usize {
        0
    }
}
