//! Where metrics can go.
#![forbid(unsafe_code)]

use super::nearest::nearest;
use std::fmt;

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
    /// `sentry`: Sentry's metrics, errors and transactions. Its DSN is Sentry's; `SENTRY_DSN` without.
    /// Needs the cargo feature `sentry`.
    Sentry,
    /// `datadog`: Datadog over HTTPS, without an agent. Its DSN is an API key, or
    /// `https://KEY@api.datadoghq.eu` for another site; `DD_API_KEY` and `DD_SITE` without. Needs the
    /// cargo feature `datadog`.
    Datadog,
    /// `dogstatsd`: a Datadog agent. Its DSN is `udp://127.0.0.1:8125`, `unix:///path` or
    /// `unixstream:///path`; `DD_DOGSTATSD_URL` and `DD_AGENT_HOST` without. Needs the cargo feature
    /// `dogstatsd`.
    DogStatsd,
    /// `statsd`: a plain StatsD server. Its DSN is `udp://127.0.0.1:8125`, which is the default.
    /// Needs the cargo feature `statsd`.
    Statsd,
    /// `otlp`: an OpenTelemetry collector, over HTTP. Its DSN is `http://127.0.0.1:4318`;
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` without. Needs the cargo feature `otlp`.
    Otlp,
}

/// Why a name is not that of a usable provider.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    Unknown { nearest: Option<&'static str> },
    NotCompiled { name: &'static str, feature: &'static str },
}

impl Provider {
    const ALL: [Self; 8] = [
        Self::Console,
        Self::Json,
        Self::IntervalLog,
        Self::Sentry,
        Self::Datadog,
        Self::DogStatsd,
        Self::Statsd,
        Self::Otlp,
    ];

    /// Its name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Json => "json",
            Self::IntervalLog => "interval_log",
            Self::Sentry => "sentry",
            Self::Datadog => "datadog",
            Self::DogStatsd => "dogstatsd",
            Self::Statsd => "statsd",
            Self::Otlp => "otlp",
        }
    }

    pub(super) fn takes_dsn(self) -> bool {
        self != Self::Console
    }

    /// The cargo feature that is missing for it.
    pub(super) fn missing_feature(self) -> Option<&'static str> {
        let (feature, is_there) = match self {
            Self::Console | Self::Json => return None,
            Self::IntervalLog => ("interval-log", cfg!(feature = "interval-log")),
            Self::Sentry => ("sentry", cfg!(feature = "sentry")),
            Self::Datadog => ("datadog", cfg!(feature = "datadog")),
            Self::DogStatsd => ("dogstatsd", cfg!(feature = "dogstatsd")),
            Self::Statsd => ("statsd", cfg!(feature = "statsd")),
            Self::Otlp => ("otlp", cfg!(feature = "otlp")),
        };
        (!is_there).then_some(feature)
    }

    pub(super) fn find(name: &str) -> Result<Self, Unusable> {
        if let Some(provider) = Self::ALL.into_iter().find(|provider| provider.name() == name) {
            return match provider.missing_feature() {
                Some(feature) => Err(Unusable::NotCompiled { name: provider.name(), feature }),
                None => Ok(provider),
            };
        }
        Err(Unusable::Unknown { nearest: nearest(name, Self::ALL.map(Self::name)) })
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
