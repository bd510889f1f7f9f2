//! A thread that does a disturbance without a pause, while it is told to.
//!
//! What tells it to work, to rest or to end is Relaxed: a change is seen in time, and parking and unparking a
//! thread orders what was written before. What it tells is not: whoever sees that it rests has seen all that
//! it did.

use super::operation::Repeated;
use crate::sync::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::thread::{self, Thread};

/// Who measures, beside a thread with a disturbance.
pub(super) struct Company<'s> {
    state: &'s State,
    thread: Thread,
}

struct State {
    is_wanted: AtomicU64,
    is_busy: AtomicU64,
    is_over: AtomicU64,
    /// How often the disturbance came to its end.
    finished: AtomicU64,
}

/// Ends the thread, also when a measurement panics.
struct End<'s>(&'s State, Thread);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(1, Relaxed);
        self.1.unpark();
    }
}

/// The disturbance panicked; the scope passes that on.
pub(super) struct Gone;

impl Company<'_> {
    /// Lets `measure` have it, at rest.
    ///
    /// # Panics
    ///
    /// If the disturbance does.
    pub(super) fn keep<R>(
        disturbance: &mut Repeated<'_>,
        measure: impl FnOnce(&Company<'_>) -> Result<R, Gone>,
    ) -> R {
        let zero = || AtomicU64::new(0);
        let state = State { is_wanted: zero(), is_busy: zero(), is_over: zero(), finished: zero() };
        let measured = thread::scope(|scope| {
            let state = &state;
            let worker = scope.spawn(move || state.work(disturbance));
            let thread = worker.thread().clone();
            let end = End(state, thread.clone());
            let measured = measure(&Company { state, thread });
            drop(end);
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
            measured
        });
        measured.unwrap_or_else(|Gone| unreachable!("a thread that is gone has panicked"))
    }

    /// Sets it going; returns when it has come to its end once.
    pub(super) fn begin(&self) -> Result<(), Gone> {
        let before = self.finished();
        self.state.is_wanted.store(1, Relaxed);
        self.thread.unpark();
        self.wait_until(|| self.finished() != before)
    }

    /// Lets it rest; returns when it does.
    pub(super) fn pause(&self) -> Result<(), Gone> {
        self.state.is_wanted.store(0, Relaxed);
        // ORDERING: Acquire pairs with the Release with which the thread says that it rests: what the
        // disturbance did has happened. That this is not the zero from before comes from `finished`.
        self.wait_until(|| self.state.is_busy.load(Acquire) == 0)
    }

    pub(super) fn finished(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release of the thread's count, after which it is seen to be busy.
        self.state.finished.load(Acquire)
    }

    fn wait_until(&self, is_so: impl Fn() -> bool) -> Result<(), Gone> {
        while !is_so() {
            if self.state.is_over.load(Relaxed) != 0 {
                return Err(Gone);
            }
            thread::yield_now();
        }
        Ok(())
    }
}

impl State {
    fn work(&self, disturbance: &mut Repeated<'_>) {
        // The measuring thread stops waiting when this one is gone.
        let _end = End(self, thread::current());
        while self.is_over.load(Relaxed) == 0 {
            if self.is_wanted.load(Relaxed) == 0 {
                // ORDERING: Release, after all that the disturbance did; pairs with `pause`.
                self.is_busy.store(0, Release);
                thread::park();
            } else {
                self.is_busy.store(1, Relaxed);
                disturbance();
                // ORDERING: Release, after `is_busy`; pairs with `finished`.
                self.finished.fetch_add(1, Release);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn it_works_while_it_is_told_to_and_rests_otherwise() {
        let calls = AtomicU64::new(0);
        let mut disturbance = || {
            calls.fetch_add(1, Relaxed);
        };
        let at_rest = Company::keep(&mut disturbance, |company| {
            assert_eq!(company.finished(), 0);
            company.begin()?;
            company.begin()?;
            company.pause()?;
            Ok((company.finished(), calls.load(Relaxed)))
        });
        assert!(at_rest.0 >= 2);
        assert_eq!(at_rest.0, at_rest.1);
        assert_eq!(at_rest.1, calls.load(Relaxed), "it went on after its end");
    }

    #[test]
    fn a_disturbance_that_panics_ends_the_measurement() {
        let mut disturbance = || panic!("on purpose");
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            Company::keep(&mut disturbance, |company| {
                company.begin()?;
                company.begin()?;
                company.pause()
            });
        }));
        let panic = outcome.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"on purpose"));
    }

    #[test]
    fn a_measurement_that_panics_ends_the_thread() {
        let outcome = catch_unwind(|| {
            Company::keep(&mut || (), |company| {
                company.begin()?;
                panic!("on purpose");
                #[allow(unreachable_code)]
                Ok(())
            })
        });
        assert_eq!(outcome.unwrap_err().downcast_ref(), Some(&"on purpose"));
    }
}
