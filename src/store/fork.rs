//! `fork`: no lock of this crate is held, and nothing is half done, in the copy that the child gets.
//!
//! Recording takes no lock, so it goes on in the child as it was. What the threads that stayed behind
//! had leased remains leased there.

/// Asks the system to hold forks up while a lock is held.
#[cfg(all(unix, not(all(loom, test))))]
pub(super) fn watch() {
    use crate::sync;

    extern "C" fn before() {
        sync::before_fork();
    }
    extern "C" fn in_parent() {
        sync::after_fork(false);
    }
    extern "C" fn in_child() {
        sync::after_fork(true);
    }
    if !cfg!(miri) {
        // Without memory for three pointers it returns an error, and forks are not held up.
        // SAFETY: the functions are safe, have no arguments and do not unwind.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    }
}

/// There is no fork, or no model of it.
#[cfg(not(all(unix, not(all(loom, test)))))]
pub(super) fn watch() {}
