//! The flusher: a thread that takes a snapshot at an interval, publishes it, and has it delivered.
//!
//! Orders reach it through a mutex and a condition variable that no recording thread ever touches.
//! It waits for the next tick by the monotonic clock; a tick that was missed, because an exporter was
//! slow or the machine suspended, is not made up for.
#![forbid(unsafe_code)]

use super::exporter::{Delivery, Exporter};
use crate::registry::Registry;
use crate::snapshot::Snapshot;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// Longer ones could not be added to every clock's now.
const LONGEST_INTERVAL: Duration = Duration::from_secs(100 * 366 * 86_400);

/// A thread that publishes and delivers the snapshots of a registry; made by [`Flusher::builder`].
///
/// Dropping it stops it as [`stop`](Self::stop) does.
///
/// ```
/// use std::time::Duration;
/// let flusher = quipu::Flusher::builder(quipu::registry())
///     .interval(Duration::from_secs(5))
///     .exporter(quipu::Console::stdout())
///     .start()?;
/// quipu::counter!("doc.flusher.work").increment();
/// let report = flusher.stop();
/// assert_eq!(report.failures, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Flusher {
    orders: Arc<Orders>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// A forked child has the flusher's memory but not its thread.
    process: u32,
}

/// Describes a [`Flusher`].
#[must_use = "nothing is flushed until `start` is called"]
pub struct FlusherBuilder<R> {
    registry: R,
    interval: Duration,
    exporters: Vec<Destination>,
}

/// What a flusher has done.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FlusherReport {
    /// Snapshots taken and published.
    pub flushes: u64,
    /// Deliveries that failed or panicked.
    pub failures: u64,
    /// What the last failure said.
    pub last_failure: Option<String>,
    /// Whether some exporter did not acknowledge the newest snapshot, so that it may not have what
    /// was recorded since the one before.
    pub undelivered: bool,
}

struct Destination {
    exporter: Box<dyn Exporter>,
    acknowledged: Option<crate::sync::Arc<Snapshot>>,
}

#[derive(Default)]
struct Orders {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stop: bool,
    /// The flush asked for last; `report.flushes` catches up with it.
    wanted: u64,
    flushing: bool,
    done: bool,
    report: FlusherReport,
}

impl Orders {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flusher {
    /// Describes a flusher of `registry`, given as a reference that lives for ever or as an `Arc`.
    pub fn builder<R>(registry: R) -> FlusherBuilder<R>
    where
        R: Deref<Target = Registry> + Send + 'static,
    {
        FlusherBuilder { registry, interval: DEFAULT_INTERVAL, exporters: Vec::new() }
    }

    /// Takes, publishes and delivers a snapshot now, and returns when that is done.
    ///
    /// Does nothing after [`stop`](Self::stop), or in a forked child.
    pub fn flush(&self) {
        if self.is_foreign() {
            return;
        }
        let mut state = self.orders.state();
        // A flush under way may have begun before the caller's records: it does not count.
        let wanted = state.report.flushes + 1 + u64::from(state.flushing);
        state.wanted = state.wanted.max(wanted);
        self.orders.changed.notify_all();
        while state.report.flushes < wanted && !state.done {
            state = self.orders.wait(state);
        }
    }

    /// Takes a last snapshot, publishes and delivers it, and ends the thread.
    ///
    /// All that was recorded before the call is in that snapshot. Returns when every exporter has
    /// returned. May be called more than once and from any thread.
    pub fn stop(&self) -> FlusherReport {
        if !self.is_foreign() {
            self.orders.state().stop = true;
            self.orders.changed.notify_all();
            // Held while waiting, so that whoever else stops it returns no sooner.
            let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(thread) = thread.take() {
                // Its panics end here: `run` catches those of exporters, and has none of its own.
                let _ = thread.join();
            }
        }
        self.report()
    }

    /// What the flusher has done so far; nothing in a forked child.
    pub fn report(&self) -> FlusherReport {
        if self.is_foreign() {
            // The parent's thread may have held the lock when the child was born.
            return FlusherReport::default();
        }
        self.orders.state().report.clone()
    }

    fn is_foreign(&self) -> bool {
        std::process::id() != self.process
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for Flusher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flusher").finish_non_exhaustive()
    }
}

impl<R: Deref<Target = Registry> + Send + 'static> FlusherBuilder<R> {
    /// Time between two snapshots; 10 seconds by default, 1 millisecond at least, and at most a
    /// century.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        self
    }

    /// Adds a destination. They are served one after the other.
    pub fn exporter(mut self, exporter: impl Exporter + 'static) -> Self {
        self.exporters.push(Destination { exporter: Box::new(exporter), acknowledged: None });
        self
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system's, if it refuses another thread.
    pub fn start(self) -> std::io::Result<Flusher> {
        let orders = Arc::new(Orders::default());
        let for_thread = orders.clone();
        let thread = std::thread::Builder::new()
            .name("quipu-flusher".into())
            .spawn(move || self.run(&for_thread))?;
        Ok(Flusher { orders, thread: Mutex::new(Some(thread)), process: std::process::id() })
    }

    fn run(mut self, orders: &Orders) {
        let mut next_tick = Instant::now() + self.interval;
        loop {
            let mut state = orders.state();
            while !state.stop && state.wanted <= state.report.flushes {
                let until_tick = next_tick.saturating_duration_since(Instant::now());
                if until_tick.is_zero() {
                    break;
                }
                let waited = orders.changed.wait_timeout(state, until_tick);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            let is_last = state.stop;
            state.flushing = true;
            drop(state);

            let failures = self.flush(is_last);
            let now = Instant::now();
            if next_tick <= now {
                // Even ticks, unless the next one has passed as well.
                let even = next_tick + self.interval;
                next_tick = if even > now { even } else { now + self.interval };
            }

            let mut state = orders.state();
            state.flushing = false;
            state.report.flushes += 1;
            state.report.undelivered = !failures.is_empty();
            state.report.failures += failures.len() as u64;
            if let Some(failure) = failures.into_iter().last() {
                state.report.last_failure = Some(failure);
            }
            state.done = is_last;
            orders.changed.notify_all();
            if is_last {
                return;
            }
        }
    }

    /// Publishes a snapshot and delivers it; returns what failed.
    fn flush(&mut self, is_last: bool) -> Vec<String> {
        let snapshot = self.registry.publish();
        let mut failures = Vec::new();
        for destination in &mut self.exporters {
            let acknowledged = destination.acknowledged.as_deref();
            let delivery = Delivery { snapshot: &snapshot, acknowledged, is_last };
            let exporter = &mut destination.exporter;
            // The error is turned into text inside, since that is the exporter's code as well.
            let exported = contained(|| exporter.export(&delivery).map_err(|e| e.to_string()));
            match exported.unwrap_or_else(|| Err("the exporter panicked".into())) {
                Ok(()) => destination.acknowledged = Some(snapshot.clone()),
                Err(failure) => failures.push(failure),
            }
        }
        failures
    }
}

/// What `work` returns, unless it panics.
fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    // A panic's payload is somebody else's too, and its drop may panic again: it is leaked.
    catch_unwind(AssertUnwindSafe(work)).map_err(std::mem::forget).ok()
}

impl<R> std::fmt::Debug for FlusherBuilder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlusherBuilder").field("interval", &self.interval).finish_non_exhaustive()
    }
}
