//! Registries of metrics whose names fall together, with labels and values that are hard to write.

use quipu::{Registry, Unit};

pub const NAMES: &[&str] = &[
    "a",
    "a.b",
    "a_b",
    "a-b",
    "a/b",
    "a.total",
    "a_total",
    "a.total.total",
    "a.seconds",
    "a.ns",
    "a.ms",
    "a_seconds",
    "a.seconds.total",
    "seconds",
    "ns",
    "bytes",
    "total",
    "ratio",
    "a.percent",
    "x",
    "x.count",
    "x_sum",
    "x.bucket",
    "x.created",
    "a.created",
    "x.info",
    "A.b",
    "a..b",
];

pub const KEYS: &[&str] = &[
    "a",
    "a.b",
    "a_b",
    "a-b",
    "a_b_",
    "le",
    "exported_le",
    "__x",
    "_.x",
    "exported___x",
    "_",
    "quipu_keys",
    "quipu_keys_",
    "quantile",
    "job",
    "exported_job",
    "__name__",
];

pub const TEXTS: &[&str] = &[
    "",
    "1",
    "a.b",
    "a_b",
    "-",
    "\"",
    "\\",
    "\n",
    "\\n",
    "a\"b\\c\nd",
    "\r",
    "\t",
    " ",
    "}",
    "{a=\"b\"} 1",
    ",",
    "#",
    "# EOF\n",
    "\u{0}",
    "\u{1}\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{202e}",
    "\u{3c0}",
    "\u{1f9f6}",
    "exemplar # {a=\"b\"} 1 1",
];

pub const UNITS: &[Unit] = &[
    Unit::None,
    Unit::Nanoseconds,
    Unit::Microseconds,
    Unit::Milliseconds,
    Unit::Seconds,
    Unit::Bytes,
    Unit::Ratio,
    Unit::Percent,
    Unit::Thousandths,
];

/// A metric to register, and what to record.
#[derive(Clone, Debug)]
pub struct Metric {
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub help: String,
    /// A counter, an up-down counter, a gauge, or a histogram of one to three digits.
    pub kind: u8,
    pub unit: Unit,
    /// Values, or the bits of readings.
    pub records: Vec<u64>,
}

impl Metric {
    /// Registers it and records; does nothing if the registry refuses it.
    pub fn add_to(&self, registry: &Registry) {
        macro_rules! register {
            ($builder:expr) => {
                self.labels
                    .iter()
                    .fold($builder, |builder, (key, value)| builder.label(key, value))
                    .unit(self.unit)
                    .help(&self.help)
                    .register()
            };
        }
        let name = &self.name;
        let records = self.records.iter().copied();
        match self.kind % 6 {
            0 => register!(registry.counter(name)).map(|it| records.for_each(|n| it.add(n))),
            1 => {
                let sum = register!(registry.up_down_counter(name));
                sum.map(|it| records.for_each(|n| it.add(n as i64)))
            }
            2 => {
                let gauge = register!(registry.gauge(name));
                gauge.map(|it| records.for_each(|bits| it.set(f64::from_bits(bits))))
            }
            3 => register!(registry.histogram(name).significant_digits::<1>())
                .map(|it| records.for_each(|n| it.record_n(n, 1 + n % 3))),
            4 => register!(registry.histogram(name))
                .map(|it| records.for_each(|n| it.record_n(n, 1 + n % 3))),
            _ => register!(registry.histogram(name).significant_digits::<3>())
                .map(|it| records.for_each(|n| it.record_n(n, 1 + n % 3))),
        }
        .unwrap_or_default();
    }
}
