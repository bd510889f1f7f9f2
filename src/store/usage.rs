//! What the store takes from the system.

use super::Store;
use super::limits::STRIDE_WORDS;

/// What the process's store takes from the system; from [`store_usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreUsage {
    /// The most shards there can be, the shared one included. Less than configured if the system
    /// refused to reserve so much address space.
    pub max_shards: usize,
    /// Shards that live threads have.
    pub shards_leased: usize,
    /// Shards that any thread ever had: the peak of recording threads alive at once.
    pub shards_ever_used: usize,
    /// Reservations made.
    pub segments: usize,
    /// Address space reserved, in bytes.
    pub bytes_reserved: usize,
    /// Memory in use for the reservations, in bytes: on Linux what the system reports as resident;
    /// where reserved is as good as used, all of it; otherwise unknown.
    pub bytes_committed: Option<usize>,
    /// Distance between two shards, in bytes.
    pub stride_bytes: usize,
}

/// What the process's store takes from the system now.
///
/// On Linux the system walks the process's memory map for it (milliseconds): it is for reports, not
/// for hot paths.
pub fn store_usage() -> StoreUsage {
    Store::process().usage()
}

impl Store {
    pub(crate) fn usage(&self) -> StoreUsage {
        let ranges = || self.segments.iter().map(|s| (s.base_address(), s.bytes()));
        let mapped = self.segments.iter().any(|segment| segment.is_mapped());
        let bytes_reserved = ranges().map(|(_, bytes)| bytes).sum();
        StoreUsage {
            max_shards: self.max_shards,
            shards_leased: self.leases.taken(),
            shards_ever_used: self.leases.high_water() - 1,
            segments: ranges().count(),
            bytes_reserved,
            bytes_committed: if mapped && cfg!(unix) {
                resident_bytes(ranges)
            } else {
                Some(bytes_reserved)
            },
            stride_bytes: STRIDE_WORDS * size_of::<u64>(),
        }
    }
}

/// Adds up `Rss` of every mapping in `/proc/self/smaps` that begins inside one of `ranges`, or
/// that one of `ranges` begins inside of: the kernel joins neighbours with equal flags.
fn resident_bytes<R: Iterator<Item = (usize, usize)>>(ranges: impl Fn() -> R) -> Option<usize> {
    let maps = std::fs::read_to_string("/proc/self/smaps").ok()?;
    let mut resident = 0;
    let mut ours = false;
    for line in maps.lines() {
        if let Some((from, to)) = mapping_bounds(line) {
            ours = ranges().any(|(start, bytes)| start < to && from < start + bytes);
        } else if let Some(kilobytes) = line.strip_prefix("Rss:").filter(|_| ours) {
            let kilobytes = kilobytes.trim().strip_suffix("kB")?.trim();
            resident += kilobytes.parse::<usize>().ok()? << 10;
        }
    }
    Some(resident)
}

/// The bounds in a line such as `7f00aa000000-7f00ab000000 rw-p 00000000 00:00 0`.
fn mapping_bounds(line: &str) -> Option<(usize, usize)> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}
