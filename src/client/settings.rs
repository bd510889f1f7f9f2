//! What a client is started with, and why that may fail.
#![forbid(unsafe_code)]

use super::clock::Clock;
use super::config::ConfigError;
use super::exporter::Exporter;
use super::flusher::Source;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What a client is started with.
pub(super) struct Settings {
    pub(super) registry: Source,
    pub(super) exporters: Vec<Box<dyn Exporter>>,
    pub(super) clock: Clock,
    pub(super) interval: Duration,
    pub(super) sample_rate: f64,
    pub(super) traces_rate: f64,
    pub(super) attempt_timeout: Duration,
    pub(super) backoff: RangeInclusive<Duration>,
}

/// Why a client could not be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used; the error names the key and the remedy.
    Config(ConfigError),
    /// An exporter could not be set up. The remedy depends on the error: create the folder, allow
    /// the access, choose another path.
    Exporter {
        /// Which one.
        name: String,
        /// Why.
        error: std::io::Error,
    },
    /// The system refused another thread. Raise the limit on threads or memory.
    Thread {
        /// What the thread was for.
        name: String,
        /// The system's error.
        error: std::io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Exporter { name, error } => {
                write!(f, "the exporter {name} cannot be set up: {error}")
            }
            Self::Thread { name, error } => write!(
                f,
                "the system refuses a thread for {name}: {error}; raise the limit on threads or \
                 memory"
            ),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Exporter { error, .. } | Self::Thread { error, .. } => Some(error),
        }
    }
}
