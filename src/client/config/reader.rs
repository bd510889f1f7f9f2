//! What reading a value has in common for all sources: the rules, and errors without secrets.
//!
//! A message shows a value only if it cannot be a credential that was put into the wrong place: it
//! has nothing in common with the document's DSNs, and does not look like a URL, an address or a
//! key.
#![forbid(unsafe_code)]

use super::error::{ConfigError, ConfigSource};
use super::interval;
use super::key::{Key, nearest_key};
use super::provider::{Provider, Unusable};
use super::secret::HIDDEN;
use crate::series::excerpt;
use std::str::FromStr;
use std::time::Duration;

/// Shorter texts are found in any other.
const SHORTEST_SECRET: usize = 4;

/// The shortest run of letters and digits that is taken for a key.
const SHORTEST_RUN: usize = 16;

/// Reads values of one source.
pub(super) struct Reader {
    pub(super) source: ConfigSource,
    secrets: Vec<String>,
}

impl Reader {
    pub(super) fn new(source: ConfigSource) -> Self {
        Self { source, secrets: Vec::new() }
    }

    /// Keeps a text out of messages, wherever else it stands.
    pub(super) fn hide(&mut self, secret: String) {
        self.secrets.push(secret);
    }

    /// A text for a message: quoted, escaped and of moderate length, or `[secret]`.
    pub(super) fn shown(&self, text: &str) -> String {
        if is_like_a_key(text) || self.shares_with_secret(text) {
            return HIDDEN.to_owned();
        }
        format!("{:?}", excerpt(text))
    }

    /// As [`shown`](Self::shown), of what is known to be a number.
    pub(super) fn shown_number(&self, number: &str) -> String {
        if self.shares_with_secret(number) { HIDDEN.to_owned() } else { excerpt(number) }
    }

    fn shares_with_secret(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| {
            secret.len() >= SHORTEST_SECRET && text.contains(&**secret)
                || text.len() >= SHORTEST_SECRET && secret.contains(text)
        })
    }

    pub(super) fn interval(&self, text: &str) -> Result<Duration, ConfigError> {
        interval::parse(text).ok_or_else(|| ConfigError::InvalidDuration {
            source: self.source.clone(),
            key: self.source.key(Key::FlushInterval),
            value: self.shown(text),
        })
    }

    /// The rate that `number`, a number as text, says.
    pub(super) fn rate(&self, key: Key, number: &str) -> Result<f64, ConfigError> {
        match number.parse() {
            Ok(rate) if is_rate(rate) => Ok(rate),
            _ => Err(ConfigError::RateOutOfRange {
                source: self.source.clone(),
                key: self.source.key(key),
                value: self.shown_number(number),
            }),
        }
    }

    pub(super) fn provider(&self, name: &str) -> Result<Provider, ConfigError> {
        let key = Key::Provider;
        Provider::find(name).map_err(|unusable| self.unusable(key, self.shown(name), unusable))
    }

    /// The provider that a DSN is for. The name may be the DSN, by mistake: it is not shown.
    pub(super) fn provider_of_dsn(&self, name: &str) -> Result<Provider, ConfigError> {
        let key = Key::Dsn;
        Provider::find(name).map_err(|unusable| self.unusable(key, HIDDEN.to_owned(), unusable))
    }

    fn unusable(&self, key: Key, value: String, unusable: Unusable) -> ConfigError {
        let (source, key) = (self.source.clone(), self.source.key(key));
        match unusable {
            Unusable::Unknown { nearest } => {
                ConfigError::UnknownProvider { source, key, value, nearest }
            }
            Unusable::NotCompiled { name, feature } => {
                ConfigError::ProviderNotCompiled { source, key, provider: name, feature }
            }
        }
    }

    pub(super) fn unknown_key(&self, name: &str) -> ConfigError {
        ConfigError::UnknownKey {
            source: self.source.clone(),
            key: self.shown(name),
            nearest: nearest_key(name, self.source.keys()),
        }
    }

    pub(super) fn duplicate_key(&self, key: String) -> ConfigError {
        ConfigError::DuplicateKey { source: self.source.clone(), key }
    }

    /// `value` is as messages show it.
    pub(super) fn wrong_type(&self, key: Key, value: String, fault: &'static str) -> ConfigError {
        let is_environment = self.source == ConfigSource::Environment;
        let allowed = match key {
            Key::Enabled if is_environment => "true or false, 1 or 0",
            Key::Enabled => "true or false, without quotes",
            Key::Provider => {
                "the name of a provider like \"console\", several separated by commas, or an array \
                 of names"
            }
            Key::Dsn => "a string, or an object of providers and their DSNs, which are strings",
            Key::FlushInterval => "a string of a number and its unit, like \"5s\"",
            Key::SampleRate | Key::TracesRate if is_environment => "a number from 0.0 to 1.0",
            Key::SampleRate | Key::TracesRate => "a number from 0.0 to 1.0, without quotes",
        };
        let (source, key) = (self.source.clone(), self.source.key(key));
        ConfigError::WrongType { source, key, value, fault, allowed }
    }
}

pub(super) fn is_rate(rate: f64) -> bool {
    (0.0..=1.0).contains(&rate)
}

/// The names in a list with commas.
pub(super) fn split_names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// Whether it may be a URL, an address or a key: a long run of letters and digits, both of them.
fn is_like_a_key(text: &str) -> bool {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_key = |run: &str| {
        run.len() >= SHORTEST_RUN
            && run.contains(|c: char| c.is_ascii_digit())
            && run.contains(|c: char| c.is_ascii_alphabetic())
    };
    text.contains("://") || text.contains('@') || text.split(|c| !is_inside(c)).any(is_key)
}

impl FromStr for Provider {
    type Err = ConfigError;

    /// The provider of that name.
    ///
    /// # Errors
    ///
    /// If there is none, if this version has none, or if its cargo feature is off.
    fn from_str(name: &str) -> Result<Self, ConfigError> {
        Reader::new(ConfigSource::Program).provider(name)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_credential_is_not_shown() {
        let mut reader = Reader::new(ConfigSource::JsonText);
        reader.hide("udp://hunter2@host:8125".into());
        for text in [
            "https://key@example.org/1",
            "key@example.org",
            "x 0123456789abcdef y",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
            "a hunter2@host of udp://hunter2@host:8125",
            "hunter2",
            "8125",
        ] {
            assert_eq!(reader.shown(text), "[secret]", "{text}");
        }
        assert_eq!(reader.shown_number("8125"), "[secret]");
    }

    #[test]
    fn what_cannot_be_one_is_shown_escaped_and_short() {
        let mut reader = Reader::new(ConfigSource::JsonText);
        reader.hide("udp://hunter2@host:8125".into());
        reader.hide("a".into());
        assert_eq!(reader.shown("a\n\"\u{1b}"), r#""a\n\"\u{1b}""#);
        assert_eq!(reader.shown("udp"), "\"udp\"");
        assert_eq!(reader.shown("observability_flush_interval_of_s3"), HIDDEN);
        assert_eq!(
            reader.shown("observability_flush_interval"),
            "\"observability_flush_interval\""
        );
        assert!(reader.shown(&"x".repeat(1 << 20)).len() < 100);
        assert_eq!(reader.shown_number("1.7976931348623157e308"), "1.7976931348623157e308");
    }
}
