//! What a body must say, from the snapshot that it was made of and the encoder's documentation.

use super::reading::{Distribution, Family, Labels, Reading};
use quipu::{Descriptor, HistogramSnapshot, Kind, PrometheusFormat, PrometheusNames};
use quipu::{Snapshot, Unit, Value};
use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

/// Panics unless the families are those of the snapshot.
pub fn check(
    snapshot: &Snapshot,
    families: &[Family],
    format: PrometheusFormat,
    names: PrometheusNames,
) {
    let oracle = Oracle { format, names };
    oracle.check_names(snapshot, families);
    let since = snapshot.since().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let created = (since.as_secs(), since.subsec_nanos());
    let mut exported = families.iter().flat_map(|f| f.series.iter().map(move |s| (f, s)));
    let mut exported_names = HashMap::new();
    let mut identities = HashSet::new();
    for (descriptor, value) in snapshot.iter() {
        let (family, series) = exported.next().unwrap_or_else(|| panic!("no {descriptor}"));
        let name = exported_names.entry(descriptor.name()).or_insert(&family.name);
        assert_eq!(*name, &family.name, "{descriptor} is in two families");
        oracle.check_family(descriptor, family);
        oracle.check_labels(descriptor, &series.labels);
        // To Prometheus, an empty value is as no label.
        let labels = series.labels.iter().filter(|(_, value)| !value.is_empty());
        let mut identity: Vec<_> = labels.collect();
        identity.sort();
        assert!(identities.insert((&family.name, identity)), "{descriptor} is there twice");
        let has_creation = matches!(descriptor.kind(), Kind::Counter | Kind::Histogram)
            && format != PrometheusFormat::Text;
        assert_eq!(series.created, has_creation.then_some(created), "{descriptor}");
        oracle.check_value(descriptor, value, &series.reading);
    }
    assert_eq!(exported.next(), None, "a series that the snapshot does not have");
}

struct Oracle {
    format: PrometheusFormat,
    names: PrometheusNames,
}

impl Oracle {
    /// No two families may have a sample in common, and a name differs from what it should be only if
    /// they would.
    fn check_names(&self, snapshot: &Snapshot, families: &[Family]) {
        let mut taken: HashMap<String, usize> = HashMap::new();
        for (at, family) in families.iter().enumerate() {
            for name in samples_of(&family.name, &family.kind) {
                assert!(taken.insert(name, at).is_none(), "{} is there twice", family.name);
            }
        }
        let mut descriptors = HashMap::new();
        snapshot.iter().for_each(|(descriptor, _)| {
            descriptors.insert(descriptor.name(), descriptor);
        });
        assert_eq!(descriptors.len(), families.len());
        let mut sorted: Vec<_> = descriptors.into_values().collect();
        sorted.sort_by_key(|descriptor| descriptor.name());
        for (at, (descriptor, family)) in sorted.into_iter().zip(families).enumerate() {
            let wanted = self.name(descriptor);
            if family.name == wanted {
                continue;
            }
            let number = family.name.strip_prefix(&wanted).and_then(|rest| rest.strip_prefix('_'));
            let is_number = |it: &str| it.len() == 8 && it.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(number.is_some_and(is_number), "{descriptor} is {}", family.name);
            // Gauges that were never set have names too, though they are not seen.
            let is_complete = snapshot.len() == snapshot.iter().count();
            let is_taken = |name: String| taken.get(&name).is_some_and(|other| *other != at);
            let reason = samples_of(&wanted, &family.kind).into_iter().any(is_taken);
            assert!(reason || !is_complete, "{descriptor} is {} for no reason", family.name);
        }
    }

    fn name(&self, descriptor: &Descriptor) -> String {
        let (unit, _, spellings) = unit(descriptor.unit());
        let mut stem = descriptor.name();
        if descriptor.kind() == Kind::Counter {
            stem = without(stem, &["total"]);
        }
        stem = without(stem, spellings);
        let name = self.spelled(stem);
        if unit.is_empty() || stem == unit { name } else { format!("{name}_{unit}") }
    }

    fn spelled(&self, name: &str) -> String {
        match self.names {
            PrometheusNames::Underscores => name.replace(['.', '-', '/'], "_"),
            PrometheusNames::Utf8 => name.to_owned(),
        }
    }

    fn check_family(&self, descriptor: &Descriptor, family: &Family) {
        let kind = match descriptor.kind() {
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            _ => "gauge",
        };
        assert_eq!(family.kind, kind, "{descriptor}");
        let help = descriptor.help();
        let help = if help.is_empty() { descriptor.name() } else { help };
        assert_eq!(family.help, help, "{descriptor}");
        let (unit, ..) = unit(descriptor.unit());
        let tells_unit = match self.format {
            PrometheusFormat::Text => false,
            PrometheusFormat::OpenMetrics => family.name.ends_with(&format!("_{unit}")),
            _ => true,
        };
        assert_eq!(family.unit, if tells_unit { unit } else { "" }, "{descriptor}");
    }

    fn check_labels(&self, descriptor: &Descriptor, labels: &Labels) {
        let own = descriptor.labels();
        let (labels, added) = labels.split_at_checked(own.len()).expect("all labels");
        let mut keys = HashSet::new();
        for (label, (key, value)) in own.zip(labels) {
            assert_eq!(value, label.value(), "{descriptor}");
            let plain = self.spelled(label.key());
            let is_bound = plain == "le" && descriptor.kind() == Kind::Histogram;
            let is_reserved = plain.starts_with("__") || is_bound;
            let wanted = if is_reserved { format!("exported_{plain}") } else { plain };
            let rest = key.strip_prefix(&wanted).unwrap_or_else(|| panic!("{key} {descriptor}"));
            assert!(rest.bytes().all(|byte| byte == b'_'), "{key} of {descriptor}");
            assert!(keys.insert(key), "{key} is there twice in {descriptor}");
        }
        match added {
            [] => {}
            [(key, _)] => {
                assert!(key.starts_with("quipu_keys"), "{key} of {descriptor}");
                assert!(keys.insert(key), "{key} is there twice in {descriptor}");
            }
            added => panic!("{added:?} in {descriptor}"),
        }
    }

    fn check_value(&self, descriptor: &Descriptor, value: Value<'_>, reading: &Reading) {
        let (_, shift, _) = unit(descriptor.unit());
        let is_right = match (value, reading) {
            (Value::Counter(count), Reading::Number(number)) => {
                number.is_quotient(count.into(), shift)
            }
            (Value::UpDownCounter(sum), Reading::Number(number)) => {
                number.is_quotient(sum.into(), shift)
            }
            (Value::Gauge(value), Reading::Number(number)) => {
                number.is(value / 10_f64.powi(shift as i32))
            }
            (Value::Histogram(histogram), Reading::Histogram(distribution)) => {
                self.check_distribution(histogram, distribution, shift);
                distribution.sum.is_quotient(histogram.sum().into(), shift)
            }
            _ => false,
        };
        assert!(is_right, "{descriptor} is {value:?}, exported as {reading:?}");
    }

    fn check_distribution(
        &self,
        histogram: HistogramSnapshot<'_>,
        exported: &Distribution,
        shift: u32,
    ) {
        let unit = 10_f64.powi(shift as i32);
        assert_eq!(exported.count, histogram.count());
        assert!(exported.buckets.windows(2).all(|pair| pair[0].0 < pair[1].0), "{exported:?}");
        for &(bound, count) in &exported.buckets {
            // The bound in whole recorded units, if it is meant to be whole.
            let limit = bound * unit * (1.0 + 1e-12);
            let beyond = match histogram.significant_digits() {
                1 => 0.0625,
                2 => 0.0079,
                _ => 0.001,
            };
            let surely = counted(histogram, |bucket| bucket.high as f64 <= limit);
            let at_most = counted(histogram, |bucket| bucket.low as f64 <= limit);
            let stated = counted(histogram, |bucket| bucket.high as f64 <= limit * (1.0 + beyond));
            assert!(surely <= count && count <= at_most.min(stated), "{count} up to {bound}");
        }
        assert_eq!(exported.native.is_some(), self.format == PrometheusFormat::Protobuf);
        let Some(native) = &exported.native else { return };
        let (schema, error) = match histogram.significant_digits() {
            1 => (3, 0.032),
            2 => (6, 0.004),
            _ => (8, 0.0005),
        };
        assert_eq!(native.schema, schema);
        assert_eq!(native.zero_count, counted(histogram, |bucket| bucket.high == 0));
        let mut count = native.zero_count;
        for &(index, in_bucket) in &native.buckets {
            count = count.wrapping_add(in_bucket);
            let bound = unit * f64::exp2(index as f64 / f64::exp2(schema as f64));
            let surely = counted(histogram, |b| b.high as f64 <= bound * (1.0 - error));
            let at_most = counted(histogram, |b| b.low as f64 <= bound * (1.0 + error));
            assert!(surely <= count && count <= at_most, "{count} up to {index} {exported:?}");
        }
        assert_eq!(count, histogram.count());
    }
}

fn counted(histogram: HistogramSnapshot<'_>, which: impl Fn(&quipu::Bucket) -> bool) -> u64 {
    histogram.buckets().filter(which).fold(0, |sum, bucket| sum.wrapping_add(bucket.count))
}

/// The names that a family of this name has, with those that OpenMetrics reserves.
fn samples_of(name: &str, kind: &str) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        "counter" => &["", "_total", "_created"],
        "histogram" => &["", "_bucket", "_sum", "_count", "_created"],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
}

/// Its base unit's name, the power of ten between them, and how names may say it.
fn unit(unit: Unit) -> (&'static str, u32, &'static [&'static str]) {
    match unit {
        Unit::Nanoseconds => ("seconds", 9, &["ns", "nanoseconds", "seconds"]),
        Unit::Microseconds => ("seconds", 6, &["us", "microseconds", "seconds"]),
        Unit::Milliseconds => ("seconds", 3, &["ms", "milliseconds", "seconds"]),
        Unit::Seconds => ("seconds", 0, &["s", "seconds"]),
        Unit::Bytes => ("bytes", 0, &["bytes"]),
        Unit::Ratio => ("ratio", 0, &["ratio"]),
        Unit::Percent => ("ratio", 2, &["percent", "ratio"]),
        Unit::Thousandths => ("", 3, &[]),
        _ => ("", 0, &[]),
    }
}

/// A name without its last part, if that is one of `words` and not the whole name.
fn without<'a>(name: &'a str, words: &[&str]) -> &'a str {
    let found = words.iter().find_map(|word| {
        let stem = name.strip_suffix(word)?.strip_suffix(['.', '_', '-', '/'])?;
        (!stem.is_empty()).then_some(stem)
    });
    found.unwrap_or(name)
}
