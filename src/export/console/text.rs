//! Numbers as people read them.
#![forbid(unsafe_code)]

use crate::series::{Descriptor, Unit};
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

/// A value with its unit, to three digits: `1.23 ms`, `3.4 MiB`, `12.5 %`.
pub(super) fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => scaled(value, &BINARY),
        Unit::Percent => format!("{} %", three_digits(value)),
        _ => match unit.nanoseconds() {
            Some(nanoseconds) => scaled(value * nanoseconds as f64, &TIME_NS),
            None => scaled(value, &DECIMAL),
        },
    }
}

/// In the largest of `scales` that leaves at least 1; below the first one as it is.
fn scaled(value: f64, scales: &[(f64, &str)]) -> String {
    // What rounds up to 1,000 of one scale is better told as 1 of the next.
    let fits = |&&(scale, _): &&(f64, &str)| value.abs() >= scale * 0.9995;
    match scales.iter().rev().find(fits) {
        _ if !value.is_finite() => value.to_string(),
        Some((scale, symbol)) => format!("{} {symbol}", three_digits(value / scale)),
        None => match scales[0] {
            (1.0, symbol) => format!("{} {symbol}", three_digits(value)),
            _ => three_digits(value),
        },
    }
}

fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        below if below < 9.995 => 2,
        below if below < 99.95 => 1,
        _ => 0,
    };
    let mut text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    text
}

/// An exact number with its digits in groups: `12,345`.
pub(super) fn grouped(number: impl ToString) -> String {
    let number = number.to_string();
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", &*number),
    };
    let mut text = sign.to_owned();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A total in its unit if that makes it easier to read, otherwise exact.
pub(super) fn total(number: u64, unit: Unit) -> String {
    if unit == Unit::None { grouped(number) } else { quantity(number as f64, unit) }
}

/// Name and labels, with nothing in it that a terminal would obey.
pub(super) fn series(descriptor: &Descriptor) -> String {
    let mut text = descriptor.name().to_owned();
    for (at, label) in descriptor.labels().iter().enumerate() {
        let value = label.value().escape_debug();
        text += &format!("{}{}=\"{value}\"", if at == 0 { "{" } else { "," }, label.key());
    }
    if !descriptor.labels().is_empty() {
        text.push('}');
    }
    text
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
            values.iter().map(|&value| quantity(value, unit)).collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(
            in_unit(Unit::Nanoseconds, &[0.0, 7.0, 1_234.0, 1_200_000.0, 999_950.0, 9e12]),
            "0 ns | 7 ns | 1.23 us | 1.2 ms | 1 ms | 9000 s"
        );
        assert_eq!(in_unit(Unit::Milliseconds, &[1.0, 2_500.0]), "1 ms | 2.5 s");
        assert_eq!(in_unit(Unit::Bytes, &[512.0, 3_565_158.0]), "512 B | 3.4 MiB");
        assert_eq!(in_unit(Unit::None, &[0.5, 999.0, 12_345.0]), "0.5 | 999 | 12.3 k");
        assert_eq!(in_unit(Unit::Percent, &[12.5]), "12.5 %");
        assert_eq!(in_unit(Unit::None, &[f64::NAN, f64::NEG_INFINITY]), "NaN | -inf");
    }

    #[test]
    fn totals_are_exact_and_grouped() {
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(grouped(-1_000_i64), "-1,000");
        assert_eq!(grouped(-999_i64), "-999");
        assert_eq!(grouped(0), "0");
    }
}
