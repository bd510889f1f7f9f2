//! Whether what a peer wrote is what was recorded.
#![forbid(unsafe_code)]

use super::workload::{self, Family, Labels};
use crate::buckets::BOUNDS;
use crate::report::{Table, grouped};
use std::collections::HashMap;

/// A bucket may differ from the exact count by so much of the histogram's records: quipu's own
/// buckets, 0.8 % wide, need not end where the bounds are.
const BUCKET_TOLERANCE: f64 = 0.01;
/// A sum may differ by so much of itself: threads add floating-point numbers in any order.
const SUM_TOLERANCE: f64 = 1e-9;

/// Sample values by name and labels.
type Samples = HashMap<String, f64>;

/// What peers wrote, beside what they should have.
pub struct Check {
    table: Table,
    agrees: bool,
}

impl Check {
    pub fn new() -> Self {
        let table = Table::new([
            "peer",
            "sample lines",
            "missing",
            "beyond",
            "HELP, TYPE lines",
            "other lines",
            "sum of counters",
            "of histograms' counts",
            "bucket off by",
            "sum off by",
        ]);
        Self { table, agrees: true }
    }

    /// Checks the text of a peer that has recorded in so many steps.
    pub fn add(&mut self, name: &str, text: &[u8], steps: usize) {
        let text = std::str::from_utf8(text).expect("the formats are UTF-8");
        let expected = Expected::after(steps);
        let sample_lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let how_many = sample_lines.clone().count();
        let seen: Samples = sample_lines.map(parsed).collect();
        let described = |line: &&str| line.starts_with("# HELP ") || line.starts_with("# TYPE ");
        let descriptions = text.lines().filter(described).count();
        let others = text.lines().count() - how_many - descriptions;

        let missing = expected.samples.keys().filter(|key| !seen.contains_key(*key)).count();
        let beyond = how_many + missing - expected.samples.len();
        let sum_of = |suffix: &str, samples: &Samples| {
            let of_kind = samples.iter().filter(|(key, _)| name_of(key).ends_with(suffix));
            of_kind.map(|(_, value)| *value as u64).sum::<u64>()
        };
        let [counters, counts] = ["_total", "_count"].map(|kind| sum_of(kind, &seen));
        let [bucket_off, sum_off] = expected.deviations(&seen);

        self.agrees &= missing == 0 && beyond == 0;
        self.agrees &= counters == sum_of("_total", &expected.samples);
        self.agrees &= counts == sum_of("_count", &expected.samples);
        self.agrees &= bucket_off <= BUCKET_TOLERANCE && sum_off <= SUM_TOLERANCE;
        self.table.row([
            name.into(),
            grouped(how_many as u64),
            missing.to_string(),
            beyond.to_string(),
            descriptions.to_string(),
            others.to_string(),
            grouped(counters),
            grouped(counts),
            format!("{:.2} %", bucket_off * 100.0),
            format!("{sum_off:.0e}"),
        ]);
    }

    /// Prints what was found; true if all is as it should be.
    pub fn finish(self) -> bool {
        self.table.print();
        if !self.agrees {
            println!("WRONG: peers have written something else than was recorded.\n");
        }
        self.agrees
    }
}

struct Expected {
    samples: Samples,
    /// The keys of bucket samples, and how many records their histograms have.
    buckets: Vec<(String, f64)>,
    sums: Vec<String>,
}

impl Expected {
    fn after(steps: usize) -> Self {
        let mut this = Self { samples: Samples::new(), buckets: Vec::new(), sums: Vec::new() };
        let mut counter = 0..;
        for family in workload::counters() {
            for (labels, number) in family.series.iter().zip(&mut counter) {
                let value = workload::expected_count(number, steps) as f64;
                this.samples.insert(key(&family, "_total", labels, None), value);
            }
        }
        let mut histogram = 0..;
        for family in workload::histograms() {
            for (labels, number) in family.series.iter().zip(&mut histogram) {
                this.add_histogram(&family, labels, number, steps);
            }
        }
        this
    }

    fn add_histogram(&mut self, family: &Family, labels: &Labels, number: usize, steps: usize) {
        let latencies: Vec<_> = workload::expected_latencies(number, steps).collect();
        let count = latencies.len() as f64;
        for bound in BOUNDS.into_iter().chain([f64::INFINITY]) {
            let up_to = latencies.iter().filter(|&&ns| ns as f64 / 1e9 <= bound).count();
            let key = key(family, "_seconds_bucket", labels, Some(bound));
            self.buckets.push((key.clone(), count));
            self.samples.insert(key, up_to as f64);
        }
        self.samples.insert(key(family, "_seconds_count", labels, None), count);
        let sum = key(family, "_seconds_sum", labels, None);
        self.sums.push(sum.clone());
        self.samples.insert(sum, latencies.iter().sum::<u64>() as f64 / 1e9);
    }

    /// The largest of all buckets', relative to the records of the histogram, and of all sums'.
    fn deviations(&self, seen: &Samples) -> [f64; 2] {
        let off = |key: &str| {
            seen.get(key).map_or(f64::INFINITY, |value| (value - self.samples[key]).abs())
        };
        let of_buckets = self.buckets.iter().map(|(key, count)| off(key) / count);
        let of_sums = self.sums.iter().map(|key| off(key) / self.samples[key]);
        [of_buckets.fold(0.0, f64::max), of_sums.fold(0.0, f64::max)]
    }
}

fn key(family: &Family, suffix: &str, labels: &Labels, bound: Option<f64>) -> String {
    let (method, route) = (format!("method={}", labels.method), format!("route={}", labels.route));
    let bound = bound.map(|bound| format!("le={bound}"));
    let labels: Vec<_> = bound.into_iter().chain([method, route]).collect();
    format!("{}{suffix} {}", family.name(), labels.join(" "))
}

fn name_of(key: &str) -> &str {
    key.split(' ').next().unwrap_or_default()
}

/// The key and the value of a sample's line. No label value of the workload has a quote or a comma.
fn parsed(line: &str) -> (String, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a value after the series");
    let value = value.parse().expect("a number");
    let (name, labels) = series.split_once('{').expect("labels");
    let labels = labels.strip_suffix('}').expect("an end of the labels").split(',');
    let mut labels: Vec<_> = labels.map(unquoted).collect();
    labels.sort();
    (format!("{name} {}", labels.join(" ")), value)
}

/// `key=value`; a bound as this program writes numbers, whichever way the peer does.
fn unquoted(label: &str) -> String {
    let (key, value) = label.split_once('=').expect("a label has a value");
    let value = value.trim_matches('"');
    match value.parse::<f64>() {
        Ok(bound) if key == "le" => format!("le={bound}"),
        _ => format!("{key}={value}"),
    }
}
