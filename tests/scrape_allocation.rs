//! What a scrape allocates: its head, and not its body.
#![cfg(all(feature = "http", not(loom)))]
#![allow(unsafe_code)]

use quipu::{Endpoint, Registry};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

struct CountingAllocator;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn count(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    BYTES.fetch_add(bytes as u64, Relaxed);
}

// SAFETY: everything is passed on to the system's allocator.
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

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
#[cfg_attr(miri, ignore = "has a runtime")]
fn a_scrape_allocates_a_head_and_no_body() {
    const SCRAPES: u64 = 100;
    let registry = Arc::new(Registry::new());
    for number in 0..10_000 {
        registry.counter(&format!("counter.{number}")).register().unwrap();
    }
    let endpoint = Endpoint::builder().registry(registry).min_interval(Duration::ZERO).build();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for encoding in ["identity", "gzip"] {
        let request = http::Request::get("/metrics.json").header("accept-encoding", encoding);
        let request = request.body(()).unwrap();
        let scrape = || {
            let response = runtime.block_on(endpoint.respond(&request));
            response.headers()["content-length"].to_str().unwrap().parse::<u64>().unwrap()
        };
        (0..20).for_each(|_| assert!(scrape() > 20_000));
        let before = (ALLOCATIONS.load(Relaxed), BYTES.load(Relaxed));
        (0..SCRAPES).for_each(|_| assert!(scrape() > 20_000));
        let allocations = (ALLOCATIONS.load(Relaxed) - before.0) / SCRAPES;
        let bytes = (BYTES.load(Relaxed) - before.1) / SCRAPES;
        println!("{encoding}: {allocations} allocations, {bytes} bytes");
        assert!(allocations <= 16, "{allocations} for each scrape");
        assert!(bytes < 4_000, "{bytes} for each scrape");
    }
}
