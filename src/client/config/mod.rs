//! What a client is told: pure data, from JSON, the environment and the program.
//!
//! A source sets some of the keys; sources are laid one over the other, and the result is checked.
//! `json` and `environment` read, by the rules of `reader`; `checked` holds what they amount to.
#![forbid(unsafe_code)]

mod checked;
mod environment;
mod error;
mod interval;
mod json;
mod key;
mod nearest;
mod provider;
mod reader;
mod secret;

pub(super) use checked::{DEFAULT_FLUSH_INTERVAL, DEFAULT_SAMPLE_RATE, DEFAULT_TRACES_RATE};
pub(super) use interval::{LONGEST_INTERVAL, SHORTEST_INTERVAL};

pub use checked::CheckedConfig;
pub use error::{ConfigError, ConfigSource};
pub use provider::Provider;
pub use secret::Secret;

use std::path::Path;
use std::time::Duration;

/// How metrics are delivered, in part or in whole: what is not set is left to other sources, and
/// in the end to the defaults.
///
/// | key | value | default |
/// |---|---|---|
/// | `observability_enabled` | whether anything is delivered | `true` |
/// | `observability_provider` | [names](Provider), with commas or as an array | `"console"` |
/// | `observability_dsn` | where to deliver; for several providers an object | none |
/// | `observability_flush_interval` | `"500ms"`, `"1m 30s"`: from 1 ms to a century | `"30s"` |
/// | `observability_sample_rate` | share of errors that is captured, 0.0 to 1.0 | 1.0 |
/// | `observability_traces_rate` | share of traces that is kept, 0.0 to 1.0 | 0.0 |
///
/// The environment variables are the same in upper case.
///
/// ```
/// use quipu::{Config, Provider};
/// use std::time::Duration;
///
/// let file = Config::from_json(
///     r#"{"observability_provider": "json", "observability_dsn": "file:///var/log/quipu.jsonl"}"#,
/// )?;
/// let program = Config::new().flush_interval(Duration::from_secs(5));
/// let config = file.overridden_by(Config::from_env()?).overridden_by(program).check()?;
/// assert_eq!(config.providers(), [Provider::Json]);
/// assert_eq!(config.flush_interval(), Duration::from_secs(5));
/// # Ok::<(), quipu::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a configuration has no effect by itself"]
pub struct Config {
    enabled: Option<bool>,
    /// Empty if unset.
    providers: Vec<Provider>,
    /// What `providers` of sources below said.
    replaced_providers: Vec<Provider>,
    dsn: Option<(Secret, ConfigSource)>,
    dsns: Vec<ProviderDsn>,
    flush_interval: Option<Duration>,
    sample_rate: Option<f64>,
    traces_rate: Option<f64>,
}

#[derive(Clone, Debug)]
struct ProviderDsn {
    provider: Provider,
    secret: Secret,
    source: ConfigSource,
}

impl Config {
    /// Nothing is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a JSON object sets.
    ///
    /// # Errors
    ///
    /// If it is not JSON, or has a key or a value that it must not have. Whether the DSNs fit the
    /// providers is left to [`check`](Self::check), since another source may name the providers.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        json::read(text, ConfigSource::JsonText)
    }

    /// What a file with a JSON object sets.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, and those of [`from_json`](Self::from_json).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref().to_owned();
        match std::fs::read_to_string(&path) {
            Ok(text) => json::read(&text, ConfigSource::File(path)),
            Err(error) => Err(ConfigError::UnreadableFile { path, error }),
        }
    }

    /// What the environment's variables set. An empty one counts as unset.
    ///
    /// # Errors
    ///
    /// If a value is not Unicode or must not be, or if another variable begins with
    /// `OBSERVABILITY_`; those that Kubernetes makes for services are ignored.
    pub fn from_env() -> Result<Self, ConfigError> {
        environment::read(std::env::vars_os())
    }

    /// Lays `other` over this configuration: each key that `other` sets wins.
    ///
    /// Providers are replaced in whole. A DSN without a provider replaces all DSNs; one of a
    /// provider replaces that provider's.
    pub fn overridden_by(mut self, other: Self) -> Self {
        if !other.providers.is_empty() {
            self.replaced_providers.append(&mut self.providers);
            self.providers = other.providers;
        }
        self.replaced_providers.extend(other.replaced_providers);
        if other.dsn.is_some() {
            self.dsn = other.dsn;
            self.dsns.clear();
        }
        for dsn in other.dsns {
            self.add_dsn(dsn.provider, dsn.secret, dsn.source);
        }
        self.enabled = other.enabled.or(self.enabled);
        self.flush_interval = other.flush_interval.or(self.flush_interval);
        self.sample_rate = other.sample_rate.or(self.sample_rate);
        self.traces_rate = other.traces_rate.or(self.traces_rate);
        self
    }

    /// Fills in the defaults.
    ///
    /// # Errors
    ///
    /// If the program set a value out of range or a provider that was not compiled in; or if a DSN
    /// is for a provider that no source has configured, or that takes none, or for several.
    pub fn check(&self) -> Result<CheckedConfig, ConfigError> {
        checked::check(self)
    }

    /// Whether anything is to be delivered.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = Some(enabled);
        self
    }

    /// Adds a provider; the first one takes the place of the default.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.add_provider(provider);
        self
    }

    /// The DSN of the one provider that takes one and has none of its own.
    pub fn dsn(mut self, dsn: impl Into<Secret>) -> Self {
        self.dsn = Some((dsn.into(), ConfigSource::Program));
        self
    }

    /// The DSN of a provider.
    pub fn dsn_of(mut self, provider: Provider, dsn: impl Into<Secret>) -> Self {
        self.add_dsn(provider, dsn.into(), ConfigSource::Program);
        self
    }

    /// The time between two deliveries; from 1 millisecond to a century.
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = Some(interval);
        self
    }

    /// The share of errors that is captured, from 0.0 to 1.0.
    pub fn sample_rate(mut self, share: f64) -> Self {
        self.sample_rate = Some(share);
        self
    }

    /// The share of traces that is kept, from 0.0 to 1.0.
    pub fn traces_rate(mut self, share: f64) -> Self {
        self.traces_rate = Some(share);
        self
    }

    fn add_provider(&mut self, provider: Provider) {
        if !self.providers.contains(&provider) {
            self.providers.push(provider);
        }
    }

    fn add_dsn(&mut self, provider: Provider, secret: Secret, source: ConfigSource) {
        self.dsns.retain(|dsn| dsn.provider != provider);
        self.dsns.push(ProviderDsn { provider, secret, source });
    }
}
