//! Numbers as people read them: three digits, and a unit that keeps them short.
#![forbid(unsafe_code)]

use crate::report::grouped;

/// Three digits that count, or all before the point if there are more. What is no time is whole if
/// it can be.
pub fn plain(value: f64, unit: &str) -> String {
    let is_whole = value.fract() == 0.0 && !matches!(unit, "ns" | "us");
    let digits = match value.abs() {
        _ if is_whole => 0,
        99.95.. => 0,
        9.995.. => 1,
        0.0995.. => 2,
        _ => 3,
    };
    if digits == 0 { grouped(value.round() as u64) } else { format!("{value:.digits$}") }
}

/// With the unit that suits its size: `ns` and `us` become milliseconds or seconds, `bytes`
/// kilobytes or megabytes; `count` has none.
pub fn scaled(value: f64, unit: &str) -> String {
    let steps: &[(f64, &str)] = match unit {
        "ns" => &[(1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")],
        "us" => &[(1.0, "us"), (1e3, "ms"), (1e6, "s")],
        "bytes" => &[(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB")],
        "count" => return plain(value, unit),
        other => return format!("{} {other}", plain(value, unit)),
    };
    // What rounds to a thousand is one of the next.
    let step = steps.iter().rev().find(|(size, _)| value >= size * 0.9995);
    let (size, shown) = step.unwrap_or(&steps[0]);
    format!("{} {shown}", plain(value / size, unit))
}

/// The same for a mark on an axis: without zeros at the end.
pub fn mark(value: f64, unit: &str) -> String {
    let text = scaled(value, unit);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {unit}").trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_count() {
        let cases = [(0.0274, "0.027"), (0.405, "0.41"), (1.0, "1.00"), (9.996, "10.0")];
        let more = [(12.34, "12.3"), (99.96, "100"), (1_234.5, "1,235"), (50_000.0, "50,000")];
        for (value, text) in cases.into_iter().chain(more) {
            assert_eq!(plain(value, "ns"), text);
        }
        assert_eq!(plain(0.0, "count"), "0");
        assert_eq!(plain(1.02, "count"), "1.02");
    }

    #[test]
    fn units_keep_numbers_short() {
        assert_eq!(scaled(0.4, "ns"), "0.40 ns");
        assert_eq!(scaled(1_500.0, "us"), "1.50 ms");
        assert_eq!(scaled(999.9, "us"), "1.00 ms");
        assert_eq!(scaled(16_384.0, "bytes"), "16.4 kB");
        assert_eq!(scaled(3.0, "count"), "3");
    }

    #[test]
    fn marks_have_no_zeros_at_the_end() {
        let marks = [(0.1, "0.1 ns"), (1.0, "1 ns"), (100.0, "100 ns"), (2_000.0, "2 us")];
        for (value, text) in marks {
            assert_eq!(mark(value, "ns"), text);
        }
        assert_eq!(mark(0.0, "count"), "0");
    }
}
