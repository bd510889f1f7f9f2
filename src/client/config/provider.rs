//! Where metrics can go.
#![forbid(unsafe_code)]

use super::nearest::nearest;
use std::fmt;

/// Names that are kept for providers to come.
const NOT_BUILT: [&str; 5] = ["sentry", "datadog", "dogstatsd", "statsd", "otlp"];

/// A destination that a [`Config`](super::Config) can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// `console`: tables for people. Takes no DSN.
    Console,
    /// `json`: lines of JSON, for log shippers. Its DSN says where to; the standard output without.
    Json,
    /// `interval_log`: a log that keeps whole histograms. Needs a DSN, which is a file, and the cargo
    /// feature `interval-log`.
    IntervalLog,
}

/// Why a name is not that of a usable provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Unknown { nearest: Option<&'static str> },
    NotBuilt { name: &'static str },
    NotCompiled { name: &'static str, feature: &'static str },
}

impl Provider {
    const ALL: [Self; 3] = [Self::Console, Self::Json, Self::IntervalLog];

    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Json => "json",
            Self::IntervalLog => "interval_log",
        }
    }

    pub(super) fn takes_dsn(self) -> bool {
        self != Self::Console
    }

    /// The cargo feature that is missing for it.
    pub(super) fn missing_feature(self) -> Option<&'static str> {
        let is_missing = self == Self::IntervalLog && !cfg!(feature = "interval-log");
        is_missing.then_some("interval-log")
    }

    pub(super) fn find(name: &str) -> Result<Self, Unusable> {
        if let Some(provider) = Self::ALL.into_iter().find(|provider| provider.name() == name) {
            return match provider.missing_feature() {
                Some(feature) => Err(Unusable::NotCompiled { name: provider.name(), feature }),
                None => Ok(provider),
            };
        }
        if let Some(name) = NOT_BUILT.into_iter().find(|known| *known == name) {
            return Err(Unusable::NotBuilt { name });
        }
        let known = Self::ALL.map(Self::name).into_iter().chain(NOT_BUILT);
        Err(Unusable::Unknown { nearest: nearest(name, known) })
    }

    /// The names that can be configured, for messages.
    pub(super) fn usable() -> String {
        listed(Self::ALL.iter().filter(|provider| provider.missing_feature().is_none()))
    }
}

/// Names, separated by commas.
pub(super) fn listed<'a>(providers: impl IntoIterator<Item = &'a Provider>) -> String {
    providers.into_iter().map(|provider| provider.name()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
