//! How long a delivery thread leaves a destination alone after a failure. The only file that names
//! `backon`.
#![forbid(unsafe_code)]

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// A destination that asks for a longer silence is asked again after this.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

pub(super) const DEFAULT_BACKOFF: RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(30);

/// Exponential backoff: each delay is twice the one before, and up to as much again by chance, so
/// that many processes do not come back at the same moment.
pub(super) struct Backoff {
    range: RangeInclusive<Duration>,
    delays: ExponentialBackoff,
}

impl Backoff {
    pub(super) fn new(range: RangeInclusive<Duration>) -> Self {
        let delays = ExponentialBuilder::new()
            .with_min_delay(*range.start())
            .with_max_delay(*range.end())
            .with_factor(2.0)
            .with_jitter()
            .without_max_times()
            .build();
        Self { range, delays }
    }

    pub(super) fn next(&mut self) -> Duration {
        self.delays.next().unwrap_or(*self.range.end())
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new(self.range.clone());
    }
}

/// Until when a destination is left alone.
#[derive(Clone, Copy)]
pub(super) enum Pause {
    None,
    /// By our own choice: whoever waits for a flush cuts it short, and so does the end.
    Backoff(Instant),
    /// As the destination asked.
    RetryAfter(Instant),
}

impl Pause {
    /// When it is over; `None` if that was by `now`.
    pub(super) fn until(self, now: Instant) -> Option<Instant> {
        match self {
            Self::None => None,
            Self::Backoff(until) | Self::RetryAfter(until) => (until > now).then_some(until),
        }
    }
}
