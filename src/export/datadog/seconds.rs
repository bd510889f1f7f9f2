//! Times of points. Datadog keeps one point a series and second, the last that it gets, and none
//! older than an hour.
#![forbid(unsafe_code)]

use crate::client::Delivery;
use crate::snapshot::Snapshot;
use std::time::{Duration, SystemTime};

/// Points that have waited for longer are sent as if they were this old.
const OLDEST: Duration = Duration::from_secs(55 * 60);

/// The second that the points of a delta are of: another one for each, ascending.
#[derive(Default)]
pub(super) struct Seconds {
    sequence: u64,
    last: u64,
}

impl Seconds {
    pub(super) fn of(&mut self, delta: &Snapshot, delivery: &Delivery<'_>) -> u64 {
        let oldest = since_1970(delivery.snapshot().time()).saturating_sub(OLDEST.as_secs());
        let taken = since_1970(delta.time());
        self.next(delta.sequence(), taken.max(oldest))
    }

    /// How far the last one is ahead of `time`, in seconds.
    #[cfg(all(feature = "datadog", not(loom)))]
    pub(super) fn ahead_of(&self, time: SystemTime) -> u64 {
        self.last.saturating_sub(since_1970(time))
    }

    fn next(&mut self, sequence: u64, second: u64) -> u64 {
        let is_same = self.sequence == sequence;
        self.sequence = sequence;
        self.last = second.max(self.last + u64::from(!is_same));
        self.last
    }
}

fn since_1970(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn two_deltas_never_share_a_second() {
        let mut seconds = Seconds::default();
        assert_eq!(seconds.next(1, 100), 100);
        assert_eq!(seconds.next(1, 100), 100);
        assert_eq!(seconds.next(2, 100), 101);
        assert_eq!(seconds.next(3, 100), 102);
        assert_eq!(seconds.next(4, 90), 103);
        assert_eq!(seconds.next(5, 200), 200);
        assert_eq!(seconds.next(5, 250), 250);
    }
}
