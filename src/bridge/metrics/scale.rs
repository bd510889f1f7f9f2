//! From the numbers that are recorded through `metrics` to the units of this crate.
#![forbid(unsafe_code)]

use crate::series::Unit;

/// What a histogram's values are multiplied by, and the unit that they are in then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) factor: f64,
    pub(super) unit: Unit,
}

impl Scale {
    /// Of a histogram that was described as `unit`, or was not.
    ///
    /// Integers are what a histogram holds. So seconds become nanoseconds, and what is said nothing of
    /// keeps three digits after the point. Both are exported as the numbers that were recorded.
    pub(super) fn of_histogram(name: &str, unit: Option<metrics::Unit>) -> Self {
        use metrics::Unit as Described;

        let (factor, unit) = match unit {
            None => match name.rsplit(['_', '.']).next() {
                Some("seconds" | "duration") => (1e9, Unit::Nanoseconds),
                Some("bytes") => (1.0, Unit::Bytes),
                _ => (1e3, Unit::Thousandths),
            },
            Some(Described::Seconds) => (1e9, Unit::Nanoseconds),
            Some(Described::Milliseconds) => (1e6, Unit::Nanoseconds),
            Some(Described::Microseconds) => (1e3, Unit::Nanoseconds),
            Some(Described::Nanoseconds) => (1.0, Unit::Nanoseconds),
            Some(Described::Bytes) => (1.0, Unit::Bytes),
            Some(Described::Kibibytes) => (1024.0, Unit::Bytes),
            Some(Described::Mebibytes) => (1024.0 * 1024.0, Unit::Bytes),
            Some(Described::Gibibytes) => (1024.0 * 1024.0 * 1024.0, Unit::Bytes),
            Some(Described::Tebibytes) => (1024.0 * 1024.0 * 1024.0 * 1024.0, Unit::Bytes),
            Some(Described::Count) => (1.0, Unit::None),
            Some(_) => (1e3, Unit::Thousandths),
        };
        Self { factor, unit }
    }

    /// Of what takes numbers as they come.
    pub(super) fn as_it_is(unit: Option<metrics::Unit>) -> Self {
        use metrics::Unit as Described;

        let unit = match unit {
            Some(Described::Seconds) => Unit::Seconds,
            Some(Described::Milliseconds) => Unit::Milliseconds,
            Some(Described::Microseconds) => Unit::Microseconds,
            Some(Described::Nanoseconds) => Unit::Nanoseconds,
            Some(Described::Bytes) => Unit::Bytes,
            Some(Described::Percent) => Unit::Percent,
            _ => Unit::None,
        };
        Self { factor: 1.0, unit }
    }

    /// The nearest integer, half a one up; `None` if that is none from 0 to 2^64 - 1.
    #[inline]
    pub(super) fn integer(self, value: f64) -> Option<u64> {
        let scaled = value * self.factor;
        // Not so of NaN either. The bound is 2^64, which is a float.
        if !(scaled > -0.5 && scaled < u64::MAX as f64) {
            return None;
        }
        let whole = scaled as u64;
        Some(whole + u64::from(scaled - whole as f64 >= 0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_to_the_nearest_integer() {
        let seconds = Scale::of_histogram("x", Some(metrics::Unit::Seconds));
        let shown = [0.1, 1.000_000_001, 0.07, 1.5e-9, 1.4e-9, 0.0, -0.0, -0.4e-9];
        let expected = [100_000_000, 1_000_000_001, 70_000_000, 2, 1, 0, 0, 0];
        assert_eq!(shown.map(|value| seconds.integer(value)), expected.map(Some));
        let plain = Scale { factor: 1.0, unit: Unit::None };
        for odd in [(1_u64 << 52) + 1, (1 << 53) - 1] {
            assert_eq!(plain.integer(odd as f64), Some(odd));
        }
        assert_eq!(plain.integer(0.499_999_999_999_999_94), Some(0));
        assert_eq!(plain.integer(1.844_674_407_370_955e19), Some(18_446_744_073_709_549_568));
    }

    #[test]
    fn what_is_no_integer_of_64_bits_has_none() {
        let plain = Scale { factor: 1.0, unit: Unit::None };
        for value in
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5, -7.0, 1.844_674_407_370_955_2e19]
        {
            assert_eq!(plain.integer(value), None, "{value}");
        }
    }

    #[test]
    fn names_tell_the_unit_where_nobody_has() {
        let unit = |name| Scale::of_histogram(name, None).unit;
        assert_eq!(unit("http_request_duration_seconds"), Unit::Nanoseconds);
        assert_eq!(unit("http.duration"), Unit::Nanoseconds);
        assert_eq!(unit("body_bytes"), Unit::Bytes);
        assert_eq!(unit("durations"), Unit::Thousandths);
    }
}
