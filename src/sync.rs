//! Where atomics, counted references and locks come from; the only file that names std's atomics or
//! loom.
//!
//! loom's twins stand in only while this crate's own unit tests are built with `--cfg loom`: under
//! somebody else's `--cfg loom` the crate is unchanged. Both halves export the same names, so no
//! other file knows which one it got.

pub(crate) use imp::*;
use std::sync::PoisonError;

/// The edges over which one thread's writes become another's, each with an ordering stronger than
/// Relaxed. A model can weaken one at a time and must then fail (`loom-tests/`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Taking a shard that another thread gave back.
    LeaseTake,
    /// Giving a shard back.
    LeaseReturn,
    /// Finding a segment in the store's list.
    SegmentFind,
    /// Adding a segment to the store's list.
    SegmentAdd,
}

/// Locks, also when a thread panicked while it held the lock: what this crate guards is valid
/// between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(not(all(loom, test)))]
#[allow(clippy::disallowed_types)]
mod imp {
    use super::Edge;
    pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

    /// Whether zeroed bytes are a valid `AtomicU64` of 0 and a valid null `AtomicPtr`.
    pub(crate) const ZEROED_IS_VALID: bool = true;

    #[inline(always)]
    pub(crate) const fn acquire(_: Edge) -> Ordering {
        Ordering::Acquire
    }

    #[inline(always)]
    pub(crate) const fn release(_: Edge) -> Ordering {
        Ordering::Release
    }

    /// A load by the only thread that stores to `cell`.
    #[inline(always)]
    pub(crate) fn load_by_owner(cell: &AtomicU64) -> u64 {
        cell.load(Ordering::Relaxed)
    }

    /// The newest published value, readable by any number of threads without a lock.
    pub(crate) struct Published<T>(arc_swap::ArcSwapOption<T>);

    impl<T> Published<T> {
        pub(crate) fn empty() -> Self {
            Self(arc_swap::ArcSwapOption::empty())
        }

        pub(crate) fn publish(&self, value: Arc<T>) {
            self.0.store(Some(value));
        }

        pub(crate) fn latest(&self) -> Option<Arc<T>> {
            self.0.load_full()
        }
    }
}

#[cfg(all(loom, test))]
mod imp {
    use super::Edge;
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};
    use std::cell::Cell;

    pub(crate) const ZEROED_IS_VALID: bool = false;

    thread_local! {
        // loom runs all threads of a model on one system thread: this is a setting per test.
        static WEAKENED: Cell<Option<Edge>> = const { Cell::new(None) };
    }

    /// Makes the twin of a model: `edge` is Relaxed until `None` is set.
    pub(crate) fn weaken(edge: Option<Edge>) {
        WEAKENED.set(edge);
    }

    pub(crate) fn acquire(edge: Edge) -> Ordering {
        if WEAKENED.get() == Some(edge) { Ordering::Relaxed } else { Ordering::Acquire }
    }

    pub(crate) fn release(edge: Edge) -> Ordering {
        if WEAKENED.get() == Some(edge) { Ordering::Relaxed } else { Ordering::Release }
    }

    // LOOM: a plain atomic load here would hide interleavings (a thread that loads a location
    // before it stores to it is not explored), and would not check that the owner is alone.
    #[allow(unsafe_code)]
    pub(crate) fn load_by_owner(cell: &AtomicU64) -> u64 {
        // SAFETY: loom fails the model, instead of racing, when a store is concurrent with this
        // load; that failure is what the models are after.
        unsafe { cell.unsync_load() }
    }

    /// LOOM: arc-swap runs on std's atomics, which loom cannot see; a lock stands in for it.
    pub(crate) struct Published<T>(Mutex<Option<Arc<T>>>);

    impl<T> Published<T> {
        pub(crate) fn empty() -> Self {
            Self(Mutex::new(None))
        }

        pub(crate) fn publish(&self, value: Arc<T>) {
            *super::lock(&self.0) = Some(value);
        }

        pub(crate) fn latest(&self) -> Option<Arc<T>> {
            super::lock(&self.0).clone()
        }
    }
}
