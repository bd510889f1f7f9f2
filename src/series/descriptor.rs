//! What a series is called.
#![forbid(unsafe_code)]

use super::labels::{LabelSet, Labels};
use super::unit::Unit;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// What a metric does with its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Grows and shrinks.
    UpDownCounter,
    /// The latest reading.
    Gauge,
    /// A distribution.
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Counter => "counter",
            Kind::UpDownCounter => "up-down counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        })
    }
}

/// What a series is called and what its values mean.
#[derive(Clone)]
pub struct Descriptor {
    pub(super) common: Arc<Common>,
    pub(super) labels: LabelSet,
}

/// What all series of a name have in common.
pub(super) struct Common {
    pub(super) name: Arc<str>,
    pub(super) help: Box<str>,
    pub(super) meaning: Meaning,
}

/// What values mean.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    pub(super) digits: u8,
}

impl Descriptor {
    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.common.name
    }

    /// What it says about itself, empty if nothing.
    pub fn help(&self) -> &str {
        &self.common.help
    }

    /// What kind of metric it is.
    pub fn kind(&self) -> Kind {
        self.common.meaning.kind
    }

    /// What its values are measured in.
    pub fn unit(&self) -> Unit {
        self.common.meaning.unit
    }

    /// Significant digits of a histogram, otherwise 0.
    pub fn significant_digits(&self) -> u8 {
        self.common.meaning.digits
    }

    /// Its labels, sorted by key.
    pub fn labels(&self) -> Labels<'_> {
        self.labels.iter()
    }

    /// The value of the label with this key, if there is one.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels().find(|label| label.key() == key).map(|label| label.value())
    }

    /// By name, then by labels: the order of a snapshot.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let by_labels = || self.labels.cmp(&other.labels);
        if self.is_of_same_name(other) {
            return by_labels();
        }
        self.name().cmp(other.name()).then_with(by_labels)
    }

    /// Whether both are of one name in one registry.
    pub(crate) fn is_of_same_name(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.common, &other.common)
    }

    /// The labels, as a text that is equal and in order where they are.
    pub(crate) fn label_text(&self) -> &str {
        self.labels.text()
    }

    /// How this series stands to `name` and `labels`, which are sorted by key.
    pub(crate) fn order_to(&self, name: &str, labels: &[(&str, &str)]) -> Ordering {
        let own = self.labels().map(|label| (label.key(), label.value()));
        self.name().cmp(name).then_with(|| own.cmp(labels.iter().copied()))
    }
}

/// Name and labels as `name{key="value",..}`, with nothing in them that a terminal would obey.
impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        for (at, label) in self.labels().enumerate() {
            let before = if at == 0 { "{" } else { "," };
            write!(f, "{before}{}=\"{}\"", label.key(), label.value().escape_debug())?;
        }
        if self.labels().is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Descriptor");
        f.field("name", &self.name()).field("labels", &self.labels());
        f.field("kind", &self.kind()).field("unit", &self.unit());
        f.field("digits", &self.significant_digits()).field("help", &self.help()).finish()
    }
}
