//! The watchdog: whether flushes and deliveries go on.
#![forbid(unsafe_code)]

use super::delivery::Destination;
use super::flusher::Flushes;
use super::report::rounded;
use std::fmt;
use std::time::{Duration, Instant};

/// Intervals without a flush, or without an acknowledged delivery, that count as late and as dead.
/// The slack keeps short intervals from being called late by a busy machine.
const LATE_AFTER_INTERVALS: u32 = 2;
const DEAD_AFTER_INTERVALS: u32 = 10;
const LATE_SLACK: Duration = Duration::from_secs(1);
const DEAD_SLACK: Duration = Duration::from_secs(10);

/// Whether a [`Client`](crate::Client) does what it is there for, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// The verdict.
    pub liveness: Liveness,
    /// What it rests on: a sentence for each thing that is not as it should be, or that explains
    /// why nothing is delivered.
    pub reasons: Vec<String>,
}

/// From well to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Liveness {
    /// Flushes come at their interval, and every exporter acknowledges. Also a client that its
    /// configuration has disabled.
    Live,
    /// A flush is late by more than 2 intervals, or an exporter fails, or has not returned in time.
    Late,
    /// No flush for 10 intervals, or none will come: the flusher has stopped, or could not be set
    /// up, or stayed behind in the process that this one was forked from.
    Dead,
}

impl Health {
    pub(crate) fn live() -> Self {
        Self { liveness: Liveness::Live, reasons: Vec::new() }
    }

    pub(super) fn dead(reason: impl Into<String>) -> Self {
        Self { liveness: Liveness::Dead, reasons: vec![reason.into()] }
    }

    /// Whether it is live.
    pub fn is_live(&self) -> bool {
        self.liveness == Liveness::Live
    }

    fn worsen(&mut self, liveness: Liveness, reason: String) {
        self.liveness = self.liveness.max(liveness);
        self.reasons.push(reason);
    }

    /// Looks at the flusher, which was started at `started`, and at the deliveries.
    pub(super) fn examine(
        flushes: &Flushes,
        destinations: &[std::sync::Arc<Destination>],
        started: Instant,
        now: Instant,
        attempt_timeout: Duration,
    ) -> Self {
        let mut health = Self::live();
        let progress = flushes.progress();
        if progress.has_ended {
            return Self::dead("the flusher has stopped");
        }
        let interval = flushes.interval;
        let since = now.saturating_duration_since(progress.at.unwrap_or(started));
        let is_over = |intervals: u32, slack| since > interval.saturating_mul(intervals) + slack;
        let no_flush = || format!("no flush for {}, the interval is {interval:?}", rounded(since));
        if is_over(DEAD_AFTER_INTERVALS, DEAD_SLACK) {
            health.worsen(Liveness::Dead, no_flush());
        } else if is_over(LATE_AFTER_INTERVALS, LATE_SLACK) {
            health.worsen(Liveness::Late, no_flush());
        }
        for destination in destinations {
            let (name, deliveries) = (&destination.name, destination.standing.now());
            if let Some(attempt) = deliveries.attempt {
                let under_way = now.saturating_duration_since(attempt.since);
                if under_way > attempt_timeout {
                    let under_way = rounded(under_way);
                    let reason = format!("{name} has not returned for {under_way}");
                    health.worsen(Liveness::Late, reason);
                    continue;
                }
            }
            if deliveries.failures_in_a_row != 0 {
                let failure = deliveries.last_failure.unwrap_or_default();
                let times = deliveries.failures_in_a_row;
                health.worsen(Liveness::Late, format!("{name} failed {times} in a row: {failure}"));
            }
        }
        health
    }
}

impl Liveness {
    /// What it is called for people and in documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Late => "late",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.liveness.name())?;
        let mut separator = ": ";
        for reason in &self.reasons {
            write!(f, "{separator}{reason}")?;
            separator = "; ";
        }
        Ok(())
    }
}
