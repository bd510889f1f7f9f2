//! Why a configuration was refused.
#![forbid(unsafe_code)]

use super::key::Key;
use super::provider::{Provider, listed};
use super::secret::HIDDEN;
use crate::series::excerpt;
use std::fmt;
use std::path::PathBuf;

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigSource {
    /// A file, read by [`Config::from_file`](super::Config::from_file).
    File(PathBuf),
    /// A text, read by [`Config::from_json`](super::Config::from_json).
    JsonText,
    /// The environment, read by [`Config::from_env`](super::Config::from_env).
    Environment,
    /// The program, by a method of [`Config`](super::Config).
    Program,
}

/// Why a configuration was refused. Each message says where, what, and what to do about it; none
/// contains a DSN, or another text that may be a credential: `[secret]` stands for these.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read. Correct its path or its permissions.
    UnreadableFile {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The text is not JSON. Correct it at the place that is named.
    InvalidJson {
        /// Where it was found.
        source: ConfigSource,
        /// The line, from 1.
        line: usize,
        /// The byte in that line, from 1.
        column: usize,
        /// What is wrong there.
        fault: &'static str,
    },
    /// The JSON is another value than an object. Write the keys and values in braces.
    NotAnObject {
        /// Where it was found.
        source: ConfigSource,
        /// What it is instead.
        found: &'static str,
    },
    /// There is no such key. Correct or remove it.
    UnknownKey {
        /// Where it was found.
        source: ConfigSource,
        /// The key, as messages show it.
        key: String,
        /// The key that may have been meant.
        nearest: Option<&'static str>,
    },
    /// A key stands twice in one object. Remove one.
    DuplicateKey {
        /// Where it was found.
        source: ConfigSource,
        /// The key; behind a dot that of an object inside.
        key: String,
    },
    /// The value is of another type. Write one of the type that is named.
    WrongType {
        /// Where it was found.
        source: ConfigSource,
        /// The key.
        key: &'static str,
        /// The value, as messages show it.
        value: String,
        /// What is wrong with it.
        fault: &'static str,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The interval is no duration, shorter than a millisecond, or longer than a century.
    InvalidDuration {
        /// Where it was found.
        source: ConfigSource,
        /// The key.
        key: &'static str,
        /// The value, as messages show it.
        value: String,
    },
    /// A rate is not a number from 0.0 to 1.0.
    RateOutOfRange {
        /// Where it was found.
        source: ConfigSource,
        /// The key.
        key: &'static str,
        /// The value, as messages show it.
        value: String,
    },
    /// No provider has that name. Use one of those that the message lists.
    UnknownProvider {
        /// Where it was found.
        source: ConfigSource,
        /// The key.
        key: &'static str,
        /// The name, as messages show it.
        value: String,
        /// The name that may have been meant.
        nearest: Option<&'static str>,
    },
    /// The provider was not compiled in. Enable the cargo feature.
    ProviderNotCompiled {
        /// Where it was found.
        source: ConfigSource,
        /// The key.
        key: &'static str,
        /// The provider's name.
        provider: &'static str,
        /// The feature of the crate quipu.
        feature: &'static str,
    },
    /// A DSN is for a provider that is not configured. Configure it or remove the DSN.
    DsnWithoutProvider {
        /// Where the DSN was found.
        source: ConfigSource,
        /// The key.
        key: &'static str,
        /// The provider that it is for; `None` if it was given for none by name, and no configured
        /// provider takes one.
        provider: Option<Provider>,
        /// The providers that are configured.
        configured: Vec<Provider>,
    },
    /// A DSN is for a provider that takes none. Remove it.
    DsnNotTaken {
        /// Where the DSN was found.
        source: ConfigSource,
        /// The key.
        key: &'static str,
        /// The provider.
        provider: Provider,
    },
    /// A DSN is not one of the provider's, or the provider needs one and has none. Write one of the
    /// form that is named.
    UnusableDsn {
        /// The provider.
        provider: Provider,
        /// Whether there is none.
        is_missing: bool,
        /// What it may be.
        allowed: &'static str,
    },
    /// Several providers could take the DSN. Say which one it is for.
    AmbiguousDsn {
        /// Where the DSN was found.
        source: ConfigSource,
        /// The key.
        key: &'static str,
        /// The providers.
        providers: Vec<Provider>,
    },
    /// An environment variable is not Unicode. Correct or unset it.
    NotUnicode {
        /// The variable.
        key: &'static str,
    },
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {:?}", excerpt(&path.to_string_lossy())),
            Self::JsonText => f.write_str("the JSON text"),
            Self::Environment => f.write_str("the environment"),
            Self::Program => f.write_str("the program"),
        }
    }
}

impl ConfigSource {
    /// The name of a key there.
    pub(super) fn key(&self, key: Key) -> &'static str {
        if *self == Self::Environment { key.variable() } else { key.name() }
    }

    pub(super) fn keys(&self) -> [&'static str; 6] {
        Key::ALL.map(|key| self.key(key))
    }
}

/// A proposal, if there is one.
struct Meant(Option<&'static str>);

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nearest) => write!(f, "; {nearest} may have been meant"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadableFile { path, error } => write!(
                f,
                "the file {:?} cannot be read: {error}; correct its path, permissions or encoding",
                excerpt(&path.to_string_lossy())
            ),
            Self::InvalidJson { source, line, column, fault } => write!(
                f,
                "{source} is not valid JSON: {fault} at line {line}, column {column}; correct it \
                 there"
            ),
            Self::NotAnObject { source, found } => write!(
                f,
                "{source} holds {found} where an object is needed; write it like \
                 {{\"observability_enabled\": true}}"
            ),
            Self::UnknownKey { source, key, nearest } => write!(
                f,
                "in {source}: {key} is not a key{}; correct or remove it; the keys are {}",
                Meant(*nearest),
                source.keys().join(", ")
            ),
            Self::DuplicateKey { source, key } => {
                write!(f, "in {source}: {key} stands twice in one object; remove one of the two")
            }
            Self::WrongType { source, key, value, fault, allowed } => {
                write!(f, "in {source}: {key} is {value}, which is {fault}; write {allowed}")
            }
            Self::InvalidDuration { source, key, value } => write!(
                f,
                "in {source}: {key} is {value}, which is no duration from 1 ms to a century; write \
                 a number with its unit, like \"5s\", \"500ms\" or \"1m 30s\""
            ),
            Self::RateOutOfRange { source, key, value } => {
                write!(f, "in {source}: {key} is {value}; write a number from 0.0 to 1.0")
            }
            Self::UnknownProvider { source, key, value, nearest } => write!(
                f,
                "in {source}: {key} names {value}, which is no provider{}; use one or several of \
                 {}",
                Meant(*nearest),
                Provider::usable()
            ),
            Self::ProviderNotCompiled { source, key, provider, feature } => write!(
                f,
                "in {source}: {key} names \"{provider}\", which was not compiled in; enable the \
                 feature `{feature}` of quipu, or use one or several of {}",
                Provider::usable()
            ),
            Self::DsnWithoutProvider { source, key, provider: Some(provider), configured } => {
                write!(
                    f,
                    "in {source}: {key} is {HIDDEN} for the provider {provider}, but the providers \
                     are {}; add {provider} to {}, or remove its DSN",
                    listed(configured),
                    source.key(Key::Provider)
                )
            }
            Self::DsnWithoutProvider { source, key, provider: None, configured } => write!(
                f,
                "in {source}: {key} is {HIDDEN}, but the providers are {}, which take no DSN; name \
                 the provider that it is for in {}, or remove it",
                listed(configured),
                source.key(Key::Provider)
            ),
            Self::DsnNotTaken { source, key, provider } => write!(
                f,
                "in {source}: {key} is {HIDDEN} for the provider {provider}, which takes no DSN; \
                 remove it"
            ),
            Self::UnusableDsn { provider, is_missing, allowed } => {
                let key = Key::Dsn.name();
                match is_missing {
                    true => write!(f, "{key} is missing for the provider {provider}; ")?,
                    false => write!(f, "{key} is {HIDDEN}, which is none of {provider}; ")?,
                }
                write!(f, "write {allowed}")
            }
            Self::AmbiguousDsn { source, key, providers } => write!(
                f,
                "in {source}: {key} is {HIDDEN}, one DSN where the providers {} could take it; in \
                 JSON write an object of providers and their DSNs, in the program use dsn_of",
                listed(providers)
            ),
            Self::NotUnicode { key } => write!(
                f,
                "in the environment: {key} is not Unicode; write it in UTF-8, or unset it"
            ),
        }
    }
}

impl std::error::Error for ConfigError {}
