//! How costs grow with threads, series and touched buckets: what the formulas of `docs/scaling.md`
//! say, beside what is measured.
//!
//! ```text
//! cargo bench --bench scaling
//! cargo bench --all-features --bench scaling     # with the formats that are pushed
//! ```
//!
//! - `memory`: formulas without a constant that would have to be measured, against what is
//!   committed.
//! - `collections`: constants from at most 8 threads, predictions for 64; and, by the same
//!   constants, for machines that are not here.
//! - `bytes`: what a series takes in each format.
//!
//! Takes half a minute and 3 GB of memory.

#[cfg(not(loom))]
#[path = "parts/crew.rs"]
mod crew;
#[cfg(not(loom))]
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;
#[cfg(not(loom))]
#[allow(dead_code, reason = "calls are for another bench, and without features nothing is sent")]
#[path = "flush/sinks.rs"]
mod sinks;

#[cfg(not(loom))]
#[path = "scaling/bytes.rs"]
mod bytes;
#[cfg(not(loom))]
#[path = "scaling/collections.rs"]
mod collections;
#[cfg(not(loom))]
#[path = "scaling/memory.rs"]
mod memory;

/// Threads that record, in the order in which they are measured: a shard that was in use stays in
/// use for a reader.
#[cfg(not(loom))]
const THREADS: [usize; 4] = [1, 2, 8, 64];

/// How many buckets lie between the smallest and the largest of the latencies, both included.
#[cfg(not(loom))]
fn touched_buckets() -> usize {
    let values = numbers::latencies();
    // Of a value above 255: 128 of them to a doubling.
    let index = |value: u64| {
        let shift = 56 - value.leading_zeros();
        shift as usize * 128 + (value >> shift) as usize
    };
    let all = || values.iter().map(|&value| index(value));
    all().max().unwrap_or(0) - all().min().unwrap_or(0) + 1
}

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    // `cargo test --benches` only wants to see that it starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    bytes::print();
    let mut crew = crew::Crew::default();
    let beds = collections::Beds::new();
    let mut memory = memory::Memory::new();
    let mut measured = Vec::new();
    for threads in THREADS {
        crew.grow_to(threads);
        memory.measure(&crew);
        measured.push(beds.measure(&crew));
    }
    memory.print();
    collections::print(&measured);
}
