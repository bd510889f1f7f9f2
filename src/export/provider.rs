//! From a configuration to a client: which exporters it names, and where they write to.
#![forbid(unsafe_code)]

#[cfg(all(feature = "sentry", not(loom)))]
use super::sentry::{DSN_FORM, Sentry};
use super::{Console, JsonLines};
use crate::client::{
    ClientBuilder, Config, ConfigError, Configured, Exporter, Provider, Secret, StartError,
};
use std::io;
use std::path::{Path, PathBuf};

const STDOUT: &str = "stdout";
const FILE_SCHEME: &str = "file://";
const FILE: &str = "a file as file:///var/log/quipu.log, or its absolute path";
#[cfg(feature = "dogstatsd")]
const AGENT: &str = "udp://host:port, unix:///path, unixgram:///path or unixstream:///path, or leave \
                     it to DD_DOGSTATSD_URL, DD_AGENT_HOST and DD_DOGSTATSD_PORT";
#[cfg(feature = "statsd")]
const STATSD: &str = "udp://host:port";
#[cfg(feature = "statsd")]
const STATSD_URL: &str = "udp://127.0.0.1:8125";
#[cfg(all(feature = "datadog", not(loom)))]
const DATADOG: &str = "an API key, of letters and digits, or https://KEY@api.datadoghq.eu for another \
                       site, or leave it to DD_API_KEY and DD_SITE";
#[cfg(all(feature = "otlp", not(loom)))]
const COLLECTOR: &str = "the address of a collector as http://127.0.0.1:4318";
const STDOUT_OR_FILE: &str =
    "stdout, or a file as file:///var/log/quipu.jsonl, or its absolute path";

impl ClientBuilder {
    /// Takes over what a configuration says: whether anything is delivered, where to, how often.
    ///
    /// It replaces an earlier configuration; exporters that were added by
    /// [`exporter`](Self::exporter) stay. Files are opened here, and [`start`](Self::start) fails if
    /// something cannot be used.
    ///
    /// | provider | exporter | DSN |
    /// |---|---|---|
    /// | `console` | [`Console`], to the standard output | none |
    /// | `json` | [`JsonLines`] | none or `stdout`, or a file: `file:///var/log/quipu.jsonl`, or its absolute path |
    /// | `interval_log` | [`IntervalLog`](crate::IntervalLog) | a file, as above |
    /// | `sentry` | [`Sentry`](crate::Sentry) | Sentry's, as `https://KEY@o1.ingest.sentry.io/42`; `SENTRY_DSN` without |
    /// | `datadog` | [`Datadog`](crate::Datadog) | an API key, or `https://KEY@api.datadoghq.eu`; none for `DD_API_KEY` and `DD_SITE` |
    /// | `dogstatsd` | [`DogStatsd`](crate::DogStatsd) | `udp://127.0.0.1:8125`, `unix:///path`, `unixgram:///path` or `unixstream:///path`; none for `DD_DOGSTATSD_URL` or `DD_AGENT_HOST` |
    /// | `statsd` | [`Statsd`](crate::Statsd) | `udp://127.0.0.1:8125`, which is the default |
    /// | `otlp` | [`Otlp`](crate::Otlp), as its [`from_env`](crate::Otlp::from_env) says | none, or an endpoint that replaces that of the environment: `http://127.0.0.1:4318` |
    pub fn config(self, config: &Config) -> Self {
        match configured(config) {
            Ok(configured) => self.configured(configured),
            Err(error) => self.failed(error),
        }
    }

    /// Takes over what a JSON file says, and over it what the environment does; see
    /// [`Config::from_file`] and [`Config::from_env`].
    ///
    /// ```no_run
    /// let client = quipu::Client::builder().config_file("observability.json").start_or_disabled();
    /// ```
    pub fn config_file(self, path: impl AsRef<Path>) -> Self {
        let file = Config::from_file(path);
        match file.and_then(|file| Ok(file.overridden_by(Config::from_env()?))) {
            Ok(config) => self.config(&config),
            Err(error) => self.failed(StartError::Config(error)),
        }
    }

    /// Takes over what the environment says; see [`Config::from_env`].
    pub fn config_env(self) -> Self {
        match Config::from_env() {
            Ok(config) => self.config(&config),
            Err(error) => self.failed(StartError::Config(error)),
        }
    }
}

fn configured(config: &Config) -> Result<Configured, StartError> {
    let config = config.check().map_err(StartError::Config)?;
    let mut exporters = Vec::new();
    // What is disabled opens no files.
    for &provider in config.providers().iter().filter(|_| config.is_enabled()) {
        exporters.push(exporter(provider, config.dsn(provider))?);
    }
    Ok(Configured {
        is_enabled: config.is_enabled(),
        interval: config.flush_interval(),
        sample_rate: config.sample_rate(),
        traces_rate: config.traces_rate(),
        exporters,
        error: None,
    })
}

fn exporter(provider: Provider, dsn: Option<&Secret>) -> Result<Box<dyn Exporter>, StartError> {
    let unusable = |allowed| {
        let is_missing = dsn.is_none();
        StartError::Config(ConfigError::UnusableDsn { provider, is_missing, allowed })
    };
    let opened = |error: io::Error| StartError::Exporter { name: provider.to_string(), error };
    let dsn = dsn.map(Secret::expose);
    Ok(match provider {
        Provider::Console => Box::new(Console::stdout()),
        Provider::Json => match dsn {
            None | Some(STDOUT) => Box::new(JsonLines::stdout()),
            Some(dsn) => {
                let path = path(dsn).ok_or_else(|| unusable(STDOUT_OR_FILE))?;
                Box::new(JsonLines::file(path).map_err(opened)?)
            }
        },
        #[cfg(feature = "interval-log")]
        Provider::IntervalLog => {
            let path = dsn.and_then(path).ok_or_else(|| unusable(FILE))?;
            Box::new(super::IntervalLog::file(path).map_err(opened)?)
        }
        #[cfg(all(feature = "sentry", not(loom)))]
        Provider::Sentry => {
            let sentry = dsn.map_or_else(Sentry::from_env, Sentry::new);
            Box::new(sentry.map_err(|_| unusable(DSN_FORM))?)
        }
        #[cfg(feature = "dogstatsd")]
        Provider::DogStatsd => {
            let exporter = match dsn {
                Some(url) => super::DogStatsd::url(url),
                None => super::DogStatsd::from_env(),
            };
            Box::new(exporter.map_err(|_| unusable(AGENT))?)
        }
        #[cfg(feature = "statsd")]
        Provider::Statsd => {
            let exporter = super::Statsd::url(dsn.unwrap_or(STATSD_URL));
            Box::new(exporter.map_err(|_| unusable(STATSD))?)
        }
        #[cfg(all(feature = "datadog", not(loom)))]
        Provider::Datadog => {
            let exporter = match dsn {
                Some(dsn) => super::Datadog::dsn(dsn),
                None => super::Datadog::from_env(),
            };
            Box::new(exporter.map_err(|_| unusable(DATADOG))?)
        }
        #[cfg(all(feature = "otlp", not(loom)))]
        Provider::Otlp => match super::Otlp::from_env_at(dsn) {
            Ok(otlp) => Box::new(otlp),
            Err(super::OtlpError::InvalidEndpoint { variable: None, .. }) => {
                return Err(unusable(COLLECTOR));
            }
            Err(error) => return Err(opened(io::Error::new(io::ErrorKind::InvalidInput, error))),
        },
        #[allow(unreachable_patterns, reason = "with all features there are no others")]
        // What is not compiled in does not pass the check.
        _ => return Err(unusable(FILE)),
    })
}

/// The path that a DSN is, if it clearly is one: it will be named in errors, and a key that was meant
/// for another provider must not. What begins with two slashes may be a URL without its scheme.
fn path(dsn: &str) -> Option<PathBuf> {
    let path = match dsn.strip_prefix(FILE_SCHEME) {
        // A drive's letter comes after the third slash.
        Some(url_path) if cfg!(windows) => url_path.strip_prefix('/')?,
        Some(url_path) => url_path,
        None => dsn,
    };
    (Path::new(path).is_absolute() && !path.starts_with("//")).then(|| PathBuf::from(path))
}

#[cfg(all(test, not(loom), unix))]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_paths_are_paths() {
        let file = Some(PathBuf::from("/var/log/a b.jsonl"));
        assert_eq!(path("file:///var/log/a b.jsonl"), file);
        assert_eq!(path("/var/log/a b.jsonl"), file);
        let others = ["", "metrics.jsonl", "key", "file:/x", "file://host/path"];
        let urls = ["https://key@host/1", "//key@host/1", "file:////key@host/1"];
        for dsn in others.into_iter().chain(urls) {
            assert_eq!(path(dsn), None, "{dsn}");
        }
    }
}
