//! A count of things that happened.
#![forbid(unsafe_code)]

use crate::store::{Place, Scalar, Store, ThisThread};

/// A count that only grows: requests, bytes, errors.
///
/// Each thread has a cell of its own, 8 bytes; a snapshot adds them up.
///
/// ```
/// let requests = quipu::registry().counter("doc.requests").register()?;
/// requests.increment();
/// requests.add(2);
/// assert_eq!(quipu::registry().snapshot().counter("doc.requests", &[]), Some(3));
/// # Ok::<(), quipu::RegisterError>(())
/// ```
#[derive(Clone)]
pub struct Counter {
    cells: Scalar,
}

impl Counter {
    pub(crate) fn over(cells: Scalar) -> Self {
        Self { cells }
    }

    /// A handle that does not keep the slot, for a model's twin.
    #[cfg(all(loom, test))]
    pub(crate) fn uncounted(&self) -> Self {
        Self { cells: self.cells.uncounted() }
    }

    /// What all threads have counted so far.
    pub(crate) fn total(&self, store: &Store) -> u64 {
        store.shards().map(|shard| self.cells.load(shard)).fold(0, u64::wrapping_add)
    }

    pub(crate) fn holders(&self) -> usize {
        self.cells.holders()
    }

    pub(crate) fn cells(&self) -> &Scalar {
        &self.cells
    }

    /// Adds 1; see [`add`](Self::add).
    #[inline(always)]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`.
    ///
    /// No update is lost, whichever threads call it. Wait-free: one plain load and store on a cell
    /// that only this thread writes; never allocates after the thread's first record. Establishes
    /// no happens-before edge. Wraps at 2^64.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.add_at(&ThisThread, n);
    }

    /// Adds `n`, and returns what the cell that took it held before.
    #[inline(always)]
    pub(crate) fn add_at(&self, place: &impl Place, n: u64) -> u64 {
        self.cells.add(place, n)
    }
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counter").finish_non_exhaustive()
    }
}
