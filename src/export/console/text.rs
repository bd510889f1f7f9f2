//! Numbers as people read them.
#![forbid(unsafe_code)]

use super::style::Style;
use crate::client::CapturedError;
use crate::series::Unit;
use std::fmt::{Display, Write};
use std::time::SystemTime;

const DECIMAL: [(f64, &str); 4] = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];
const TIME_NS: [(f64, &str); 4] = [(1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")];
const BINARY: [(f64, &str); 5] = [
    (1.0, "B"),
    (1024.0, "KiB"),
    (1_048_576.0, "MiB"),
    (1_073_741_824.0, "GiB"),
    (1_099_511_627_776.0, "TiB"),
];

/// Appends a value with its unit, to three digits: `1.23 ms`, `3.4 MiB`, `12.5 %`.
pub(super) fn quantity(text: &mut String, value: f64, unit: Unit) {
    match unit {
        Unit::Bytes => scaled(text, value, &BINARY),
        Unit::Percent => {
            three_digits(text, value);
            text.push_str(" %");
        }
        Unit::Thousandths => scaled(text, value / 1e3, &DECIMAL),
        _ => match unit.nanoseconds() {
            Some(nanoseconds) => scaled(text, value * nanoseconds as f64, &TIME_NS),
            None => scaled(text, value, &DECIMAL),
        },
    }
}

/// In the largest of `scales` that leaves at least 1; below the first one as it is.
fn scaled(text: &mut String, value: f64, scales: &[(f64, &str)]) {
    // What rounds up to 1,000 of one scale is better told as 1 of the next.
    let fits = |&&(scale, _): &&(f64, &str)| value.abs() >= scale * 0.9995;
    let symbol = match scales.iter().rev().find(fits) {
        _ if !value.is_finite() => return append(text, value),
        Some((scale, symbol)) => {
            three_digits(text, value / scale);
            symbol
        }
        None => {
            three_digits(text, value);
            match scales[0] {
                (1.0, symbol) => symbol,
                _ => return,
            }
        }
    };
    text.push(' ');
    text.push_str(symbol);
}

fn three_digits(text: &mut String, value: f64) {
    let decimals = match value.abs() {
        below if below < 9.995 => 2,
        below if below < 99.95 => 1,
        _ => 0,
    };
    let start = text.len();
    append(text, format_args!("{value:.decimals$}"));
    if text[start..].contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
}

/// Appends an exact number with its digits in groups: `12,345`.
pub(super) fn grouped(text: &mut String, number: impl Display) {
    let start = text.len();
    append(text, number);
    let first_digit = start + usize::from(text[start..].starts_with('-'));
    let mut at = text.len();
    while at > first_digit + 3 {
        at -= 3;
        text.insert(at, ',');
    }
}

/// Appends a total in its unit if that makes it easier to read, otherwise exact.
pub(super) fn total(text: &mut String, number: u64, unit: Unit) {
    match unit {
        Unit::None => grouped(text, number),
        _ => quantity(text, number as f64, unit),
    }
}

pub(super) fn append(text: &mut String, what: impl Display) {
    write!(text, "{what}").expect("a string takes whatever is written");
}

/// Appends a captured error, on lines of its own. Nothing in it reaches the terminal unescaped.
pub(super) fn error(error: &CapturedError, style: Style, text: &mut String) {
    let kind = if error.is_panic() { "panic" } else { "error" };
    style.alarm(text, format_args!("!! {} {kind}", time_of_day(error.time())));
    *text += &format!(": {}\n", shown(error.message()));
    for source in error.sources() {
        *text += &format!("   because: {}\n", shown(source));
    }
    let places = [("at", error.location()), ("in thread", error.thread())];
    for (word, place) in places {
        if let Some(place) = place {
            *text += &format!("   {word} {}\n", shown(place));
        }
    }
    for (key, value) in error.context() {
        *text += &format!("   {} = {}\n", shown(key), shown(value));
    }
    for line in error.backtrace().into_iter().flat_map(str::lines) {
        *text += &format!("   {}\n", shown(line));
    }
}

/// As one line, with nothing in it that a terminal would obey.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// The time of day, `17:04:59 UTC`.
pub(super) fn time_of_day(time: SystemTime) -> String {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (hours, minutes) = (since_epoch / 3600 % 24, since_epoch / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02} UTC", since_epoch % 60)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_scaled_to_three_digits() {
        let in_unit = |unit, values: &[f64]| {
            let mut text = String::new();
            for (at, &value) in values.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { " | " });
                quantity(&mut text, value, unit);
            }
            text
        };
        assert_eq!(
            in_unit(Unit::Nanoseconds, &[0.0, 7.0, 1_234.0, 1_200_000.0, 999_950.0, 9e12]),
            "0 ns | 7 ns | 1.23 us | 1.2 ms | 1 ms | 9000 s"
        );
        assert_eq!(in_unit(Unit::Milliseconds, &[1.0, 2_500.0]), "1 ms | 2.5 s");
        assert_eq!(in_unit(Unit::Bytes, &[512.0, 3_565_158.0]), "512 B | 3.4 MiB");
        assert_eq!(in_unit(Unit::None, &[0.5, 999.0, 12_345.0]), "0.5 | 999 | 12.3 k");
        assert_eq!(in_unit(Unit::Percent, &[12.5]), "12.5 %");
        assert_eq!(in_unit(Unit::Thousandths, &[370.0, 1.25e7]), "0.37 | 12.5 k");
        assert_eq!(in_unit(Unit::None, &[f64::NAN, f64::NEG_INFINITY]), "NaN | -inf");
    }

    #[test]
    fn totals_are_exact_and_grouped() {
        let numbers = [i128::from(u64::MAX), -1_000, -999, 0, 123_456];
        let texts = numbers.map(|number| {
            let mut text = "1234 ".to_owned();
            grouped(&mut text, number);
            text
        });
        let expected = ["18,446,744,073,709,551,615", "-1,000", "-999", "0", "123,456"];
        assert_eq!(texts, expected.map(|number| format!("1234 {number}")));
    }
}
