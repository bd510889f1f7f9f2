//! From recorded units to Prometheus' base units: seconds, bytes, ratios
//! (<https://prometheus.io/docs/practices/naming/#base-units>).
#![forbid(unsafe_code)]

use super::number::push_integer;
use crate::series::Unit;

/// An exported value is a recorded one divided by a power of ten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The base unit's name, empty if there is none.
    pub(super) unit: &'static str,
    /// How names may say the unit already, as their last part.
    pub(super) spellings: &'static [&'static str],
    shift: u32,
}

impl Scale {
    pub(super) fn of(unit: Unit) -> Self {
        let (unit, spellings, shift): (_, &[&str], _) = match unit {
            Unit::None => ("", &[], 0),
            Unit::Nanoseconds => ("seconds", &["ns", "nanoseconds", "seconds"], 9),
            Unit::Microseconds => ("seconds", &["us", "microseconds", "seconds"], 6),
            Unit::Milliseconds => ("seconds", &["ms", "milliseconds", "seconds"], 3),
            Unit::Seconds => ("seconds", &["s", "seconds"], 0),
            Unit::Bytes => ("bytes", &["bytes"], 0),
            Unit::Ratio => ("ratio", &["ratio"], 0),
            Unit::Percent => ("ratio", &["percent", "ratio"], 2),
            Unit::Thousandths => ("", &[], 3),
        };
        Self { unit, spellings, shift }
    }

    /// To milliseconds, for a unit of time that is no longer than they are.
    #[cfg(feature = "statsd")]
    pub(super) fn milliseconds(unit: Unit) -> Option<Self> {
        let shift = match unit {
            Unit::Nanoseconds => 6,
            Unit::Microseconds => 3,
            Unit::Milliseconds => 0,
            _ => return None,
        };
        Some(Self { unit: "milliseconds", spellings: &[], shift })
    }

    /// Whether exported numbers are the recorded ones.
    #[cfg(all(feature = "otlp", not(loom)))]
    pub(super) fn is_one(self) -> bool {
        self.shift == 0
    }

    fn divisor(self) -> u64 {
        10_u64.pow(self.shift)
    }

    /// Appends a recorded integer as an exported one: all of its digits, nothing rounded.
    pub(super) fn push(self, out: &mut Vec<u8>, value: u64) {
        if self.shift == 0 {
            return push_integer(out, value);
        }
        push_integer(out, value / self.divisor());
        let mut rest = value % self.divisor();
        if rest == 0 {
            return;
        }
        let mut digits = self.shift as usize;
        while rest % 10 == 0 {
            rest /= 10;
            digits -= 1;
        }
        out.push(b'.');
        let first = out.len();
        out.resize(first + digits, b'0');
        for digit in out[first..].iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
    }

    /// A recorded number as an exported one, rounded as little as possible.
    pub(super) fn exported(self, value: f64) -> f64 {
        // Not a product: the power of ten is exact, its inverse is not.
        value / self.divisor() as f64
    }

    /// The largest recorded integer that does not exceed an exported bound.
    pub(super) fn recorded(self, bound: f64) -> u64 {
        let product = bound * self.divisor() as f64;
        let nearest = product.round();
        // 0.07 s is meant to be 70 ms, though its product with 10^9 may fall just short of it.
        let is_meant = (product - nearest).abs() <= nearest * 1e-12;
        (if is_meant { nearest } else { product.floor() }) as u64
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn pushed(unit: Unit, value: u64) -> String {
        let mut out = Vec::new();
        Scale::of(unit).push(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn integers_are_scaled_without_rounding() {
        assert_eq!(pushed(Unit::Nanoseconds, 0), "0");
        assert_eq!(pushed(Unit::Nanoseconds, 1), "0.000000001");
        assert_eq!(pushed(Unit::Nanoseconds, 1_500_000_000), "1.5");
        assert_eq!(pushed(Unit::Nanoseconds, u64::MAX), "18446744073.709551615");
        assert_eq!(pushed(Unit::Microseconds, 20), "0.00002");
        assert_eq!(pushed(Unit::Milliseconds, 3_000), "3");
        assert_eq!(pushed(Unit::Percent, 7), "0.07");
        assert_eq!(pushed(Unit::Thousandths, 1_250), "1.25");
        assert_eq!(pushed(Unit::Bytes, u64::MAX), "18446744073709551615");
    }

    #[test]
    fn bounds_hold_the_integers_that_they_name() {
        let scale = Scale::of(Unit::Nanoseconds);
        for milliseconds in 1..20_000_u64 {
            let bound = milliseconds as f64 / 1_000.0;
            assert_eq!(scale.recorded(bound), milliseconds * 1_000_000, "{bound}");
        }
        assert_eq!(scale.recorded(1.5e-9), 1);
        assert_eq!(scale.recorded(1e300), u64::MAX);
        assert_eq!(Scale::of(Unit::None).recorded(2.9), 2);
    }
}
