//! The latest reading of something.
#![forbid(unsafe_code)]

use crate::store::{Exhausted, Line, Store};
use crate::sync::Arc;

/// The bits of a gauge that was never set: a NaN that no arithmetic produces. The cell holds a
/// reading's difference to it, so that a cell of zeroes, as the system and `fork` leave them, is
/// unset.
pub(crate) const UNSET_GAUGE: u64 = 0x7ff4_7175_6970_7500;

/// A reading that replaces the one before: queue depth, temperature, share of a pool in use.
///
/// One cell for all threads, since the last write wins. What many threads move up and down is an
/// [`UpDownCounter`](crate::UpDownCounter): a depth that producers and consumers each set can stay
/// wrong for as long as nobody sets it again. A gauge that was never set is not exported.
///
/// ```
/// let depth = quipu::registry().gauge("doc.queue.depth").register()?;
/// assert_eq!(quipu::registry().snapshot().gauge("doc.queue.depth", &[]), None);
/// depth.set(4.5);
/// assert_eq!(quipu::registry().snapshot().gauge("doc.queue.depth", &[]), Some(4.5));
/// # Ok::<(), quipu::RegisterError>(())
/// ```
#[derive(Clone)]
pub struct Gauge {
    line: Line,
}

impl Gauge {
    pub(crate) fn new(store: &Arc<Store>) -> Result<Self, Exhausted> {
        Ok(Self { line: Line::new(store)? })
    }

    /// Replaces the reading.
    ///
    /// The last set wins. Wait-free: one relaxed store on a line of the gauge's own; never
    /// allocates. Establishes no happens-before edge. NaN and infinities are kept as they are, and
    /// each exporter writes them by its format's rule; the one NaN with the bits
    /// `0x7ff4717569707500` reads as "never set".
    #[inline(always)]
    pub fn set(&self, value: f64) {
        self.line.store(value.to_bits() ^ UNSET_GAUGE);
    }

    /// The bits of the reading, or [`UNSET_GAUGE`].
    pub(crate) fn holders(&self) -> usize {
        self.line.holders()
    }

    pub(crate) fn bits(&self) -> u64 {
        self.line.load() ^ UNSET_GAUGE
    }
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauge").finish_non_exhaustive()
    }
}
