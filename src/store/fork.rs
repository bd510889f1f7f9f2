//! `fork`: no lock of this crate is held, and nothing is half done, in the copy that the child gets;
//! and the child starts from zero.
//!
//! What the parent recorded is the parent's to deliver. So all cells are zero in the child, and of the
//! shards only that of the thread which forked is leased: the others' threads stayed behind. Handles,
//! series and names remain. The child's part does what a signal handler may do: it writes to memory,
//! gives pages back and reads a clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

static FIRST_USE: OnceLock<(SystemTime, Instant)> = OnceLock::new();

/// When this process began to record: when it first used the crate or, if it was forked after that,
/// when it was born.
pub(crate) fn recording_since() -> (SystemTime, Instant) {
    let (time, at) = *FIRST_USE.get_or_init(|| (SystemTime::now(), Instant::now()));
    let later = Duration::from_nanos(birth::after_first_use_ns());
    (time + later, at + later)
}

pub(super) use birth::watch;

#[cfg(all(unix, not(all(loom, test))))]
mod birth {
    use super::FIRST_USE;
    use crate::store::{PROCESS, local};
    use crate::sync::{self, AtomicU64, Ordering::Relaxed};

    static AFTER_FIRST_USE_NS: AtomicU64 = AtomicU64::new(0);

    pub(super) fn after_first_use_ns() -> u64 {
        AFTER_FIRST_USE_NS.load(Relaxed)
    }

    /// Has forks wait while a lock is held, and the child begin anew.
    pub(in crate::store) fn watch() {
        extern "C" fn before() {
            sync::before_fork();
        }
        extern "C" fn in_parent() {
            sync::after_fork(false);
        }
        extern "C" fn in_child() {
            begin_anew();
            sync::after_fork(true);
        }
        super::recording_since();
        if !cfg!(miri) {
            // Without memory for three pointers it returns an error, and forks are not watched.
            // SAFETY: the functions are safe, have no arguments and do not unwind.
            unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        }
    }

    fn begin_anew() {
        let Some(store) = PROCESS.get() else { return };
        let shards = store.leases.high_water();
        for segment in store.segments.iter() {
            // SAFETY: a forked child has one thread, which is here and not in a record.
            unsafe { segment.clear_all(shards) };
        }
        store.leases.keep_only(local::own_shard());
        if let Some((_, first_use)) = FIRST_USE.get() {
            AFTER_FIRST_USE_NS.store(first_use.elapsed().as_nanos() as u64, Relaxed);
        }
    }
}

/// There is no fork, or no model of it.
#[cfg(not(all(unix, not(all(loom, test)))))]
mod birth {
    pub(super) fn after_first_use_ns() -> u64 {
        0
    }

    pub(in crate::store) fn watch() {}
}
