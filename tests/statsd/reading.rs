//! Etsy's server, as a function: strict where it is lenient, and with its arithmetic.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Known {
    pub counters: BTreeMap<String, f64>,
    pub gauges: BTreeMap<String, f64>,
    /// Values, in the order of their lines, and the sum of their weights.
    pub timers: BTreeMap<String, (Vec<f64>, f64)>,
}

impl Known {
    pub fn of(datagrams: &[Vec<u8>]) -> Self {
        let mut known = Self::default();
        for datagram in datagrams {
            let text = std::str::from_utf8(datagram).unwrap();
            text.split('\n').for_each(|line| known.take(line));
        }
        known
    }

    fn take(&mut self, line: &str) {
        let (name, rest) = line.split_once(':').unwrap();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.;=".contains(c);
        assert!(!name.is_empty() && name.chars().all(is_plain), "{line:?}");
        if name.starts_with("quipu.") {
            return;
        }
        let fields: Vec<&str> = rest.split('|').collect();
        let value: f64 = fields[0].parse().unwrap();
        assert!(value.is_finite(), "{line:?}");
        match fields[..] {
            [text, "c"] => {
                assert!(!text.starts_with(['-', '+']));
                *self.counters.entry(name.to_owned()).or_default() += value;
            }
            // What has a sign is a change.
            [text, "g"] if text.starts_with(['-', '+']) => {
                *self.gauges.entry(name.to_owned()).or_default() += value;
            }
            [_, "g"] => {
                self.gauges.insert(name.to_owned(), value);
            }
            [_, "ms", ..] => {
                assert!(value >= 0.0);
                let weight = match fields[2..] {
                    [] => 1.0,
                    [rate] => 1.0 / rate_of(rate),
                    _ => panic!("{line:?}"),
                };
                let (values, count) = self.timers.entry(name.to_owned()).or_default();
                values.push(value);
                *count += weight;
            }
            _ => panic!("{line:?}"),
        }
    }
}

/// The server looks no further than digits and periods.
fn rate_of(field: &str) -> f64 {
    let rate = field.strip_prefix('@').unwrap();
    assert!(rate.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{field:?}");
    let rate: f64 = rate.parse().unwrap();
    assert!(rate > 0.0 && rate < 1.0);
    rate
}
