//! Durations as people write them.
#![forbid(unsafe_code)]

use std::time::Duration;

/// What a client's timers can keep to.
pub(in crate::client) const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// Longer ones could not be added to every clock's now.
pub(in crate::client) const LONGEST_INTERVAL: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Whether a flusher can keep to it.
pub(super) fn is_in_range(interval: Duration) -> bool {
    (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval)
}

/// The interval that `text` says, such as `1m 30s`, if it is one and in range.
pub(super) fn parse(text: &str) -> Option<Duration> {
    // The parser takes "1 30s" for 130 s, where a unit was forgotten.
    let words: Vec<_> = text.split_whitespace().collect();
    let lacks_unit = |pair: &[&str]| {
        pair[0].ends_with(|c: char| c.is_ascii_digit())
            && pair[1].starts_with(|c: char| c.is_ascii_digit())
    };
    if words.windows(2).any(lacks_unit) {
        return None;
    }
    humantime::parse_duration(text).ok().filter(|&interval| is_in_range(interval))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn a_duration_is_a_number_with_its_unit() {
        for (text, seconds) in [
            ("5s", 5.0),
            ("30s", 30.0),
            ("500ms", 0.5),
            ("1m 30s", 90.0),
            ("1m30s", 90.0),
            ("5 s", 5.0),
            ("2h", 7_200.0),
            ("1ms", 0.001),
            ("100years", 100.0 * 365.25 * 86_400.0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", " ", "5", "s", "-5s", "5 parsecs", "1 30s", "0s", "999us", "101years"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("99999999999999999999s"), None);
    }
}
