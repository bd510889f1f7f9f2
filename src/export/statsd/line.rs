//! A series as lines of plain StatsD.
#![forbid(unsafe_code)]

use crate::export::datagram::{Encoder, Item, Lines, MAX_WEIGHT, Point, points, push_rate};
use crate::export::number::{push_float, push_integer};
use crate::export::rendered::Rendered;
use crate::export::scale::Scale;
use crate::series::Unit;
use crate::snapshot::{HistogramSnapshot, Value};

pub(super) struct Encoding<'a> {
    pub(super) rendered: &'a Rendered,
    pub(super) points: &'a mut Vec<Point>,
    pub(super) timer_lines: usize,
}

impl Encoder for Encoding<'_> {
    fn encode(&mut self, item: &Item<'_>, lines: &mut Lines) {
        let head = self.rendered.pieces(item.at).head;
        let unit = item.descriptor.unit();
        let scale = Scale::of(unit);
        match item.value {
            Value::Counter(0) => {}
            Value::Counter(added) => {
                lines.text().extend_from_slice(head);
                scale.push(lines.text(), added);
                lines.text().extend_from_slice(b"|c");
                lines.end();
            }
            Value::UpDownCounter(_) => {
                let total = item.total();
                let push = |text: &mut Vec<u8>| scale.push(text, total.unsigned_abs());
                push_gauge(head, total < 0, push, lines);
            }
            Value::Gauge(reading) if !reading.is_finite() => lines.unrepresentable(),
            Value::Gauge(reading) => {
                let push = |text: &mut Vec<u8>| push_float(text, scale.exported(reading.abs()));
                push_gauge(head, reading < 0.0, push, lines);
            }
            Value::Histogram(values) => self.timer(&values, head, unit, lines),
        }
    }
}

/// A sign would make a change of it, so what is negative comes after a zero, inseparably.
fn push_gauge(
    head: &[u8],
    is_negative: bool,
    push_magnitude: impl Fn(&mut Vec<u8>),
    lines: &mut Lines,
) {
    let text = lines.text();
    text.extend_from_slice(head);
    if is_negative {
        text.extend_from_slice(b"0|g\n");
        text.extend_from_slice(head);
        text.push(b'-');
    }
    push_magnitude(text);
    text.extend_from_slice(b"|g");
    lines.end();
}

impl Encoding<'_> {
    /// Cuts the records, in their order, into parts of nearly the same size, and writes a line for
    /// each.
    fn timer(
        &mut self,
        values: &HistogramSnapshot<'_>,
        head: &[u8],
        unit: Unit,
        lines: &mut Lines,
    ) {
        points(values, self.points);
        // Not the distribution's own, which could wrap.
        let count: u128 = self.points.iter().map(|point| u128::from(point.count)).sum();
        let wanted = count.div_ceil(u128::from(MAX_WEIGHT)).max(self.timer_lines as u128);
        let parts = wanted.min(count);
        let mut rest = self.points.iter();
        let mut point = rest.next();
        // How many records come before `point`, and before the part.
        let (mut seen, mut start) = (0_u128, 0_u128);
        for part in 0..parts {
            let end = count * (part + 1) / parts;
            let rank = match part {
                0 => 0,
                _ if part + 1 == parts => count - 1,
                _ => start + (end - start) / 2,
            };
            while let Some(passed) = point.filter(|it| seen + u128::from(it.count) <= rank) {
                seen += u128::from(passed.count);
                point = rest.next();
            }
            let Some(point) = point else { return };
            lines.text().extend_from_slice(head);
            push_time(lines.text(), unit, point.value);
            lines.text().extend_from_slice(b"|ms");
            if end - start != 1 {
                lines.text().extend_from_slice(b"|@");
                push_rate(lines.text(), (end - start) as u64);
            }
            lines.end();
            start = end;
        }
    }
}

/// A duration in milliseconds, anything else in its base unit; all digits, nothing rounded.
fn push_time(text: &mut Vec<u8>, unit: Unit, value: u64) {
    match Scale::milliseconds(unit) {
        Some(scale) => scale.push(text, value),
        None if unit == Unit::Seconds => push_integer(text, u128::from(value) * 1_000),
        None => Scale::of(unit).push(text, value),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_milliseconds() {
        let pushed = |unit, value| {
            let mut text = Vec::new();
            push_time(&mut text, unit, value);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(pushed(Unit::Nanoseconds, 1_234_567), "1.234567");
        assert_eq!(pushed(Unit::Microseconds, 1_500), "1.5");
        assert_eq!(pushed(Unit::Milliseconds, 7), "7");
        assert_eq!(pushed(Unit::Seconds, u64::MAX), "18446744073709551615000");
        assert_eq!(pushed(Unit::Bytes, 7), "7");
        assert_eq!(pushed(Unit::Percent, 7), "0.07");
    }
}
