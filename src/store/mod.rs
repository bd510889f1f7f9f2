//! The store: one `AtomicU64` cell for each pair of slot and thread, at an address that the thread
//! computes with one addition. All of the crate's `unsafe` is in this folder.
//!
//! ```text
//! a segment  [ owners | shard 0: shared | shard 1: thread A | shard 2: thread B | .. ]
//!            <- STRIDE ->               ^
//! handle ----------------^ cell         + A's offset = 1 x STRIDE, kept in A's thread-local
//! ```
//!
//! - A *segment* is one reservation of address space, committed by the system page by page on first
//!   touch. It never moves, and lives as long as the store.
//! - A *slot* is the same words in every shard. Its word in the owners' part holds the counted
//!   [`Owner`](slot), so that a handle is a single pointer. Neighbours, each a slot of one word, share one.
//! - A *lease* makes a shard one thread's own. Only the lessee stores to its cells, by a plain load
//!   and a plain store; threads without a lease go through shard 0 with read-modify-writes.
//! - Nothing is folded, moved or freed when a thread exits: the next lessee adds on.
//!
//! Who writes: the lessee its shard, everybody shard 0, whoever frees a slot its cells (no handle
//! is left by then). Who reads: collectors, with relaxed loads; each cell only grows, so a later
//! load never shows less. Orderings stronger than Relaxed exist on four edges only: handing a shard
//! over (`lease.rs`), adding a segment (`segment.rs`), adding to a look-up table and replacing it
//! (`lookup.rs`); everything else travels with the handle, which the program itself must hand from
//! thread to thread.
//!
//! Progress: recording is wait-free; a lease is lock-free; allocating and freeing slots takes a lock
//! that no recording thread ever takes.

mod cell;
mod distribution;
mod fork;
mod lease;
mod limits;
mod local;
mod lookup;
mod memory;
mod neighbours;
mod reader;
mod scalar;
mod segment;
mod slot;
mod usage;

#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use distribution::{Distribution, Records};
pub(crate) use fork::recording_since;
pub(crate) use limits::MOST_NEIGHBOURS;
pub use local::register_thread;
pub(crate) use local::{Place, ThisThread};
pub(crate) use lookup::{Found, Lookup, Writer, free_removed};
pub(crate) use neighbours::{Length, Neighbour, Neighbours};
pub(crate) use reader::{Reader, Totals};
pub(crate) use scalar::{LentScalar, Line, Scalar, Scalars};
pub use segment::Exhausted;
pub use usage::{StoreUsage, store_usage};

#[cfg(test)]
pub(crate) use local::{Late, Lessee};

use crate::sync::{Arc, Mutex};
use lease::Leases;
use segment::{Class, Segment, SegmentList};
use slot::FreeSlots;
use std::sync::OnceLock;

/// How the process's store is laid out; see [`configure`](crate::configure).
#[derive(Clone, Debug)]
pub struct StoreConfig {
    max_shards: usize,
    prefault: bool,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { max_shards: limits::DEFAULT_MAX_SHARDS, prefault: false }
    }
}

impl StoreConfig {
    /// The defaults: 1,024 shards on 64-bit Unix systems, 64 elsewhere, no pre-faulting.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many threads at once can have cells of their own, plus one shared shard (2 to 65,536;
    /// values outside are clamped).
    ///
    /// Threads beyond it record into the shared shard: nothing is lost, but each record is an atomic
    /// read-modify-write on a line that others write too. Every shard reserves about 1 MiB of
    /// address space, not of memory, in each segment.
    pub fn max_shards(mut self, shards: usize) -> Self {
        self.max_shards = shards.clamp(2, limits::MOST_SHARDS);
        self
    }

    /// Commits the memory of everything registered so far when a thread takes its shard, histogram
    /// buckets included, so that no record causes a page fault later.
    ///
    /// Costs, for each thread, 8 bytes a counter and 4, 29 or 220 KiB a histogram (1, 2 or 3
    /// significant digits). Only the cells for what a bucket counts beyond 2^29, and for larger numbers
    /// at once, are left out. Metrics registered later are pre-faulted by calling
    /// [`register_thread`](crate::register_thread) again.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.prefault = prefault;
        self
    }
}

/// Cells for any number of registries.
pub struct Store {
    leases: Leases,
    segments: SegmentList,
    free: Mutex<FreeSlots>,
    max_shards: usize,
    prefault: bool,
    mapped: bool,
}

static PROCESS: OnceLock<Arc<Store>> = OnceLock::new();

impl Store {
    /// The process's store, started with the defaults unless [`configure`] came first.
    pub(crate) fn process() -> &'static Arc<Store> {
        PROCESS.get_or_init(|| Self::start(&StoreConfig::default()))
    }

    fn start(config: &StoreConfig) -> Arc<Self> {
        fork::watch();
        Arc::new(Self::new(config))
    }

    /// Reserves the first segment. If the system refuses, ever smaller stores are tried; the last
    /// one, of two shards, is allocated from the heap.
    ///
    /// # Panics
    ///
    /// If not even those three megabytes can be had.
    pub(crate) fn new(config: &StoreConfig) -> Self {
        let mut shards = config.max_shards;
        while limits::MAPPED && shards >= 2 {
            // There has to be room for counters, for buckets, and for some growth: a store that takes
            // all there is could hold no histogram.
            let with_room = || {
                let first = Segment::new(Class::Small, shards, true)?;
                let _buckets = Segment::new(Class::Small, shards, true)?;
                let _growth = Segment::new(Class::Small, shards, true)?;
                Ok::<_, Exhausted>(first)
            };
            if let Ok(first) = with_room() {
                return Self::over(first, shards, config.prefault, true);
            }
            shards /= 2;
        }
        let shards = if limits::MAPPED { 2 } else { config.max_shards };
        let first = Segment::new(Class::Small, shards, false)
            .unwrap_or_else(|Exhausted { bytes }| panic!("no {bytes} bytes left for metrics"));
        Self::over(first, shards, config.prefault, false)
    }

    fn over(first: Segment, max_shards: usize, prefault: bool, mapped: bool) -> Self {
        let segments = SegmentList::empty();
        let mut free = FreeSlots::default();
        free.adopt(segments.add(first));
        let leases = Leases::new(max_shards);
        Self { leases, segments, free: Mutex::new(free), max_shards, prefault, mapped }
    }

    /// The shards that hold, or may hold, something.
    pub(crate) fn shards(&self) -> impl Iterator<Item = Shard> + Clone + use<> {
        (0..self.leases.high_water()).map(Shard)
    }
}

/// The number of a shard that exists.
#[derive(Clone, Copy)]
pub(crate) struct Shard(usize);

impl Shard {
    /// Whether any thread may write to it.
    fn is_shared(self) -> bool {
        self.0 == 0
    }

    /// Bytes from a slot to its cell in this shard.
    #[inline(always)]
    fn offset(self) -> usize {
        self.0 * limits::STRIDE_WORDS * size_of::<cell::Word>()
    }
}

/// Starts the process's store with `config` instead of the defaults.
///
/// Call it first thing in `main`: the store starts by itself with the first metric or the first
/// record.
///
/// # Errors
///
/// [`AlreadyStarted`] if the store runs already; it keeps its configuration.
pub fn configure(config: StoreConfig) -> Result<(), AlreadyStarted> {
    let mut started = false;
    PROCESS.get_or_init(|| {
        started = true;
        Store::start(&config)
    });
    if started { Ok(()) } else { Err(AlreadyStarted) }
}

/// The store was in use before [`configure`](crate::configure) was called. Call `configure` before
/// anything is registered or recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyStarted;

impl std::fmt::Display for AlreadyStarted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "the store has started already; call quipu::configure before anything is registered",
        )
    }
}

impl std::error::Error for AlreadyStarted {}
