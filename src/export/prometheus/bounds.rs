//! Bounds of classic buckets.
#![forbid(unsafe_code)]

use crate::buckets::{Layout, Row};
use crate::export::scale::Scale;
use crate::series::{Unit, excerpt};
use crate::snapshot::HistogramSnapshot;
use std::collections::HashMap;
use std::fmt;

/// Those of the OpenTelemetry conventions for `http.server.request.duration`
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-metrics/>).
const SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Powers of 4, from 64 bytes to a gibibyte.
const BYTES: &[f64] = &[
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

const RATIOS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0];

/// The default of OpenTelemetry's SDKs
/// (<https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation>).
const NUMBERS: &[f64] = &[
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0,
    7_500.0, 10_000.0,
];

/// The same, and before them some for shares and other fractions.
const FRACTIONS: &[f64] = &[
    0.0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 75.0,
    100.0, 250.0, 500.0, 750.0, 1_000.0, 2_500.0, 5_000.0, 7_500.0, 10_000.0,
];

/// Why bounds of classic buckets cannot be used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BoundsError {
    /// A bound is not a number, infinite or negative. Give finite bounds from 0 on; the bucket
    /// without a bound is always there.
    OutOfRange {
        /// The metric's name.
        name: String,
        /// The bound.
        bound: f64,
    },
    /// A bound is not above the one before it. Sort them, and name each once.
    NotAscending {
        /// The metric's name.
        name: String,
        /// The bound.
        bound: f64,
        /// The bound before it.
        before: f64,
    },
}

impl fmt::Display for BoundsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { name, bound } => write!(
                f,
                "bounds of {name:?}: {bound} is not a finite number from 0 on; remove it (the bucket \
                 without a bound is always there)"
            ),
            Self::NotAscending { name, bound, before } => write!(
                f,
                "bounds of {name:?}: {bound} does not exceed {before} before it; sort them and name \
                 each once"
            ),
        }
    }
}

impl std::error::Error for BoundsError {}

/// The bounds that were set, in exported units, by metric.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    by_name: HashMap<String, Vec<f64>>,
}

impl Bounds {
    pub(super) fn set(&mut self, name: &str, bounds: &[f64]) -> Result<(), BoundsError> {
        if let Some(&bound) = bounds.iter().find(|bound| !(0.0..f64::INFINITY).contains(*bound)) {
            return Err(BoundsError::OutOfRange { name: excerpt(name), bound });
        }
        if let Some(pair) = bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
            let (before, bound) = (pair[0], pair[1]);
            return Err(BoundsError::NotAscending { name: excerpt(name), bound, before });
        }
        self.by_name.insert(name.to_owned(), bounds.to_vec());
        Ok(())
    }

    pub(super) fn of(&self, name: &str, unit: Unit) -> &[f64] {
        if let Some(bounds) = self.by_name.get(name) {
            return bounds;
        }
        match Scale::of(unit).unit {
            "seconds" => SECONDS,
            "bytes" => BYTES,
            _ if unit == Unit::Percent => RATIOS,
            _ if unit == Unit::Thousandths => FRACTIONS,
            _ => NUMBERS,
        }
    }
}

/// A histogram's counts, added up from bound to bound.
pub(super) struct Cumulative<'a> {
    layout: Layout,
    /// From the first row that is not added up in whole.
    rest: &'a [Row],
    /// Of the rows before.
    sum: u64,
}

impl<'a> Cumulative<'a> {
    pub(super) fn of(values: &HistogramSnapshot<'a>) -> Self {
        Self { layout: values.layout(), rest: values.rows(), sum: 0 }
    }

    /// How many values do not exceed `limit`, which is no smaller than the one before; and those
    /// that share the last bucket with values that do not.
    pub(super) fn up_to(&mut self, limit: u64) -> u64 {
        let last = self.layout.index(limit);
        let (row, within) = (last / Row::LEN, last % Row::LEN);
        while let Some((first, rest)) = self.rest.split_first() {
            if first.number as usize >= row {
                break;
            }
            self.sum = added(self.sum, &first.counts);
            self.rest = rest;
        }
        match self.rest.first() {
            Some(first) if first.number as usize == row => {
                added(self.sum, &first.counts[..=within])
            }
            _ => self.sum,
        }
    }
}

fn added(sum: u64, counts: &[u64]) -> u64 {
    counts.iter().fold(sum, |sum, &count| sum.wrapping_add(count))
}
