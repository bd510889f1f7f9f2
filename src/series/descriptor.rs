//! What a series is called.
#![forbid(unsafe_code)]

use super::unit::Unit;
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
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

/// A key and its value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The key, NUL, and the value. NUL, which is in neither, is less than all that may be there, so that
    /// texts are in the order of pairs, and two labels are compared by one look at each.
    text: Box<str>,
    key_len: usize,
}

impl Label {
    pub(crate) fn new(key: &str, value: &str) -> Self {
        Self { text: [key, value].join("\0").into(), key_len: key.len() }
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.text[..self.key_len]
    }

    /// The value: any text without NUL.
    pub fn value(&self) -> &str {
        &self.text[self.key_len + 1..]
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.key(), self.value())
    }
}

/// What a series is called and what its values mean.
#[derive(Clone, Debug)]
pub struct Descriptor {
    pub(super) name: Arc<str>,
    pub(super) help: Arc<str>,
    pub(super) kind: Kind,
    pub(super) unit: Unit,
    pub(super) digits: u8,
    pub(super) labels: Box<[Label]>,
}

impl Descriptor {
    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says about itself, empty if nothing.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// What kind of metric it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What its values are measured in.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// Significant digits of a histogram, otherwise 0.
    pub fn significant_digits(&self) -> u8 {
        self.digits
    }

    /// Its labels, sorted by key.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The value of the label with this key, if there is one.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.key() == key).map(Label::value)
    }

    /// By name, then by labels: the order of a snapshot.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        // Most neighbours in a sort are of one name, and then share its text.
        let by_name = if Arc::ptr_eq(&self.name, &other.name) {
            Ordering::Equal
        } else {
            self.name.cmp(&other.name)
        };
        by_name.then_with(|| self.labels.cmp(&other.labels))
    }

    /// How this series stands to `name` and `labels`, which are sorted by key.
    pub(crate) fn order_to(&self, name: &str, labels: &[(&str, &str)]) -> Ordering {
        let own = self.labels.iter().map(|label| (label.key(), label.value()));
        (*self.name).cmp(name).then_with(|| own.cmp(labels.iter().copied()))
    }
}

/// Name and labels as `name{key="value",..}`, with nothing in them that a terminal would obey.
impl fmt::Display for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        for (at, label) in self.labels().iter().enumerate() {
            let before = if at == 0 { "{" } else { "," };
            write!(f, "{before}{}=\"{}\"", label.key(), label.value().escape_debug())?;
        }
        if self.labels().is_empty() { Ok(()) } else { f.write_str("}") }
    }
}

/// A descriptor that is found by its labels, among those of one name.
pub(super) struct ByLabels(pub(super) Arc<Descriptor>);

impl Borrow<[Label]> for ByLabels {
    fn borrow(&self) -> &[Label] {
        &self.0.labels
    }
}

impl Hash for ByLabels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.labels.hash(state);
    }
}

impl PartialEq for ByLabels {
    fn eq(&self, other: &Self) -> bool {
        self.0.labels == other.0.labels
    }
}

impl Eq for ByLabels {}
