//! Allocations, counted by the global allocator for each thread by itself.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread has allocated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocations {
    /// Calls of the allocator that return memory; growing a block is one.
    pub count: u64,
    /// What those calls asked for; growing a block asks for its whole new size.
    pub bytes: u64,
}

impl Allocations {
    /// What this thread allocates during `work`, and what `work` returns.
    pub fn during<T>(work: impl FnOnce() -> T) -> (Self, T) {
        let before = ALLOCATIONS.get();
        let result = work();
        let after = ALLOCATIONS.get();
        (Self { count: after.count - before.count, bytes: after.bytes - before.bytes }, result)
    }
}

thread_local! {
    static ALLOCATIONS: Cell<Allocations> = const { Cell::new(Allocations { count: 0, bytes: 0 }) };
}

fn count(bytes: usize) {
    let Allocations { count, bytes: before } = ALLOCATIONS.get();
    ALLOCATIONS.set(Allocations { count: count + 1, bytes: before + bytes as u64 });
}

struct CountingAllocator;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

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
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}
