//! What all threads of a run share: whether it goes on, pauses in which nobody records, the
//! tallies, and what was found to be wrong.

use super::totals::{Tallies, Totals};
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

/// Faults that are told in words; the rest is counted.
const MOST_TOLD: usize = 20;

#[derive(Default)]
pub struct Run {
    is_over: AtomicBool,
    recording: RwLock<()>,
    pub tallies: Tallies,
    faults: Mutex<Vec<String>>,
    faults_found: AtomicU64,
    /// Comparisons that were made.
    pub checks: AtomicU64,
    pub work: Work,
}

/// How much of each kind of disturbance there was.
#[derive(Default)]
pub struct Work {
    pub records: AtomicU64,
    pub threads: AtomicU64,
    pub label_sets: AtomicU64,
    pub registries: AtomicU64,
    pub snapshots: AtomicU64,
    pub scrapes: AtomicU64,
}

struct Ends<'r>(&'r Run);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Run {
    pub fn goes_on(&self) -> bool {
        !self.is_over.load(Relaxed)
    }

    pub fn end(&self) {
        self.is_over.store(true, Relaxed);
    }

    /// Ends it however the caller comes to its end: threads that go on would be waited for.
    pub fn ends_with_this(&self) -> impl Drop + '_ {
        Ends(self)
    }

    /// Calls `step` until the run is over, with a pause after each, in which it can be held up.
    /// What it records, and tallies, belongs together.
    pub fn repeat(&self, pause: Duration, mut step: impl FnMut()) {
        while self.goes_on() {
            let recording = self.recording();
            step();
            drop(recording);
            thread::sleep(pause);
        }
    }

    /// While this is held, there is no pause.
    pub fn recording(&self) -> RwLockReadGuard<'_, ()> {
        self.recording.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// While this is held, nobody records.
    pub fn pause(&self) -> RwLockWriteGuard<'_, ()> {
        self.recording.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares what somebody has of `metrics` with what was recorded.
    pub fn compare(
        &self,
        who: &str,
        seen: &Totals,
        recorded: &Totals,
        metrics: impl IntoIterator<Item = usize>,
    ) {
        self.checks.fetch_add(1, Relaxed);
        for difference in seen.differences(recorded, metrics) {
            self.fault(format_args!("{who}: {difference}"));
        }
    }

    /// Notes that something is wrong unless `holds`.
    pub fn check(&self, holds: bool, what: impl Display) {
        self.checks.fetch_add(1, Relaxed);
        if !holds {
            self.fault(what);
        }
    }

    fn fault(&self, what: impl Display) {
        if self.faults_found.fetch_add(1, Relaxed) < MOST_TOLD as u64 {
            eprintln!("WRONG: {what}");
            self.told().push(what.to_string());
        }
    }

    pub fn faults(&self) -> (u64, Vec<String>) {
        (self.faults_found.load(Relaxed), self.told().clone())
    }

    fn told(&self) -> MutexGuard<'_, Vec<String>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
