//! Time, and waiting for it.
//!
//! A thread of a client waits with a [`Sleeper`]: until a moment, or until somebody who holds its
//! [`Waker`] wakes it. On the manual clock moments come when a test says so, and the clock knows which
//! threads wait: that is what lets `advance` return when all is done that had to be done by then.
#![forbid(unsafe_code)]

use super::config::LONGEST_INTERVAL;
use crate::snapshot::Moment;
use crate::sync::{self, Mutex, Parker, Unparker};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long `advance` waits before it takes the clients for stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// The moment after `timeout` by the system's time, a century from now at most: room is left to add
/// to it.
pub(crate) fn after(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(LONGEST_INTERVAL)
}

/// Where a client's time comes from.
#[derive(Clone, Debug, Default)]
pub(super) enum Clock {
    #[default]
    System,
    Manual(ManualClock),
}

/// A clock that stands still until it is told to move on, so that tests of what a client does at
/// which time need no sleep.
///
/// Clones are the same clock. Give it to a client with
/// [`ClientBuilder::clock`](crate::ClientBuilder::clock); its ticks, backoffs and the times of its
/// snapshots then follow it. The timeouts of [`Client::flush`](crate::Client::flush) and
/// [`Client::stop`](crate::Client::stop), and what happens within a stop, are in the system's time.
///
/// ```
/// use quipu::{Client, Registry, testing::{ManualClock, TestExporter}};
/// use std::{sync::Arc, time::Duration};
///
/// let registry = Arc::new(Registry::new());
/// let requests = registry.counter("requests").register()?;
/// let (clock, exporter) = (ManualClock::new(), TestExporter::new());
/// let client = Client::builder()
///     .registry(registry)
///     .clock(clock.clone())
///     .flush_interval(Duration::from_secs(5))
///     .exporter(exporter.clone())
///     .start()?;
///
/// requests.add(3);
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(exporter.counter("requests", &[]), 3);
/// # drop(client);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ManualClock {
    start: Moment,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    passed: Duration,
    sleepers: Vec<Entry>,
    /// Whoever waits until all sleepers sleep.
    settling: Vec<Unparker>,
    last_id: u64,
}

struct Entry {
    id: u64,
    unparker: Unparker,
    /// Asleep, and not woken: nothing happens before `until`.
    sleeps: bool,
    woken: bool,
    until: Option<Instant>,
}

impl ManualClock {
    /// A clock that shows the present time, and stands.
    pub fn new() -> Self {
        let shared = Arc::new(Shared { state: Mutex::new(State::default()) });
        Self { start: Moment::now(), shared }
    }

    /// Moves the clock on, and returns when the clients on it have done what was to be done by then,
    /// their deliveries included.
    ///
    /// The new time comes at once: a client whose tick comes every 5 seconds flushes once when 60
    /// seconds pass in one step.
    ///
    /// # Panics
    ///
    /// If a client is not done within a minute, because an exporter does not return;
    /// [`jump`](Self::jump) does not wait for it.
    pub fn advance(&self, time: Duration) {
        self.jump(time);
        let settled = self.settle(PATIENCE);
        assert!(
            settled,
            "an exporter has not returned for a minute; use `jump` to move on without it"
        );
    }

    /// Moves the clock on, and returns at once.
    pub fn jump(&self, time: Duration) {
        let mut state = sync::lock(&self.shared.state);
        state.passed += time;
        let now = self.start.at + state.passed;
        for entry in &mut state.sleepers {
            if entry.sleeps && entry.until.is_some_and(|until| until <= now) {
                entry.wake();
            }
        }
    }

    /// Waits until the clients on this clock have nothing to do before a later time; returns `false`
    /// if they are not done within `timeout`.
    pub fn settle(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let parker = Parker::new();
        loop {
            let mut state = sync::lock(&self.shared.state);
            let is_settled = state.sleepers.iter().all(|entry| entry.sleeps);
            let left = deadline.saturating_duration_since(Instant::now());
            if is_settled || left.is_zero() {
                return is_settled;
            }
            state.settling.push(parker.unparker().clone());
            drop(state);
            parker.park_timeout(left);
        }
    }

    fn now(&self) -> Moment {
        let passed = sync::lock(&self.shared.state).passed;
        Moment { time: self.start.time + passed, at: self.start.at + passed }
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManualClock").field("now", &self.now().time).finish_non_exhaustive()
    }
}

impl Entry {
    fn wake(&mut self) {
        self.woken = true;
        self.sleeps = false;
        self.unparker.unpark();
    }
}

impl State {
    fn entry(&mut self, id: u64) -> Option<&mut Entry> {
        self.sleepers.iter_mut().find(|entry| entry.id == id)
    }

    fn tell_settling(&mut self) {
        if self.sleepers.iter().all(|entry| entry.sleeps) {
            self.settling.drain(..).for_each(|waiting| waiting.unpark());
        }
    }
}

impl Clock {
    pub(super) fn now(&self) -> Moment {
        match self {
            Self::System => Moment::now(),
            Self::Manual(clock) => clock.now(),
        }
    }

    /// What a thread that is about to be started will wait with. On a manual clock it counts as
    /// awake until it sleeps.
    pub(super) fn sleeper(&self) -> Sleeper {
        let parker = Parker::new();
        let on_clock = match self {
            Self::System => None,
            Self::Manual(clock) => {
                let mut state = sync::lock(&clock.shared.state);
                state.last_id += 1;
                let id = state.last_id;
                let unparker = parker.unparker().clone();
                let (sleeps, woken, until) = (false, false, None);
                state.sleepers.push(Entry { id, unparker, sleeps, woken, until });
                Some((clock.clone(), id))
            }
        };
        Sleeper { parker, on_clock }
    }
}

/// What one thread waits with.
pub(super) struct Sleeper {
    parker: Parker,
    on_clock: Option<(ManualClock, u64)>,
}

/// Wakes one thread; a wake-up that comes before the thread sleeps is not lost. Never blocks for
/// longer than a thread takes to fall asleep.
#[derive(Clone)]
pub(super) struct Waker {
    unparker: Unparker,
    on_clock: Option<(ManualClock, u64)>,
}

impl Sleeper {
    pub(super) fn waker(&self) -> Waker {
        Waker { unparker: self.parker.unparker().clone(), on_clock: self.on_clock.clone() }
    }

    /// Returns when it is woken, when `until` has come, or without a reason.
    pub(super) fn sleep_until(&self, until: Option<Instant>) {
        match (&self.on_clock, until) {
            (None, Some(until)) => self.park_until(until),
            (None, None) => self.parker.park(),
            (Some((clock, id)), until) => {
                if fall_asleep(clock, *id, until) {
                    self.parker.park();
                    wake_up(clock, *id);
                }
            }
        }
    }

    /// The same by the system's time, whichever clock there is.
    pub(super) fn sleep_until_system_time(&self, until: Instant) {
        let asleep = match &self.on_clock {
            None => true,
            Some((clock, id)) => fall_asleep(clock, *id, None),
        };
        if asleep {
            self.park_until(until);
            if let Some((clock, id)) = &self.on_clock {
                wake_up(clock, *id);
            }
        }
    }

    fn park_until(&self, until: Instant) {
        self.parker.park_timeout(until.saturating_duration_since(Instant::now()));
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some((clock, id)) = &self.on_clock {
            let mut state = sync::lock(&clock.shared.state);
            state.sleepers.retain(|entry| entry.id != *id);
            state.tell_settling();
        }
    }
}

/// Notes that a thread sleeps, unless it was woken before or `until` has come already.
fn fall_asleep(clock: &ManualClock, id: u64, until: Option<Instant>) -> bool {
    let mut state = sync::lock(&clock.shared.state);
    let now = clock.start.at + state.passed;
    let Some(entry) = state.entry(id) else { return false };
    if std::mem::take(&mut entry.woken) || until.is_some_and(|until| until <= now) {
        return false;
    }
    entry.sleeps = true;
    entry.until = until;
    state.tell_settling();
    true
}

fn wake_up(clock: &ManualClock, id: u64) {
    let mut state = sync::lock(&clock.shared.state);
    if let Some(entry) = state.entry(id) {
        entry.sleeps = false;
        entry.woken = false;
    }
}

impl Waker {
    pub(super) fn wake(&self) {
        match &self.on_clock {
            None => self.unparker.unpark(),
            Some((clock, id)) => {
                if let Some(entry) = sync::lock(&clock.shared.state).entry(*id) {
                    entry.wake();
                }
            }
        }
    }
}
