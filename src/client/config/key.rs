//! The keys, in JSON and in the environment.
#![forbid(unsafe_code)]

use super::nearest::nearest;

/// What a configuration may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Enabled,
    Provider,
    Dsn,
    FlushInterval,
    SampleRate,
    TracesRate,
}

impl Key {
    pub(super) const ALL: [Self; 6] = [
        Self::Enabled,
        Self::Provider,
        Self::Dsn,
        Self::FlushInterval,
        Self::SampleRate,
        Self::TracesRate,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "observability_enabled",
            Self::Provider => "observability_provider",
            Self::Dsn => "observability_dsn",
            Self::FlushInterval => "observability_flush_interval",
            Self::SampleRate => "observability_sample_rate",
            Self::TracesRate => "observability_traces_rate",
        }
    }

    /// The name of its environment variable.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Enabled => "OBSERVABILITY_ENABLED",
            Self::Provider => "OBSERVABILITY_PROVIDER",
            Self::Dsn => "OBSERVABILITY_DSN",
            Self::FlushInterval => "OBSERVABILITY_FLUSH_INTERVAL",
            Self::SampleRate => "OBSERVABILITY_SAMPLE_RATE",
            Self::TracesRate => "OBSERVABILITY_TRACES_RATE",
        }
    }
}

/// The name among `names` that an unknown one was meant to be, with or without the prefix.
pub(super) fn nearest_key(unknown: &str, names: [&'static str; 6]) -> Option<&'static str> {
    nearest(unknown, names).or_else(|| nearest(&format!("observability_{unknown}"), names))
}
