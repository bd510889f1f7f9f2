//! Waiting for the end of a thread, but not for ever.
#![forbid(unsafe_code)]

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Joins a thread whose work is done, unless that takes until `end`: destructors of its
/// thread-locals, which are somebody else's code, may hang. It is left to itself then.
pub(crate) fn join_by(thread: JoinHandle<()>, end: Instant) {
    let (joined, has_joined) = mpsc::channel();
    let joining = thread::Builder::new().name("quipu-join".into()).spawn(move || {
        // What could panic was contained.
        let _ = thread.join();
        let _ = joined.send(());
    });
    // Without another thread nobody can wait for this one.
    if let Ok(joining) = joining {
        let left = end.saturating_duration_since(Instant::now());
        if has_joined.recv_timeout(left).is_ok() {
            // It has nothing left to do.
            let _ = joining.join();
        }
    }
}
