//! A count of things that are there.
#![forbid(unsafe_code)]

use crate::store::{Place, Scalar, ThisThread};

/// A count that goes up and down: requests in flight, open connections, queued jobs.
///
/// Each thread adds to a cell of its own, so one may add what another takes away; only the sum has
/// a meaning.
///
/// ```
/// let open = quipu::registry().up_down_counter("doc.connections.open").register()?;
/// open.increment();
/// open.add(-1);
/// assert_eq!(quipu::registry().snapshot().up_down_counter("doc.connections.open", &[]), Some(0));
/// # Ok::<(), quipu::RegisterError>(())
/// ```
#[derive(Clone)]
pub struct UpDownCounter {
    cells: Scalar,
}

impl UpDownCounter {
    pub(crate) fn over(cells: Scalar) -> Self {
        Self { cells }
    }

    pub(crate) fn holders(&self) -> usize {
        self.cells.holders()
    }

    pub(crate) fn cells(&self) -> &Scalar {
        &self.cells
    }

    /// Adds 1; see [`add`](Self::add).
    #[inline(always)]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Takes 1 away; see [`add`](Self::add).
    #[inline(always)]
    pub fn decrement(&self) {
        self.add(-1);
    }

    /// Adds `n`, which may be negative.
    ///
    /// No update is lost, whichever threads call it. A snapshot taken while one thread adds and
    /// another takes away may see either first. Wait-free: one plain load and store on a cell that
    /// only this thread writes; never allocates after the thread's first record. Establishes no
    /// happens-before edge. The sum wraps at the ends of `i64`.
    #[inline(always)]
    pub fn add(&self, n: i64) {
        self.add_at(&ThisThread, n);
    }

    #[inline(always)]
    pub(crate) fn add_at(&self, place: &impl Place, n: i64) {
        self.cells.add(place, n as u64);
    }
}

impl std::fmt::Debug for UpDownCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpDownCounter").finish_non_exhaustive()
    }
}
