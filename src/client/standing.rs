//! How deliveries to one exporter stand: written by its thread, read by reports, health and callers
//! that wait.
#![forbid(unsafe_code)]

use super::failure::FailureCause;
use crate::sync::{self, Mutex, Parker, Unparker};
use std::time::Instant;

/// Threads of callers that wait for something to be done.
#[derive(Default)]
pub(super) struct Waiters(Mutex<Vec<(u64, Unparker)>>);

impl Waiters {
    pub(super) fn wake_all(&self) {
        sync::lock(&self.0).iter().for_each(|(_, waiting)| waiting.unpark());
    }

    /// Waits until `is_done`, after which somebody calls `wake_all`; returns whether that came
    /// before `deadline`.
    pub(super) fn wait(&self, deadline: Instant, is_done: impl Fn() -> bool) -> bool {
        if is_done() {
            return true;
        }
        let parker = Parker::new();
        let id = {
            let mut waiting = sync::lock(&self.0);
            let id = waiting.last().map_or(0, |(last, _)| last + 1);
            waiting.push((id, parker.unparker().clone()));
            id
        };
        let is_done = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if is_done() {
                break true;
            }
            if left.is_zero() {
                break false;
            }
            parker.park_timeout(left);
        };
        sync::lock(&self.0).retain(|(other, _)| *other != id);
        is_done
    }
}

#[derive(Default)]
pub(super) struct Standing(Mutex<Deliveries>);

/// What is known of the deliveries to one exporter.
#[derive(Clone, Default)]
pub(super) struct Deliveries {
    pub(super) attempts: u64,
    pub(super) acknowledgements: u64,
    pub(super) failures: u64,
    pub(super) failures_in_a_row: u64,
    pub(super) last_failure: Option<String>,
    /// The newest snapshot that was acknowledged, and when it was taken.
    pub(super) acknowledged: Option<(u64, Instant)>,
    /// The newest snapshot that an attempt has ended for, in success or not.
    pub(super) attempted: u64,
    /// Until when the destination asked to be left alone.
    pub(super) silent_until: Option<Instant>,
    /// The attempt under way.
    pub(super) attempt: Option<Attempt>,
    /// Captured errors that were given up at the end.
    pub(super) errors_undelivered: u64,
    pub(super) has_ended: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub(super) since: Instant,
    pub(super) has_overrun: bool,
}

impl Standing {
    pub(super) fn now(&self) -> Deliveries {
        sync::lock(&self.0).clone()
    }

    /// The newest snapshot that was acknowledged, and when it was taken.
    pub(super) fn acknowledged(&self) -> Option<(u64, Instant)> {
        sync::lock(&self.0).acknowledged
    }

    /// Whether an attempt for that snapshot, or a newer one, has ended, or none will be made soon.
    pub(super) fn has_attempted(&self, sequence: u64, now: Instant) -> bool {
        let state = sync::lock(&self.0);
        let is_silent = state.silent_until.is_some_and(|until| until > now);
        state.attempted >= sequence || is_silent || state.has_ended
    }

    pub(super) fn has_ended(&self) -> bool {
        sync::lock(&self.0).has_ended
    }

    pub(super) fn begin(&self, since: Instant) {
        let mut state = sync::lock(&self.0);
        state.attempts += 1;
        state.attempt = Some(Attempt { since, has_overrun: false });
    }

    /// Ends an attempt; returns how many had failed in a row before.
    pub(super) fn succeeded(&self, snapshot: Option<(u64, Instant)>) -> u64 {
        let mut state = sync::lock(&self.0);
        state.attempt = None;
        state.silent_until = None;
        if let Some((sequence, _)) = snapshot {
            state.acknowledgements += 1;
            state.acknowledged = snapshot;
            state.attempted = sequence;
        }
        std::mem::take(&mut state.failures_in_a_row)
    }

    /// Ends an attempt; returns how many have failed in a row, this one included.
    pub(super) fn failed(
        &self,
        sequence: Option<u64>,
        failure: String,
        silent_until: Option<Instant>,
    ) -> u64 {
        let mut state = sync::lock(&self.0);
        state.silent_until = silent_until;
        state.attempt = None;
        state.failures += 1;
        state.failures_in_a_row += 1;
        state.last_failure = Some(failure);
        state.attempted = sequence.unwrap_or(state.attempted);
        state.failures_in_a_row
    }

    /// Notes that the attempt under way is late, if `is_late` since it began; whether that is news.
    pub(super) fn overruns(&self, is_late: impl FnOnce(Instant) -> bool) -> bool {
        let mut state = sync::lock(&self.0);
        match &mut state.attempt {
            Some(attempt) if !attempt.has_overrun && is_late(attempt.since) => {
                attempt.has_overrun = true;
                state.failures += 1;
                state.last_failure = Some(FailureCause::Overran.name().to_owned());
                true
            }
            _ => false,
        }
    }

    pub(super) fn end(&self, errors_undelivered: u64) {
        let mut state = sync::lock(&self.0);
        state.errors_undelivered = errors_undelivered;
        state.has_ended = true;
    }
}
