//! The bytes of a request's body: counted where the service reads them, recorded where the request
//! ends. A count is used again for the thread's next requests, so that none is allocated for each.
#![forbid(unsafe_code)]

use crate::sync::{AtomicU64, Ordering::Relaxed};
use std::cell::RefCell;
use std::sync::Arc;

/// How many counts a thread keeps. More than that are given back to the allocator.
const MAX_SPARES: usize = 64;

thread_local! {
    static SPARES: RefCell<Vec<Arc<AtomicU64>>> = const { RefCell::new(Vec::new()) };
}

/// One of the two holders of a count. Relaxed suffices: whoever hands a request's parts from thread
/// to thread synchronises them, and a body that is read beside its response has no order to it.
#[derive(Debug)]
pub(super) struct Tally(Arc<AtomicU64>);

impl Tally {
    /// Both holders of a count of 0.
    pub(super) fn pair() -> (Self, Self) {
        // A thread that is past its destructors has no spares.
        let spare = SPARES.try_with(|spares| spares.borrow_mut().pop()).ok().flatten();
        let count = spare.unwrap_or_default();
        count.store(0, Relaxed);
        (Self(count.clone()), Self(count))
    }

    /// Only the holder with the body adds.
    pub(super) fn add(&self, bytes: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(bytes), Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if Arc::get_mut(&mut self.0).is_none() {
            return;
        }
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < MAX_SPARES {
                spares.push(self.0.clone());
            }
        });
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_used_again_from_zero_when_both_holders_are_gone() {
        let (body, request) = Tally::pair();
        body.add(3);
        body.add(4);
        assert_eq!(request.bytes(), 7);
        let count = Arc::as_ptr(&body.0);
        drop(request);
        let (_other, beside) = Tally::pair();
        assert_ne!(Arc::as_ptr(&beside.0), count);
        drop(body);
        let (_again, request) = Tally::pair();
        assert_eq!((Arc::as_ptr(&request.0), request.bytes()), (count, 0));
    }

    #[test]
    fn a_thread_keeps_no_more_counts_than_it_may() {
        let pairs: Vec<_> = (0..2 * MAX_SPARES).map(|_| Tally::pair()).collect();
        drop(pairs);
        assert_eq!(SPARES.with(|spares| spares.borrow().len()), MAX_SPARES);
    }
}
