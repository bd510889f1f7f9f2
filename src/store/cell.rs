//! One counter's value for one thread.

use crate::sync::{self, AtomicPtr, AtomicU64, Ordering::Relaxed};
use std::mem::ManuallyDrop;

/// An `AtomicU64` with one writer.
///
/// Relaxed everywhere: no value that is stored depends on another thread's cell, a reader wants
/// each cell alone, and what must be ordered (a shard's next lessee, a freed slot's next user)
/// is ordered by the lease and by the handle.
pub(super) struct Cell(AtomicU64);

impl Cell {
    pub(super) fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// Adds `n` and returns the value before.
    ///
    /// For the lessee of the cell's shard alone: a second writer would overwrite counts.
    #[inline(always)]
    pub(super) fn add_as_owner(&self, n: u64) -> u64 {
        let before = self.load_as_owner();
        self.0.store(before.wrapping_add(n), Relaxed);
        before
    }

    #[inline(always)]
    pub(super) fn load_as_owner(&self) -> u64 {
        sync::load_by_owner(&self.0)
    }

    #[inline(always)]
    pub(super) fn store(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Adds `n` from any thread, and returns the value before.
    pub(super) fn add_shared(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Relaxed)
    }

    /// Raises the value to `n`, from any thread.
    pub(super) fn raise_shared(&self, n: u64) {
        if self.load() < n {
            self.0.fetch_max(n, Relaxed);
        }
    }

    #[inline(always)]
    pub(super) fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Asks the processor to fetch what lies at an address, where there is a way to ask; any address
/// will do.
#[inline(always)]
pub(super) fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint to the processor, which ignores addresses that are not mapped.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// One word of a segment: a cell in the shards, a pointer in the owners' part.
#[repr(C)]
pub(super) union Word {
    cell: ManuallyDrop<Cell>,
    owner: ManuallyDrop<AtomicPtr<()>>,
}

// A run of words is read as a slice of cells.
const _: () = assert!(size_of::<Word>() == size_of::<Cell>());

impl Word {
    pub(super) fn zero_cell() -> Self {
        Self { cell: ManuallyDrop::new(Cell::new(0)) }
    }

    pub(super) fn no_owner() -> Self {
        Self { owner: ManuallyDrop::new(AtomicPtr::new(std::ptr::null_mut())) }
    }
}
