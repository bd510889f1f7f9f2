//! The flusher: a thread that takes a snapshot at an interval, publishes it, and hands it to the
//! delivery threads. It never waits for one.
//!
//! Ticks come by the monotonic clock; those that were missed, because the process was stopped or the
//! machine suspended, are not made up for: one late flush carries everything.
#![forbid(unsafe_code)]

use super::clock::{Clock, Sleeper};
use super::delivery::Destination;
use super::measures::{Measures, Watched};
use super::orders::{Order, Orders};
use super::standing::Waiters;
use crate::registry::Registry;
use crate::snapshot::Snapshot;
use crate::sync::{self, Mutex};
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A registry that lives for as long as a client may read it.
pub(crate) type Source = Box<dyn Deref<Target = Registry> + Send + Sync>;

/// What the flusher shares with callers.
pub(super) struct Flushes {
    pub(super) orders: Orders,
    pub(super) progress: Mutex<Progress>,
    pub(super) waiters: Arc<Waiters>,
    pub(super) interval: Duration,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Progress {
    /// Flushes done, and the number of the last one.
    pub(super) number: u64,
    /// The snapshot that it published, and when that was.
    pub(super) sequence: u64,
    pub(super) at: Option<Instant>,
    pub(super) has_ended: bool,
}

impl Flushes {
    pub(super) fn progress(&self) -> Progress {
        *sync::lock(&self.progress)
    }
}

/// The flusher's thread.
pub(super) struct FlusherThread {
    pub(super) registry: Source,
    pub(super) flushes: Arc<Flushes>,
    pub(super) destinations: Arc<[Arc<Destination>]>,
    pub(super) clock: Clock,
    pub(super) sleeper: Sleeper,
    pub(super) started: Instant,
    pub(super) attempt_timeout: Duration,
    pub(super) measures: Arc<Measures>,
}

impl FlusherThread {
    /// Flushes until it is told to stop, and once more.
    pub(super) fn run(self) {
        let _ended = Ended(&self);
        let interval = self.flushes.interval;
        let mut watched = Watched::new();
        let mut next_tick = self.started + interval;
        loop {
            let now = self.clock.now().at;
            let Some(order) = self.flushes.orders.begin(next_tick <= now) else {
                self.sleeper.sleep_until(Some(next_tick));
                continue;
            };
            if next_tick <= now {
                // Even ticks, unless more of them have passed.
                let late = now.duration_since(next_tick);
                let missed = late.as_nanos() / interval.as_nanos();
                self.measures.missed_ticks.add(missed as u64);
                next_tick = if missed == 0 { next_tick + interval } else { now + interval };
            }
            watched.update(&self.measures, &self.registry, now);
            for destination in self.destinations.iter() {
                destination.check_overrun(now, self.attempt_timeout);
                if let Some((_, taken)) = destination.standing.acknowledged() {
                    let age = now.saturating_duration_since(taken);
                    destination.measures.snapshot_age.set(age.as_secs_f64());
                }
            }
            let snapshot = {
                let _timer = self.measures.flush_duration.start();
                self.registry.publish(|| self.clock.now())
            };
            match order {
                Order::Flush { number, is_urgent } => {
                    for destination in self.destinations.iter() {
                        destination.put(snapshot.clone(), is_urgent);
                    }
                    self.note(number, &snapshot);
                }
                Order::Last { number, deadline } => {
                    for destination in self.destinations.iter() {
                        destination.close(snapshot.clone(), deadline);
                    }
                    self.note(number, &snapshot);
                    return;
                }
            }
        }
    }

    fn note(&self, number: u64, snapshot: &Snapshot) {
        let mut progress = sync::lock(&self.flushes.progress);
        progress.number = number;
        progress.sequence = snapshot.sequence();
        progress.at = Some(snapshot.instant());
        drop(progress);
        self.flushes.waiters.wake_all();
    }
}

/// Says that the flusher has ended, also if that was by a panic.
struct Ended<'a>(&'a FlusherThread);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        // After an orderly end they are closed already. Nothing comes after a panic either.
        for destination in self.0.destinations.iter() {
            destination.handover.close(None, Instant::now() + self.0.attempt_timeout);
            destination.waker.wake();
        }
        sync::lock(&self.0.flushes.progress).has_ended = true;
        self.0.flushes.waiters.wake_all();
    }
}
