//! A global allocator that counts.
#![allow(dead_code)] // Each test has its own copy, and needs a part of it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

struct CountingAllocator;

thread_local! {
    /// Allocations of this thread.
    pub static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Those of all threads, and their bytes.
pub static ALL_ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
pub static ALL_BYTES: AtomicU64 = AtomicU64::new(0);

/// Bytes that are allocated now, and the most that were since this was set.
pub static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
pub static PEAK_BYTES: AtomicI64 = AtomicI64::new(0);

fn count_live(more: i64) {
    let live = LIVE_BYTES.fetch_add(more, Relaxed) + more;
    PEAK_BYTES.fetch_max(live, Relaxed);
}

fn count(bytes: usize) {
    count_live(bytes as i64);
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    ALL_ALLOCATIONS.fetch_add(1, Relaxed);
    ALL_BYTES.fetch_add(bytes as u64, Relaxed);
}

// SAFETY: everything is passed on to the system's allocator; the count is a `Cell` without a
// destructor, which neither allocates nor ends.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's obligations are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        count_live(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count_live(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
