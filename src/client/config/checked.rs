//! A configuration in which nothing is missing or contradictory.
#![forbid(unsafe_code)]

use super::Config;
use super::error::{ConfigError, ConfigSource};
use super::interval;
use super::key::Key;
use super::provider::Provider;
use super::reader::is_rate;
use super::secret::Secret;
use std::time::Duration;

const DEFAULT_PROVIDER: Provider = Provider::Console;
pub(in crate::client) const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_secs(30);
pub(in crate::client) const DEFAULT_SAMPLE_RATE: f64 = 1.0;
pub(in crate::client) const DEFAULT_TRACES_RATE: f64 = 0.0;

/// A [`Config`] that was checked; made by [`Config::check`]. What was not set is as by default.
#[derive(Clone, Debug)]
pub struct CheckedConfig {
    is_enabled: bool,
    providers: Vec<Provider>,
    dsns: Vec<(Provider, Secret)>,
    flush_interval: Duration,
    sample_rate: f64,
    traces_rate: f64,
}

impl CheckedConfig {
    /// Whether anything is to be delivered; by default it is.
    pub fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    /// Where to deliver to: at least one provider, each once; by default the console.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The DSN of a provider: its own, or the one that was given without a provider if no other
    /// could take it.
    pub fn dsn(&self, provider: Provider) -> Option<&Secret> {
        self.dsns.iter().find(|(of, _)| *of == provider).map(|(_, dsn)| dsn)
    }

    /// The time between two deliveries, from 1 millisecond to a century; 30 seconds by default.
    pub fn flush_interval(&self) -> Duration {
        self.flush_interval
    }

    /// The share of errors that is captured, from 0.0 to 1.0; 1.0 by default.
    pub fn sample_rate(&self) -> f64 {
        self.sample_rate
    }

    /// The share of captured traces that is delivered, from 0.0 to 1.0; 0.0 by default.
    pub fn traces_rate(&self) -> f64 {
        self.traces_rate
    }
}

pub(super) fn check(config: &Config) -> Result<CheckedConfig, ConfigError> {
    // What was read was judged then: a value out of range here is the program's.
    let source = ConfigSource::Program;
    if let Some(interval) =
        config.flush_interval.filter(|&interval| !interval::is_in_range(interval))
    {
        let value = format!("{interval:?}");
        return Err(ConfigError::InvalidDuration { source, key: Key::FlushInterval.name(), value });
    }
    let rates = [(Key::SampleRate, config.sample_rate), (Key::TracesRate, config.traces_rate)];
    for (key, rate) in rates {
        if let Some(rate) = rate.filter(|&rate| !is_rate(rate)) {
            // `Display` would write out 300 zeros.
            let value = format!("{rate:?}");
            return Err(ConfigError::RateOutOfRange { source, key: key.name(), value });
        }
    }
    for provider in &config.providers {
        if let Some(feature) = provider.missing_feature() {
            let (key, provider) = (Key::Provider.name(), provider.name());
            return Err(ConfigError::ProviderNotCompiled { source, key, provider, feature });
        }
    }
    let default = [DEFAULT_PROVIDER];
    let providers = if config.providers.is_empty() { &default } else { &*config.providers };
    Ok(CheckedConfig {
        is_enabled: config.enabled.unwrap_or(true),
        providers: providers.to_vec(),
        dsns: dsns(config, providers)?,
        flush_interval: config.flush_interval.unwrap_or(DEFAULT_FLUSH_INTERVAL),
        sample_rate: config.sample_rate.unwrap_or(DEFAULT_SAMPLE_RATE),
        traces_rate: config.traces_rate.unwrap_or(DEFAULT_TRACES_RATE),
    })
}

/// The DSN of each of `providers` that has one.
fn dsns(config: &Config, providers: &[Provider]) -> Result<Vec<(Provider, Secret)>, ConfigError> {
    // A provider that another source has replaced may keep its DSN.
    let was_configured = |provider: &Provider| {
        providers.contains(provider) || config.replaced_providers.contains(provider)
    };
    let mut dsns = Vec::new();
    for dsn in &config.dsns {
        let (source, provider) = (dsn.source.clone(), dsn.provider);
        let key = source.key(Key::Dsn);
        if !provider.takes_dsn() {
            return Err(ConfigError::DsnNotTaken { source, key, provider });
        }
        if !was_configured(&provider) {
            let (provider, configured) = (Some(provider), providers.to_vec());
            return Err(ConfigError::DsnWithoutProvider { source, key, provider, configured });
        }
        if providers.contains(&provider) {
            dsns.push((provider, dsn.secret.clone()));
        }
    }
    let Some((secret, source)) = config.dsn.clone() else { return Ok(dsns) };
    let key = source.key(Key::Dsn);
    if !providers.iter().chain(&config.replaced_providers).any(|provider| provider.takes_dsn()) {
        let (provider, configured) = (None, providers.to_vec());
        return Err(ConfigError::DsnWithoutProvider { source, key, provider, configured });
    }
    let has_own = |provider: &Provider| dsns.iter().any(|(of, _)| of == provider);
    let takers = providers.iter().filter(|provider| provider.takes_dsn() && !has_own(provider));
    let takers: Vec<Provider> = takers.copied().collect();
    // Sent to all of them, the key of one would be told to another.
    if takers.len() > 1 {
        return Err(ConfigError::AmbiguousDsn { source, key, providers: takers });
    }
    dsns.extend(takers.into_iter().map(|provider| (provider, secret.clone())));
    Ok(dsns)
}
