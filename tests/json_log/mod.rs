//! Reads what `JsonLines` wrote, by the rules that its documentation gives.

use serde_json::Value;
use std::collections::BTreeMap;

/// The first line of a delivery, and those of its series.
pub struct Delivery {
    pub head: Value,
    /// Those of the program: what the client measures about itself is counted only.
    pub series: Vec<Value>,
    own: usize,
}

impl Delivery {
    /// Whether no line is missing.
    pub fn is_whole(&self) -> bool {
        self.head["series"].as_u64() == Some((self.series.len() + self.own) as u64)
    }
}

/// What deliveries add up to, over all series of a kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub counters: u64,
    pub up_down_counters: i64,
    /// Count and sum of values.
    pub histograms: (u64, u64),
    /// By lowest and highest value.
    pub buckets: BTreeMap<(u64, u64), u64>,
}

/// Whether it is the name of something that the client measures about itself.
fn is_own(name: &str) -> bool {
    name.starts_with("quipu.")
}

/// All deliveries in `text`. Lines that are no JSON are left out, so that theirs is incomplete.
pub fn deliveries(text: &str) -> Vec<Delivery> {
    let mut deliveries: Vec<Delivery> = Vec::new();
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        if line["kind"] == "snapshot" {
            deliveries.push(Delivery { head: line, series: Vec::new(), own: 0 });
        } else {
            let delivery = deliveries.last_mut().expect("a delivery begins with its snapshot");
            assert_eq!(line["time"], delivery.head["time"]);
            match is_own(line["name"].as_str().expect("a series has a name")) {
                true => delivery.own += 1,
                false => delivery.series.push(line),
            }
        }
    }
    deliveries
}

pub fn sums(deliveries: &[Delivery]) -> Sums {
    let mut sums = Sums::default();
    for line in deliveries.iter().flat_map(|delivery| &delivery.series) {
        match line["kind"].as_str().unwrap() {
            "counter" => sums.counters += line["delta"].as_u64().unwrap(),
            "up_down_counter" => sums.up_down_counters += line["delta"].as_i64().unwrap(),
            "histogram" => {
                sums.histograms.0 += line["count"].as_u64().unwrap();
                let sum = line["sum"].as_u64().unwrap();
                sums.histograms.1 = sums.histograms.1.wrapping_add(sum);
                for bucket in line["buckets"].as_array().unwrap() {
                    let [low, high, count] = [0, 1, 2].map(|at| bucket[at].as_u64().unwrap());
                    *sums.buckets.entry((low, high)).or_default() += count;
                }
            }
            _ => {}
        }
    }
    sums
}

/// What a registry's totals are, in the same form; those of the program.
pub fn totals(snapshot: &quipu::Snapshot) -> Sums {
    let mut sums = Sums::default();
    for (_, value) in snapshot.iter().filter(|(descriptor, _)| !is_own(descriptor.name())) {
        match value {
            quipu::Value::Counter(count) => sums.counters += count,
            quipu::Value::UpDownCounter(sum) => sums.up_down_counters += sum,
            quipu::Value::Histogram(histogram) => {
                sums.histograms.0 += histogram.count();
                sums.histograms.1 = sums.histograms.1.wrapping_add(histogram.sum());
                for bucket in histogram.buckets() {
                    *sums.buckets.entry((bucket.low, bucket.high)).or_default() += bucket.count;
                }
            }
            _ => {}
        }
    }
    sums
}
