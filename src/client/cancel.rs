//! Telling threads to end.
//!
//! A token is a flag that is set once, and a list of what to call then. Whoever waits is on that list
//! with a call that unparks it. Nothing of somebody else's runs under the token's lock, and the lock is
//! one that `fork` waits for once there is a registry, so that tokens can be used and dropped in a
//! child.
#![forbid(unsafe_code)]

use super::contained::contained;
use crate::sync::{self, Mutex};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Tells threads to end: cancelled once, by anyone who has a clone.
///
/// Clones are the same token. A [`child`](Self::child) is cancelled with its parent, or alone.
/// Cancelling takes a lock: it is not for signal handlers.
///
/// ```
/// use quipu::CancelToken;
/// use std::time::Duration;
///
/// let cancel = CancelToken::new();
/// let worker = std::thread::spawn({
///     let cancel = cancel.clone();
///     move || while !cancel.wait_timeout(Duration::from_secs(10)) {
///         println!("every ten seconds");
///     }
/// });
/// cancel.cancel();
/// worker.join().unwrap();
/// ```
#[derive(Clone, Default)]
pub struct CancelToken {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Set under the lock of `state`, so that no subscriber comes too late unnoticed.
    cancelled: OnceLock<()>,
    state: Mutex<State>,
    parent: OnceLock<Subscription>,
}

#[derive(Default)]
struct State {
    /// When those who are cancelled should have ended.
    deadline: Option<Instant>,
    subscribers: BTreeMap<u64, Subscriber>,
    subscribed: u64,
}

type Subscriber = Box<dyn FnOnce() + Send>;

/// A call that is made when a token is cancelled, unless this is dropped before.
#[derive(Debug)]
#[must_use = "dropping it ends it"]
pub struct Subscription {
    token: CancelToken,
    number: u64,
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells all who have the token, or a child of it, to end. Without effect after the first time.
    pub fn cancel(&self) {
        self.cancel_with(None);
    }

    /// As [`cancel`](Self::cancel), and says by when they should have ended.
    ///
    /// If the token is cancelled already, it only sets the deadline. Of several the earliest
    /// stands.
    pub fn cancel_by(&self, deadline: Instant) {
        self.cancel_with(Some(deadline));
    }

    fn cancel_with(&self, deadline: Option<Instant>) {
        let is_first = {
            let mut state = sync::lock(&self.shared.state);
            state.deadline = earliest(state.deadline, deadline);
            self.shared.cancelled.set(()).is_ok()
        };
        if is_first {
            // One by one: a subscription that is dropped before its turn is not called.
            while let Some(subscriber) = self.next_subscriber() {
                let _ = contained(subscriber);
            }
        }
    }

    fn next_subscriber(&self) -> Option<Subscriber> {
        let next = sync::lock(&self.shared.state).subscribers.pop_first();
        next.map(|(_, subscriber)| subscriber)
    }

    /// Whether the token was cancelled. Costs a load.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.get().is_some()
    }

    /// By when whoever was cancelled should have ended, if somebody has said so.
    ///
    /// Can be set, or become earlier, after the token was cancelled.
    pub fn deadline(&self) -> Option<Instant> {
        let own = sync::lock(&self.shared.state).deadline;
        let parent = self.shared.parent.get();
        earliest(own, parent.and_then(|subscription| subscription.token.deadline()))
    }

    /// Blocks until the token is cancelled.
    pub fn wait(&self) {
        let _woken = self.wake_this_thread();
        while !self.is_cancelled() {
            thread::park();
        }
    }

    /// Blocks until the token is cancelled, `timeout` at most. Returns whether it is cancelled.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let Some(end) = Instant::now().checked_add(timeout) else {
            self.wait();
            return true;
        };
        let _woken = self.wake_this_thread();
        while !self.is_cancelled() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::park_timeout(left);
        }
        true
    }

    fn wake_this_thread(&self) -> Subscription {
        let waiter = thread::current();
        self.on_cancel(move || waiter.unpark())
    }

    /// A token that is cancelled with this one, and can be cancelled alone.
    ///
    /// It takes nothing of this one's memory after its last clone is dropped.
    pub fn child(&self) -> Self {
        let child = Self::new();
        let shared = Arc::downgrade(&child.shared);
        let subscription = self.on_cancel(move || {
            if let Some(shared) = shared.upgrade() {
                Self { shared }.cancel();
            }
        });
        assert!(child.shared.parent.set(subscription).is_ok(), "a new token has no parent");
        child
    }

    /// Has `f` called once when the token is cancelled, at once if it is already.
    ///
    /// For what cannot wait on the token, since it waits for something else: a channel, an async
    /// runtime.
    ///
    /// ```
    /// # let cancel = quipu::CancelToken::new();
    /// let (jobs, queue) = std::sync::mpsc::channel::<u32>();
    /// let worker = std::thread::spawn(move || queue.iter().sum::<u32>());
    /// jobs.send(3)?;
    /// // The end of the channel is the end of the worker.
    /// let _subscription = cancel.on_cancel(move || drop(jobs));
    /// cancel.cancel();
    /// assert_eq!(worker.join().unwrap(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Its panics are contained. It is called by the thread that cancels, which holds no lock of
    /// the token, and should be quick. Dropping the subscription ends it; a call that has begun on
    /// another thread may outlast that.
    pub fn on_cancel(&self, f: impl FnOnce() + Send + 'static) -> Subscription {
        let mut state = sync::lock(&self.shared.state);
        let number = state.subscribed;
        state.subscribed += 1;
        if self.is_cancelled() {
            drop(state);
            let _ = contained(f);
        } else {
            state.subscribers.insert(number, Box::new(f));
        }
        Subscription { token: self.clone(), number }
    }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let subscriber = sync::lock(&self.token.shared.state).subscribers.remove(&self.number);
        // What it captured is dropped after the lock is released.
        drop(subscriber);
    }
}

impl std::fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::mpsc::{RecvTimeoutError, channel};

    /// How long to wait for what must happen: long, since it only shows in a test that fails.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn subscribers(token: &CancelToken) -> usize {
        sync::lock(&token.shared.state).subscribers.len()
    }

    #[test]
    fn every_clone_sees_the_cancellation_and_its_earliest_deadline() {
        let token = CancelToken::new();
        let clone = token.clone();
        assert!(!clone.is_cancelled());
        assert_eq!(clone.deadline(), None);
        let early = Instant::now();
        token.cancel_by(early + Duration::from_secs(2));
        assert!(clone.is_cancelled());
        token.cancel();
        assert_eq!(clone.deadline(), Some(early + Duration::from_secs(2)));
        clone.cancel_by(early);
        clone.cancel_by(early + Duration::from_secs(1));
        assert_eq!(token.deadline(), Some(early));
    }

    #[test]
    fn waiting_ends_with_the_cancellation() {
        let token = CancelToken::new();
        let (ended, ends) = channel();
        for waiter in 0..3 {
            let (token, ended) = (token.clone(), ended.clone());
            thread::spawn(move || {
                match waiter {
                    0 => token.wait(),
                    1 => assert!(token.wait_timeout(Duration::MAX)),
                    _ => assert!(token.wait_timeout(PATIENCE)),
                }
                ended.send(token.is_cancelled()).unwrap();
            });
        }
        while subscribers(&token) < 3 {
            thread::yield_now();
        }
        assert!(ends.try_recv().is_err());
        token.cancel();
        for _ in 0..3 {
            assert_eq!(ends.recv_timeout(PATIENCE), Ok(true));
        }
        token.wait();
    }

    #[test]
    fn a_wait_that_times_out_leaves_nothing_behind() {
        let token = CancelToken::new();
        // Somebody else's wake-up is not a cancellation.
        thread::current().unpark();
        assert!(!token.wait_timeout(Duration::from_millis(1)));
        assert!(!token.wait_timeout(Duration::ZERO));
        assert_eq!(subscribers(&token), 0);
        token.cancel();
        assert!(token.wait_timeout(Duration::ZERO));
    }

    #[test]
    fn a_child_is_cancelled_with_its_parent_or_alone() {
        let parent = CancelToken::new();
        let (alone, with_parent) = (parent.child(), parent.child());
        let grandchild = with_parent.child();
        alone.cancel();
        assert!(alone.is_cancelled());
        assert!(!parent.is_cancelled() && !with_parent.is_cancelled());
        let deadline = Instant::now();
        parent.cancel_by(deadline);
        assert!(with_parent.is_cancelled() && grandchild.is_cancelled());
        assert_eq!(grandchild.deadline(), Some(deadline));
        let late = grandchild.child();
        assert!(late.is_cancelled());
        assert_eq!(late.deadline(), Some(deadline));
    }

    #[test]
    fn a_dropped_child_takes_no_memory_of_its_parent() {
        let parent = CancelToken::new();
        let kept = parent.child();
        let children: Vec<_> = (0..100).map(|_| parent.child().child()).collect();
        let memory: Vec<_> = children.iter().map(|child| Arc::downgrade(&child.shared)).collect();
        assert_eq!(subscribers(&parent), 101);
        drop(children);
        assert_eq!(subscribers(&parent), 1);
        assert!(memory.iter().all(|child| child.upgrade().is_none()));
        let parent_memory = Arc::downgrade(&parent.shared);
        drop(parent);
        assert!(parent_memory.upgrade().is_some());
        drop(kept);
        assert!(parent_memory.upgrade().is_none());
    }

    #[test]
    fn a_subscriber_is_called_once_and_not_after_its_end() {
        let token = CancelToken::new();
        let (called, calls) = channel();
        let call = |name: &'static str| {
            let called = called.clone();
            move || called.send(name).unwrap()
        };
        let _first = token.on_cancel(call("first"));
        let _panics = token.on_cancel(|| panic!("contained"));
        let ended = token.on_cancel(call("ended"));
        drop(ended);
        let _second = token.on_cancel(call("second"));
        token.cancel();
        token.cancel();
        let _late = token.on_cancel(call("late"));
        let _late_panics = token.on_cancel(|| panic!("contained"));
        assert_eq!(calls.try_iter().collect::<Vec<_>>(), ["first", "second", "late"]);
        assert_eq!(subscribers(&token), 0);
    }

    #[test]
    fn a_subscriber_may_use_the_token() {
        let token = CancelToken::new();
        let (called, calls) = channel();
        let inside = token.clone();
        let _subscription = token.on_cancel(move || {
            inside.cancel_by(Instant::now());
            let nested = called.clone();
            drop(inside.on_cancel(move || nested.send("nested").unwrap()));
            drop(inside.child());
            called.send("outer").unwrap();
        });
        thread::spawn(move || token.cancel());
        assert_eq!(calls.recv_timeout(PATIENCE), Ok("nested"));
        assert_eq!(calls.recv_timeout(PATIENCE), Ok("outer"));
    }

    #[test]
    fn of_a_subscription_and_a_cancellation_at_once_comes_one_call() {
        for _ in 0..2_000 {
            let (token, start) = (CancelToken::new(), Arc::new(Barrier::new(3)));
            let (called, calls) = channel();
            let cancelling = [(); 2].map(|()| {
                let (token, start) = (token.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    token.cancel();
                })
            });
            start.wait();
            let subscription = token.on_cancel(move || called.send(()).unwrap());
            assert_eq!(calls.recv_timeout(PATIENCE), Ok(()));
            cancelling.into_iter().for_each(|thread| thread.join().unwrap());
            drop(subscription);
            assert_eq!(calls.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
        }
    }
}
