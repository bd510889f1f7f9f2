//! Memory that is walked over, so that what was in the caches is there no more.
#![forbid(unsafe_code)]

use std::hint::black_box;

/// What a cache loads at once.
const LINE_BYTES: usize = 64;
/// The last-level cache of a machine that does not say.
const UNKNOWN_BYTES: usize = 32 << 20;
/// Larger caches are shared by more cores than are in use here.
const MOST_BYTES: usize = 256 << 20;

pub struct Walk {
    memory: Vec<u64>,
}

impl Walk {
    pub fn of(bytes: usize) -> Self {
        // Not zeros, which may all be the same page.
        Self { memory: vec![1; bytes / size_of::<u64>()] }
    }

    /// Over twice as much as the largest cache of this machine has.
    pub fn of_last_level() -> Self {
        Self::of(2 * last_level_bytes())
    }

    pub fn mebibytes(&self) -> usize {
        size_of_val(&*self.memory) >> 20
    }

    /// Loads every line.
    pub fn walk(&self) {
        let lines = self.memory.iter().step_by(LINE_BYTES / size_of::<u64>());
        black_box(lines.fold(0_u64, |sum, word| sum.wrapping_add(*word)));
    }
}

fn last_level_bytes() -> usize {
    let size = |index: usize| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        let size = std::fs::read_to_string(path).ok()?;
        let kibibytes: usize = size.trim().strip_suffix('K')?.parse().ok()?;
        Some(kibibytes << 10)
    };
    (0..8).filter_map(size).max().unwrap_or(UNKNOWN_BYTES).min(MOST_BYTES)
}
