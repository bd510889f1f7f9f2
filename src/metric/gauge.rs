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

    /// Moves the reading by `difference`, which may be negative; from 0 if it was never set.
    ///
    /// No move is lost, whichever threads move and set it at the same time. Lock-free: a compare and
    /// exchange on a line that all of them write to, again for as long as others come first.
    #[cfg(any(all(feature = "metrics", not(loom)), test))]
    pub(crate) fn move_by(&self, difference: f64) {
        self.line.update(|cell| {
            let bits = cell ^ UNSET_GAUGE;
            let before = if bits == UNSET_GAUGE { 0.0 } else { f64::from_bits(bits) };
            (before + difference).to_bits() ^ UNSET_GAUGE
        });
    }

    pub(crate) fn holders(&self) -> usize {
        self.line.holders()
    }

    /// The bits of the reading, or [`UNSET_GAUGE`].
    pub(crate) fn bits(&self) -> u64 {
        self.line.load() ^ UNSET_GAUGE
    }
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauge").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn reading(gauge: &Gauge) -> f64 {
        f64::from_bits(gauge.bits())
    }

    #[test]
    fn a_gauge_that_was_never_set_is_moved_from_zero() {
        let gauge = Gauge::new(Store::process()).unwrap();
        assert_eq!(gauge.bits(), UNSET_GAUGE);
        gauge.move_by(-2.5);
        gauge.move_by(1.0);
        assert_eq!(reading(&gauge), -1.5);
    }

    #[test]
    fn moves_of_many_threads_add_up() {
        let gauge = Gauge::new(Store::process()).unwrap();
        let rounds = if cfg!(miri) { 50 } else { 50_000 };
        std::thread::scope(|scope| {
            for difference in [1.0, 2.0, -1.0, 0.5] {
                let gauge = &gauge;
                scope.spawn(move || (0..rounds).for_each(|_| gauge.move_by(difference)));
            }
        });
        assert_eq!(reading(&gauge), 2.5 * f64::from(rounds));
    }
}
