//! Why a registration was refused.
#![forbid(unsafe_code)]

use super::descriptor::Kind;
use super::unit::Unit;
use std::fmt;

/// Why a metric could not be registered. Each message says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// The name breaks the rules: a letter, then letters, digits and `_.-/`, 255 bytes at most.
    InvalidName {
        /// The beginning of the name.
        name: String,
        /// What is wrong with it, and what to do.
        fault: &'static str,
    },
    /// A label key breaks the rules: those of names, or it begins with `_`.
    InvalidLabelKey {
        /// The beginning of the key.
        key: String,
        /// What is wrong with it, and what to do.
        fault: &'static str,
    },
    /// A label value is longer than 4,096 bytes or contains a NUL.
    InvalidLabelValue {
        /// The label's key.
        key: String,
        /// What is wrong with the value, and what to do.
        fault: &'static str,
    },
    /// Two labels have the same key. Name each once.
    DuplicateLabel {
        /// The key.
        key: String,
    },
    /// More labels than a series can have. Drop some.
    TooManyLabels {
        /// How many were given.
        labels: usize,
        /// How many are accepted.
        limit: usize,
    },
    /// The name exists with another kind. Reuse that kind or choose a new name.
    KindMismatch {
        /// The name.
        name: String,
        /// The kind it exists with.
        registered: Kind,
        /// The kind that was asked for.
        requested: Kind,
    },
    /// The name exists with another unit. Use the same unit or choose a new name.
    UnitMismatch {
        /// The name.
        name: String,
        /// The unit it exists with.
        registered: Unit,
        /// The unit that was asked for.
        requested: Unit,
    },
    /// The histogram exists with other significant digits. Use the same or choose a new name.
    DigitsMismatch {
        /// The name.
        name: String,
        /// The significant digits it exists with.
        registered: u8,
        /// The significant digits that were asked for.
        requested: u8,
    },
    /// The registry is full. Raise its limit, or look for a label with too many values.
    RegistryFull {
        /// How many series it can hold.
        limit: usize,
    },
    /// The family, or the name in a `MetricsRecorder`, is full. Raise its `max_series`, or look for a
    /// label with too many values.
    FamilyFull {
        /// The name of its metric.
        name: String,
        /// How many series it can hold.
        limit: usize,
    },
    /// The system refused address space for more cells. Raise the process's limit on it
    /// (`ulimit -v`), or configure fewer shards.
    OutOfAddressSpace {
        /// How many bytes were asked for.
        bytes: usize,
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName { name, fault } => write!(f, "metric name {name:?}: {fault}"),
            Self::InvalidLabelKey { key, fault } => write!(f, "label key {key:?}: {fault}"),
            Self::InvalidLabelValue { key, fault } => write!(f, "value of label {key:?}: {fault}"),
            Self::DuplicateLabel { key } => {
                write!(f, "label {key:?} is given twice; name each key once")
            }
            Self::TooManyLabels { labels, limit } => {
                write!(f, "{labels} labels are more than the {limit} of a series; drop some")
            }
            Self::KindMismatch { name, registered, requested } => write!(
                f,
                "{name:?} is a {registered} already and cannot be a {requested} as well; \
                 use the registered kind or choose a new name"
            ),
            Self::UnitMismatch { name, registered, requested } => write!(
                f,
                "{name:?} is measured in {registered:?} already and cannot be in {requested:?} as \
                 well; use the same unit or choose a new name"
            ),
            Self::DigitsMismatch { name, registered, requested } => write!(
                f,
                "{name:?} has {registered} significant digits already and cannot have {requested} \
                 as well; use the same or choose a new name"
            ),
            Self::RegistryFull { limit } => write!(
                f,
                "the registry holds its limit of {limit} series; raise it with \
                 Registry::with_max_series, or look for a label with too many values"
            ),
            Self::FamilyFull { name, limit } => write!(
                f,
                "the family {name:?} holds its limit of {limit} series, and counts the rest as \
                 overflow; raise its max_series, or look for a label with too many values"
            ),
            Self::OutOfAddressSpace { bytes } => write!(
                f,
                "the system refused {bytes} bytes of address space for more cells; raise the \
                 process's limit (ulimit -v) or configure fewer shards (quipu::configure)"
            ),
        }
    }
}

impl std::error::Error for RegisterError {}

/// The beginning of `text`, short enough for an error message, in which it stands escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let mut room = 80_usize;
    for (at, character) in text.char_indices() {
        let shown = character.escape_debug().count();
        if shown > room {
            return format!("{}..", &text[..at]);
        }
        room -= shown;
    }
    text.to_owned()
}
