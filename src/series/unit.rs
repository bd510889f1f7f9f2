//! Units of measurement.
#![forbid(unsafe_code)]

/// What a metric's values are measured in. Exporters translate it into their format's terms; nothing
/// is converted when a value is recorded, durations excepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Plain numbers.
    #[default]
    None,
    /// Billionths of a second.
    Nanoseconds,
    /// Millionths of a second.
    Microseconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share of the whole: 0 to 1.
    Ratio,
    /// A share of the whole: 0 to 100.
    Percent,
    /// Plain numbers with three digits after the point, recorded as integers: 1,500 is 1.5, and is
    /// exported as that.
    Thousandths,
}

impl Unit {
    /// Nanoseconds in one of this unit, if it is one of time.
    pub fn nanoseconds(self) -> Option<u64> {
        match self {
            Unit::Nanoseconds => Some(1),
            Unit::Microseconds => Some(1_000),
            Unit::Milliseconds => Some(1_000_000),
            Unit::Seconds => Some(1_000_000_000),
            Unit::None | Unit::Bytes | Unit::Ratio | Unit::Percent | Unit::Thousandths => None,
        }
    }

    /// The unit's symbol by UCUM (<https://ucum.org>), which OpenTelemetry uses as well.
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "us",
            Unit::Milliseconds => "ms",
            Unit::Seconds => "s",
            Unit::Bytes => "By",
            Unit::Ratio => "1",
            Unit::Percent => "%",
            Unit::Thousandths => "10*-3",
        }
    }
}
