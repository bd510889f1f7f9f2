//! As Datadog does it: agents put values with their weights into sketches, and sketches are merged.
//!
//! The agent's sketch is a DDSketch whose bins grow by `g = 1 + 2/128`: a value v is in the bin
//! with the number nearest to `log_g(v)`. Asked for a quantile, it takes the value of the bin k to
//! be between `g^k` and `g^(k+1)`, by the place in the bin
//! (<https://github.com/DataDog/datadog-agent/tree/main/pkg/util/quantile>: `config.go`,
//! `sparse.go`).
//!
//! # The error of a quantile
//!
//! quipu sends the middle of the bucket that a record is in, which is off by at most h = 1/256 of
//! it for 2 significant digits, and the smallest and the largest record as they were. Values that
//! are each moved by at most that much move each place of their order by no more. A value in bin k
//! is between `g^(k-1/2)` and `g^(k+1/2)`, so that an answer r for v is
//!
//! ```text
//! (1 - h) g^(-1/2)  <=  r / v  <=  (1 + h) g^(3/2)
//! ```
//!
//! A reader that answers `g^k` instead is at most `g^(1/2)` off, to both sides. Sums are sums of
//! what was sent, so that they are off by at most h as well; counts and the maximum are exact.

use super::QUANTILES;
use super::dogstatsd_reading::{Known, lines};
use super::exports::{EXPORTS, TRUTH};
use super::truth::Error;
use std::collections::BTreeMap;

const GROWTH: f64 = 1.0 + 2.0 / 128.0;
const HALF: f64 = 1.0 / 256.0;

/// How an answer is made of a bin.
#[derive(Clone, Copy)]
enum Answer {
    /// As the agent's own code does it.
    Interpolated,
    /// The value that the bin is named for.
    Middle,
}

#[derive(Default)]
struct Sketch {
    bins: BTreeMap<i32, u64>,
    count: u64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
}

impl Sketch {
    fn insert(&mut self, value: f64, weight: u64) {
        let bin = (value.ln() / GROWTH.ln()).round_ties_even() as i32;
        *self.bins.entry(bin).or_default() += weight;
        self.count += weight;
        self.sum += value * weight as f64;
        self.min = self.min.into_iter().chain([value]).reduce(f64::min);
        self.max = self.max.into_iter().chain([value]).reduce(f64::max);
    }

    fn merge(&mut self, other: &Self) {
        for (bin, count) in &other.bins {
            *self.bins.entry(*bin).or_default() += count;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.into_iter().chain(other.min).reduce(f64::min);
        self.max = self.max.into_iter().chain(other.max).reduce(f64::max);
    }

    fn quantile(&self, q: f64, answer: Answer) -> f64 {
        let rank = (q * (self.count - 1) as f64).round_ties_even();
        let mut seen = 0.0;
        for (&bin, &count) in &self.bins {
            seen += count as f64;
            if seen > rank {
                let low = GROWTH.powi(bin);
                let rest = (seen - rank) / count as f64;
                return match answer {
                    Answer::Interpolated => low * rest + low * GROWTH * (1.0 - rest),
                    Answer::Middle => low,
                };
            }
        }
        panic!("{q} of {}", self.count);
    }
}

#[test]
fn distributions_of_a_fleet_have_its_quantiles_within_the_error_of_buckets_and_sketches() {
    let truth = &*TRUTH;
    let known = Known::of(&lines(&EXPORTS.datagrams));
    assert_eq!(known.count("requests"), truth.count() as f64);

    // A sketch for each process, which has a tag of its own.
    let mut all = Sketch::default();
    let mut sketches = 0;
    for (_, values) in known.distributions.iter().filter(|((name, _), _)| name == "latency") {
        let mut sketch = Sketch::default();
        values.iter().for_each(|&(value, weight)| sketch.insert(value, weight));
        all.merge(&sketch);
        sketches += 1;
    }
    assert_eq!(sketches, truth.p99_of_each.len());
    assert_eq!(all.count, truth.count());
    assert_eq!(all.max, Some(truth.max()));
    assert!((all.sum / truth.sum() - 1.0).abs() <= HALF, "{}, not {}", all.sum, truth.sum());
    let half_bin = GROWTH.sqrt();
    let interpolated = Error {
        below: 1.0 - (1.0 - HALF) / half_bin,
        above: (1.0 + HALF) * GROWTH * half_bin - 1.0,
    };
    assert!(interpolated.below < 0.012 && interpolated.above < 0.028, "{interpolated:?}");
    let middle = Error { above: (1.0 + HALF) * half_bin - 1.0, ..interpolated };
    assert!(middle.above < 0.012, "{middle:?}");
    for q in QUANTILES {
        truth.assert_quantile(q, all.quantile(q, Answer::Interpolated), interpolated);
        truth.assert_quantile(q, all.quantile(q, Answer::Middle), middle);
    }
}
