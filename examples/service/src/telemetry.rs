//! Where the metrics go: what a file says, or else a table every five seconds, and over either of
//! them what the environment says.

use crate::backend::Backend;
use quipu::{Client, Config, ConfigError};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// How long a delivery may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// In place of a file.
const DEFAULT: &str = include_str!("../development.json");

/// What is to be delivered.
pub struct Plan {
    config: Config,
    /// The environment's fault, which is told when the client is started.
    environment: Option<ConfigError>,
}

/// What delivers the metrics, and a line about it.
pub struct Telemetry {
    pub client: Client,
    pub summary: String,
}

impl Plan {
    /// Reads the file that the command line names, and the environment.
    ///
    /// A file that somebody has just named and that cannot be used is a wrong option, to be told at
    /// once. What else can be wrong is found where nobody watches, in the environment and on the
    /// disk: the service runs on then, and logs it.
    pub fn read(file: Option<&Path>) -> Result<Self, ConfigError> {
        let base = match file {
            Some(file) => Config::from_file(file)?,
            None => Config::from_json(DEFAULT)?,
        };
        let (config, environment) = match Config::from_env() {
            Ok(environment) => (base.overridden_by(environment), None),
            Err(error) => (base, Some(error)),
        };
        if file.is_some() {
            config.check()?;
        }
        Ok(Self { config, environment })
    }

    /// Starts the client, or logs why it cannot and returns one that does nothing. What it delivers
    /// goes to `backend` as well.
    pub fn start(self, backend: Option<SocketAddr>) -> Telemetry {
        let builder = match self.environment {
            None => Client::builder().config(&self.config),
            // Fails as it did before, and is logged where all else is that keeps it from starting.
            Some(_) => Client::builder().config_env(),
        };
        let builder = match backend {
            None => builder,
            Some(address) => builder.exporter(Backend::at(address)),
        };
        let client = builder.attempt_timeout(ATTEMPT_TIMEOUT).start_or_disabled();
        let summary = match self.config.check() {
            Ok(config) if client.is_enabled() => {
                let names = config.providers().iter().map(ToString::to_string);
                let names = names.collect::<Vec<_>>().join(", ");
                format!("to {names}, every {:?}", config.flush_interval())
            }
            _ => format!("go nowhere: {}", client.health()),
        };
        client.capture_panics();
        Telemetry { client, summary }
    }
}
