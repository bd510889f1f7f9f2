//! What Sentry wants to be left alone with, and until when
//! (<https://develop.sentry.dev/sdk/expected-features/rate-limiting/>).
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

/// Longer limits are tried again after this time: the answer renews them, if they are meant.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// What a 429 that names no time means.
const UNNAMED: Duration = Duration::from_secs(60);

/// What Sentry limits one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Metrics,
    Errors,
    Transactions,
}

impl Category {
    const ALL: [Self; 3] = [Self::Metrics, Self::Errors, Self::Transactions];

    fn named(name: &str) -> Option<Self> {
        match name {
            "trace_metric" | "trace_metric_byte" => Some(Self::Metrics),
            "error" => Some(Self::Errors),
            "transaction" => Some(Self::Transactions),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Errors => "errors",
            Self::Transactions => "transactions",
        }
    }
}

/// The limits that answers have told of.
#[derive(Debug, Default)]
pub(super) struct Limits {
    until: [Option<Instant>; 3],
}

impl Limits {
    /// Learns from an answer: `limits` is its header `X-Sentry-Rate-Limits`, which any answer may
    /// have. `retry_after` is what it says in general, and counts if there is no such header.
    pub(super) fn learn(
        &mut self,
        status: u16,
        limits: Option<&str>,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        match limits {
            Some(limits) => limits.split(',').for_each(|limit| self.learn_one(limit, now)),
            None if status == 429 => {
                let delay = retry_after.unwrap_or(UNNAMED);
                Category::ALL.iter().for_each(|&category| self.extend(category, delay, now));
            }
            None => {}
        }
    }

    /// `<seconds>:<category>;<category>..:<scope>..`, where no category means all. What cannot be
    /// read is left out: it is one of the future.
    fn learn_one(&mut self, limit: &str, now: Instant) {
        let mut parts = limit.split(':').map(str::trim);
        let seconds = parts.next().and_then(|seconds| seconds.parse::<f64>().ok());
        let (Some(seconds), Some(categories)) = (seconds, parts.next()) else { return };
        // A NaN is no time, and is `max`ed away.
        let seconds = seconds.max(0.0).min(LONGEST.as_secs_f64());
        let delay = Duration::from_secs_f64(seconds);
        if categories.is_empty() {
            Category::ALL.iter().for_each(|&category| self.extend(category, delay, now));
        }
        for category in categories.split(';').filter_map(|name| Category::named(name.trim())) {
            self.extend(category, delay, now);
        }
    }

    fn extend(&mut self, category: Category, delay: Duration, now: Instant) {
        let until = &mut self.until[category as usize];
        *until = (*until).max(Some(now + delay.min(LONGEST)));
    }

    /// How long nothing of that category is to be sent, if it is limited.
    pub(super) fn rest(&self, category: Category, now: Instant) -> Option<Duration> {
        let rest = self.until[category as usize]?.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In seconds, of metrics, errors and transactions.
    fn learned(status: u16, header: Option<&str>, retry_after: Option<u64>) -> [u64; 3] {
        let (mut limits, now) = (Limits::default(), Instant::now());
        limits.learn(status, header, retry_after.map(Duration::from_secs), now);
        Category::ALL.map(|category| limits.rest(category, now).map_or(0, |rest| rest.as_secs()))
    }

    #[test]
    fn categories_are_limited_one_by_one() {
        for status in [200, 429] {
            let limits = |header| learned(status, Some(header), Some(9));
            assert_eq!(limits("60:trace_metric:organization"), [60, 0, 0]);
            assert_eq!(limits("60:trace_metric_byte:organization:quota:more"), [60, 0, 0]);
            assert_eq!(
                limits("60:transaction:key, 2700:default;error;security:organization"),
                [0, 2700, 60]
            );
            assert_eq!(limits("60::organization, 2700::organization"), [2700; 3]);
            assert_eq!(limits("2700:error:key,60:error:key"), [0, 2700, 0]);
            assert_eq!(limits("60:session;attachment:key"), [0; 3]);
            assert_eq!(limits(" 1.5 : error ; trace_metric : key "), [1, 1, 0]);
        }
    }

    #[test]
    fn a_429_without_categories_limits_all() {
        assert_eq!(learned(429, None, Some(7)), [7; 3]);
        assert_eq!(learned(429, None, None), [60; 3]);
        assert_eq!(learned(200, None, Some(7)), [0; 3]);
        assert_eq!(learned(503, None, Some(7)), [0; 3]);
    }

    #[test]
    fn nonsense_limits_nothing_and_ages_are_cut() {
        for header in ["", ":", "::", "x:error:key", "NaN:error:key", "-5:error:key", "60", ",,"] {
            assert_eq!(learned(200, Some(header), None), [0; 3], "{header:?}");
        }
        for seconds in ["1e300", "inf", "99999999999999999999999"] {
            assert_eq!(learned(200, Some(&format!("{seconds}:error:key")), None), [0, 3600, 0]);
        }
        assert_eq!(learned(429, None, Some(u64::MAX)), [3600; 3]);
    }

    #[test]
    fn limits_end() {
        let (mut limits, now) = (Limits::default(), Instant::now());
        limits.learn(200, Some("2:error:key"), None, now);
        // A shorter one does not take the longer one back.
        limits.learn(200, Some("1:error:key"), None, now);
        let after = |seconds| limits.rest(Category::Errors, now + Duration::from_secs(seconds));
        assert_eq!(after(1), Some(Duration::from_secs(1)));
        assert_eq!(after(2), None);
        assert_eq!(after(3), None);
    }
}
