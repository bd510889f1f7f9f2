//! Where atomics, counted references and locks come from; nothing else names std's atomics, and nothing
//! but `sync/model.rs` loom.
//!
//! loom's twins stand in only while this crate's own unit tests are built with `--cfg loom`: under
//! somebody else's `--cfg loom` the crate is unchanged. Both halves export the same names, so no
//! other file knows which one it got.

pub(crate) use imp::*;
use std::ops::{Deref, DerefMut};
use std::sync::{OnceLock, PoisonError};

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
    /// Finding an entry in a lookup table, or the table itself.
    EntryFind,
    /// Adding an entry to a lookup table.
    EntryAdd,
    /// Putting a larger lookup table in the place of one.
    TableReplace,
    /// Freeing what was removed only when nobody can be reading it.
    Grace,
    /// Taking the slot of an open span that another one has left.
    #[cfg(any(all(feature = "tracing", not(loom)), all(loom, test)))]
    SpanOpen,
    /// Leaving the slot of a span that was open.
    #[cfg(any(all(feature = "tracing", not(loom)), all(loom, test)))]
    SpanClose,
}

/// Locks, also when a thread panicked while it held the lock: what this crate guards is valid
/// between any two statements. `fork` waits for whoever holds one.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Guard<'_, T> {
    let pass = Pass::enter();
    Guard { guard: mutex.lock().unwrap_or_else(PoisonError::into_inner), _pass: pass }
}

/// Sets what is set once, unless it is by now; returns what it holds. As with a lock, `fork` waits for
/// whoever is at it: a child would wait for ever for a thread that stayed behind.
pub(crate) fn set_once<T>(cell: &OnceLock<T>, value: T) -> &T {
    let _pass = Pass::enter();
    cell.get_or_init(|| value)
}

/// A held lock.
pub(crate) struct Guard<'a, T> {
    guard: MutexGuard<'a, T>,
    _pass: Pass,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

#[cfg(not(all(loom, test)))]
mod imp {
    use super::Edge;
    pub(crate) use crossbeam_epoch::{Guard as Pinned, pin};
    pub(crate) use crossbeam_utils::sync::{Parker, Unparker};
    use std::cell::Cell;
    pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
    pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

    /// What a narrow cell is.
    pub(crate) type AtomicNarrow = std::sync::atomic::AtomicU32;

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

    /// The same of a pointer.
    #[inline(always)]
    pub(crate) fn load_pointer_by_owner<T>(pointer: &AtomicPtr<T>) -> *mut T {
        pointer.load(Ordering::Relaxed)
    }

    /// The same of a narrow cell.
    #[inline(always)]
    pub(crate) fn load_narrow_by_owner(cell: &AtomicNarrow) -> u32 {
        cell.load(Ordering::Relaxed)
    }

    /// Frees what those who are pinned now may be reading, when none of them is any more.
    pub(crate) fn free_after(_: Edge, pinned: &Pinned, free: impl FnOnce() + Send + 'static) {
        pinned.defer(free);
    }

    /// A number that nobody can foresee.
    pub(crate) fn random() -> u64 {
        // The standard library's way to the system's random numbers.
        std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
    }

    /// What a model checks accesses of: nothing here.
    pub(crate) struct Witness;

    impl Witness {
        #[inline(always)]
        pub(crate) fn new() -> Self {
            Self
        }

        /// The value beside it is read.
        #[inline(always)]
        pub(crate) fn read(&self) {}

        /// The value beside it is written, by whoever has it alone.
        #[cfg(all(feature = "tracing", not(loom)))]
        #[inline(always)]
        pub(crate) fn written(&self) {}
    }

    /// Who is inside of the gate before the locks: holders in the lower bits, and in the upper ones
    /// the forks that are under way, which nobody may enter beside.
    static GATE: AtomicUsize = AtomicUsize::new(0);
    const FORK: usize = 1 << (usize::BITS / 2);

    thread_local! {
        // A thread that is inside may take more locks: it would wait for a fork that waits for it.
        static LOCKS_HELD: Cell<usize> = const { Cell::new(0) };
    }

    /// Being inside of the gate.
    pub(crate) struct Pass(());

    impl Pass {
        pub(crate) fn enter() -> Self {
            if LOCKS_HELD.replace(LOCKS_HELD.get() + 1) == 0 {
                // ORDERING: Acquire keeps what happens inside after a fork that ended before; pairs
                // with the Release in `after_fork`.
                while GATE.fetch_add(1, Ordering::Acquire) >= FORK {
                    GATE.fetch_sub(1, Ordering::Relaxed);
                    std::thread::yield_now();
                }
            }
            Self(())
        }
    }

    impl Drop for Pass {
        fn drop(&mut self) {
            LOCKS_HELD.set(LOCKS_HELD.get() - 1);
            if LOCKS_HELD.get() == 0 {
                // ORDERING: Release makes what happened inside complete for a fork; pairs with the
                // Acquire in `before_fork`.
                GATE.fetch_sub(1, Ordering::Release);
            }
        }
    }

    /// Lets nobody in, and waits until all are out.
    #[cfg(unix)]
    pub(crate) fn before_fork() {
        GATE.fetch_add(FORK, Ordering::Relaxed);
        // ORDERING: Acquire, so that the copy has all that was done inside; pairs with the Release of
        // whoever left.
        while GATE.load(Ordering::Acquire) % FORK != 0 {
            std::thread::yield_now();
        }
    }

    /// Opens the gate again. In the child, nobody else is there, inside or before the gate.
    #[cfg(unix)]
    pub(crate) fn after_fork(in_child: bool) {
        if in_child {
            // Relaxed: this thread is alone, and starts whoever comes here next.
            GATE.store(0, Ordering::Relaxed);
        } else {
            // ORDERING: Release; pairs with the Acquire of whoever enters.
            GATE.fetch_sub(FORK, Ordering::Release);
        }
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

        /// What `read` makes of the newest value. Touches no count that readers share; allocates when
        /// a thread calls it for the first time.
        #[cfg(feature = "tower")]
        #[inline]
        pub(crate) fn read<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
            read(self.0.load().as_deref())
        }
    }
}

#[cfg(all(loom, test))]
#[path = "sync/model.rs"]
mod imp;
