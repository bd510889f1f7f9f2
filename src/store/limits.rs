//! Sizes. Models and Miri run the same code on a few kilobytes; 32-bit systems, and those that
//! charge for address space as for memory, reserve less.

/// Under loom every cell is an object of the model: one stride holds a few counters, or the two sorts of
/// cells of one histogram of 0 digits (65 buckets).
const MODEL: bool = cfg!(all(loom, test));

const SMALL: bool = cfg!(any(miri, target_pointer_width = "32", not(unix)));

/// Words of a cache line on the targets with the longest ones (`crossbeam_utils::CachePadded` is as
/// long, and its documentation lists the sources).
pub(super) const LINE_WORDS: usize =
    if MODEL { 16 } else { size_of::<crossbeam_utils::CachePadded<u64>>() / size_of::<u64>() };

/// Distance between two shards in words: a megabyte and three lines, so that one slot's cells in
/// many shards spread over the cache sets instead of falling into one.
pub(super) const STRIDE_WORDS: usize = if MODEL {
    160
} else if SMALL {
    (704 << 10) / 8 + 3 * LINE_WORDS
} else {
    (1 << 20) / 8 + 3 * LINE_WORDS
};

/// The most scalars that can be neighbours: so few that a segment has room for many such runs.
pub(crate) const MOST_NEIGHBOURS: usize = if MODEL { 16 } else { 4096 };

/// Shards of a store, the shared one included, unless configured otherwise.
pub(super) const DEFAULT_MAX_SHARDS: usize = if MODEL {
    3
} else if cfg!(miri) {
    6
} else if SMALL {
    64
} else {
    1024
};

/// The most that can be configured.
pub(super) const MOST_SHARDS: usize = if SMALL { 256 } else { 65_536 };

/// Whether segments are mapped from the system; models and Miri take them from the heap.
pub(super) const MAPPED: bool = !cfg!(any(miri, all(loom, test)));
