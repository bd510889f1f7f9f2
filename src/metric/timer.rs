//! Timed sections. The only file that names `quanta`.
//!
//! A timer holds a raw reading of the clock and finds its thread's cells when it ends, so it may end
//! on another thread than it began on, as in an async task.
#![forbid(unsafe_code)]

use super::{Counter, Histogram};
use quanta::Clock;
use std::mem::ManuallyDrop;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Duration;

static CLOCK: OnceLock<Clock> = OnceLock::new();

/// Calibrates the clock, which takes up to 200 ms once: registering a histogram does it ahead, so
/// that no timed section pays for it.
pub(crate) fn start_clock() {
    clock();
}

#[inline(always)]
fn clock() -> &'static Clock {
    CLOCK.get_or_init(Clock::new)
}

/// Nanoseconds since `start`, 0 if the clock went backwards.
#[inline(always)]
fn elapsed_ns(clock: &Clock, start: u64) -> u64 {
    clock.delta_as_nanos(start, clock.raw())
}

/// When something began whose histogram is known at its end only; otherwise a [`Timer`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning(u64);

impl Beginning {
    #[inline(always)]
    pub(crate) fn now() -> Self {
        Self(clock().raw())
    }

    /// Nanoseconds since then, 0 if the clock went backwards.
    #[inline(always)]
    pub(crate) fn elapsed_ns(self) -> u64 {
        elapsed_ns(clock(), self.0)
    }

    /// As a word, for who keeps it as one.
    #[cfg(feature = "tracing")]
    #[inline(always)]
    pub(crate) fn ticks(self) -> u64 {
        self.0
    }

    #[cfg(feature = "tracing")]
    #[inline(always)]
    pub(crate) fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }
}

/// Records the time from [`Histogram::start`] to its drop.
///
/// The clock is the processor's time stamp counter where it is invariant, otherwise the system's
/// monotonic clock. A clock that goes backwards counts as 0.
///
/// Cost: two readings of the clock and one record.
#[must_use = "a timer that is dropped at once records nothing of interest"]
#[derive(Debug)]
pub struct Timer<'a, const DIGITS: u8 = 2> {
    histogram: &'a Histogram<DIGITS>,
    start: u64,
}

impl<'a, const DIGITS: u8> Timer<'a, DIGITS> {
    #[inline(always)]
    pub(super) fn start(histogram: &'a Histogram<DIGITS>) -> Self {
        Self { histogram, start: clock().raw() }
    }

    /// Records the time, and returns it.
    #[inline]
    pub fn stop(self) -> Duration {
        let timer = ManuallyDrop::new(self);
        let elapsed_ns = elapsed_ns(clock(), timer.start);
        timer.histogram.record_ns(elapsed_ns);
        Duration::from_nanos(elapsed_ns)
    }

    /// Ends the timer without recording anything.
    #[inline]
    pub fn discard(self) {
        std::mem::forget(self);
    }
}

impl<const DIGITS: u8> Drop for Timer<'_, DIGITS> {
    #[inline]
    fn drop(&mut self) {
        self.histogram.record_ns(elapsed_ns(clock(), self.start));
    }
}

/// Counts every call and times one in `n`; from [`Histogram::sample`].
#[derive(Clone, Debug)]
pub struct SampledTimer<const DIGITS: u8 = 2> {
    histogram: Histogram<DIGITS>,
    calls: Counter,
    every_nth: NonZeroU32,
}

impl<const DIGITS: u8> SampledTimer<DIGITS> {
    pub(super) fn new(histogram: Histogram<DIGITS>, calls: Counter, every_nth: NonZeroU32) -> Self {
        Self { histogram, calls, every_nth }
    }

    /// Counts a call; returns a timer if it is one to be timed.
    ///
    /// Cost without a timer: that of [`Counter::increment`] and a division.
    #[inline]
    pub fn start(&self) -> Option<Timer<'_, DIGITS>> {
        let call = self.calls.add_at(&crate::store::ThisThread, 1);
        (call % u64::from(self.every_nth.get()) == 0).then(|| Timer::start(&self.histogram))
    }

    /// Counts a call, and records how long `work` takes if it is one to be timed.
    #[inline]
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let _timer = self.start();
        work()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_steps_back_counts_as_zero() {
        let (clock, mock) = Clock::mock();
        mock.increment(1_000_000);
        let start = clock.raw();
        mock.decrement(1_000_000);
        assert_eq!(elapsed_ns(&clock, start), 0);
        mock.increment(1_000_250);
        assert_eq!(elapsed_ns(&clock, start), 250);
    }
}
