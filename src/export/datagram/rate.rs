//! Weights, as the sample rates that stand for them.
//!
//! A receiver divides 1 by the rate, in doubles, and Datadog's agent cuts the quotient off to an
//! integer (<https://github.com/DataDog/datadog-agent/blob/main/pkg/util/quantile/agent.go>): for
//! the double next to 1/93 that makes 92. So the rate is the largest double not above 1/n whose
//! inverse is not below n. That inverse is above n by less than 4 parts in 2^53, which is what a
//! receiver that does not cut off is wrong by.
#![forbid(unsafe_code)]

use std::io::Write;

/// The largest weight of one line. Up to here an inverse that is cut off is the weight itself.
pub(in crate::export) const MAX_WEIGHT: u64 = 1 << 50;

/// Appends the rate for a weight from 2 to [`MAX_WEIGHT`]: all digits that it takes to read the
/// same double back, and no exponent, which Etsy's server would not see.
pub(in crate::export) fn push_rate(out: &mut Vec<u8>, weight: u64) {
    let rate = rate(weight);
    write!(out, "{rate}").expect("memory takes whatever is written");
}

fn rate(weight: u64) -> f64 {
    let weight = weight as f64;
    let mut rate = 1.0 / weight;
    while 1.0 / rate < weight {
        rate = f64::from_bits(rate.to_bits() - 1);
    }
    rate
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the agent makes of the text.
    fn weight_of(text: &[u8]) -> (u64, f64) {
        let text = std::str::from_utf8(text).unwrap();
        assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{text}");
        let rate: f64 = text.parse().unwrap();
        assert!(rate > 0.0 && rate < 1.0);
        ((1.0 / rate) as u64, 1.0 / rate)
    }

    fn assert_comes_back(weight: u64, text: &mut Vec<u8>) {
        text.clear();
        push_rate(text, weight);
        let (cut_off, inverse) = weight_of(text);
        assert_eq!(cut_off, weight, "{}", String::from_utf8_lossy(text));
        assert!((inverse - weight as f64) / weight as f64 <= 4.0 / (1_u64 << 53) as f64);
    }

    #[test]
    fn a_weight_is_the_same_integer_again() {
        let mut text = Vec::new();
        (2..200_000).for_each(|weight| assert_comes_back(weight, &mut text));
        for bit in 2..=50 {
            for weight in [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1] {
                assert_comes_back(weight.min(MAX_WEIGHT), &mut text);
            }
        }
    }

    #[test]
    fn the_nearest_double_would_not_do() {
        assert_eq!((1.0 / (1.0 / 93.0_f64)) as u64, 92);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_weight_is_the_same_integer_again(weight in 2..=MAX_WEIGHT) {
            assert_comes_back(weight, &mut Vec::new());
        }
    }
}
