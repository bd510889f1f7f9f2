//! Reading the environment.
#![forbid(unsafe_code)]

use super::Config;
use super::error::{ConfigError, ConfigSource};
use super::key::Key;
use super::reader::{Reader, split_names};
use super::secret::Secret;
use std::ffi::OsString;

const PREFIX: &str = "OBSERVABILITY_";

/// Reads the variables that begin with `OBSERVABILITY_`.
pub(super) fn read(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let mut reader = Reader::new(ConfigSource::Environment);
    let mut values: [Option<OsString>; 6] = Default::default();
    let mut unknown = Vec::new();
    for (name, value) in variables {
        let name = name.to_string_lossy();
        if let Some(at) = Key::ALL.iter().position(|key| key.variable() == name) {
            // Of two with one name, `getenv` finds the first as well.
            if !value.is_empty() {
                values[at].get_or_insert(value);
            }
        } else if name.starts_with(PREFIX) && !is_from_kubernetes(&name) {
            unknown.push(name.into_owned());
        }
    }
    if let Some(dsn) = &values[Key::Dsn as usize] {
        reader.hide(dsn.to_string_lossy().into_owned());
    }
    // The order of the environment is nobody's choice: the same error every time.
    if let Some(name) = unknown.iter().min() {
        return Err(reader.unknown_key(name));
    }
    let mut config = Config::new();
    for (key, value) in Key::ALL.into_iter().zip(values) {
        let Some(value) = value else { continue };
        let Ok(value) = value.into_string() else {
            return Err(ConfigError::NotUnicode { key: key.variable() });
        };
        match key {
            Key::Enabled => config.enabled = Some(boolean(&reader, &value)?),
            Key::Provider => {
                for name in split_names(&value) {
                    config.add_provider(reader.provider(name)?);
                }
            }
            Key::Dsn => config.dsn = Some((Secret::from(value), reader.source.clone())),
            Key::FlushInterval => config.flush_interval = Some(reader.interval(&value)?),
            Key::SampleRate => config.sample_rate = Some(rate(&reader, key, &value)?),
            Key::TracesRate => config.traces_rate = Some(rate(&reader, key, &value)?),
        }
    }
    Ok(config)
}

/// Whether it is one of the variables by which Kubernetes tells where the service `observability`
/// is, or one whose name begins with `observability-`.
fn is_from_kubernetes(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") || name.contains("_PORT_")
}

fn boolean(reader: &Reader, value: &str) -> Result<bool, ConfigError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(reader.wrong_type(Key::Enabled, reader.shown(value), "no boolean")),
    }
}

fn rate(reader: &Reader, key: Key, value: &str) -> Result<f64, ConfigError> {
    if value.parse::<f64>().is_err() {
        return Err(reader.wrong_type(key, reader.shown(value), "no number"));
    }
    reader.rate(key, value)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::client::config::Provider;
    use std::time::Duration;

    fn read_pairs(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        read(variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    fn message(variables: &[(&str, &str)]) -> String {
        read_pairs(variables).unwrap_err().to_string()
    }

    #[test]
    fn every_key_is_read_from_its_variable() {
        let config = read_pairs(&[
            ("PATH", "/bin"),
            ("observability_enabled", "perhaps"),
            ("OBSERVABILITY_ENABLED", "FALSE"),
            ("OBSERVABILITY_PROVIDER", "console, json"),
            ("OBSERVABILITY_DSN", "file:///tmp/a"),
            ("OBSERVABILITY_FLUSH_INTERVAL", "1m 30s"),
            ("OBSERVABILITY_SAMPLE_RATE", "0.5"),
            ("OBSERVABILITY_TRACES_RATE", "1"),
        ]);
        let config = config.unwrap().check().unwrap();
        assert!(!config.is_enabled());
        assert_eq!(config.providers(), [Provider::Console, Provider::Json]);
        assert_eq!(config.dsn(Provider::Json), Some(&Secret::from("file:///tmp/a")));
        assert_eq!(config.flush_interval(), Duration::from_secs(90));
        assert_eq!((config.sample_rate(), config.traces_rate()), (0.5, 1.0));
    }

    #[test]
    fn booleans_are_words_or_digits_of_any_case() {
        for (text, value) in [("true", true), ("True", true), ("1", true), ("0", false)] {
            let config = read_pairs(&[("OBSERVABILITY_ENABLED", text)]).unwrap();
            assert_eq!(config.check().unwrap().is_enabled(), value, "{text}");
        }
        for text in ["yes", "2", " true"] {
            let message = message(&[("OBSERVABILITY_ENABLED", text)]);
            let says = format!("OBSERVABILITY_ENABLED is {text:?}");
            assert!(
                message.contains(&says) && message.contains("write true or false"),
                "{message}"
            );
            assert!(message.contains("in the environment"), "{message}");
        }
    }

    #[test]
    fn an_empty_value_counts_as_unset() {
        let variables = Key::ALL.map(|key| (key.variable(), ""));
        let config = read_pairs(&variables).unwrap().check().unwrap();
        assert!(config.is_enabled());
        assert_eq!(config.providers(), [Provider::Console]);
        assert_eq!(config.flush_interval(), Duration::from_secs(30));
    }

    #[test]
    fn what_kubernetes_injects_is_ignored_and_other_names_are_not() {
        for name in [
            "OBSERVABILITY_SERVICE_HOST",
            "OBSERVABILITY_SERVICE_PORT",
            "OBSERVABILITY_SERVICE_PORT_HTTP",
            "OBSERVABILITY_PORT",
            "OBSERVABILITY_PORT_80_TCP_ADDR",
            "OBSERVABILITY_COLLECTOR_SERVICE_HOST",
            "OBSERVABILITY_COLLECTOR_PORT_4317_TCP",
        ] {
            let read = read_pairs(&[(name, "tcp://10.0.0.1:80")]);
            assert!(read.is_ok(), "{name}: {read:?}");
        }
        let message = message(&[("OBSERVABILITY_Z", "1"), ("OBSERVABILITY_FLUSH_INTERVALL", "2")]);
        assert!(message.contains("\"OBSERVABILITY_FLUSH_INTERVALL\" is not a key"), "{message}");
        assert!(
            message.contains("; OBSERVABILITY_FLUSH_INTERVAL may have been meant"),
            "{message}"
        );
        assert!(message.contains("remove it; the keys are OBSERVABILITY_ENABLED, "), "{message}");
    }

    #[test]
    fn a_rate_that_is_no_number_is_of_the_wrong_type() {
        for text in ["NaN", "inf", "-inf", "1e400", "1.01", "-0.1"] {
            let error = read_pairs(&[("OBSERVABILITY_TRACES_RATE", text)]).unwrap_err();
            assert!(matches!(error, ConfigError::RateOutOfRange { .. }), "{error}");
            let says = format!("OBSERVABILITY_TRACES_RATE is {text}; write a number from");
            assert!(error.to_string().contains(&says), "{error}");
        }
        let message = message(&[("OBSERVABILITY_SAMPLE_RATE", "10%")]);
        assert!(message.contains("RATE is \"10%\", which is no number; write a"), "{message}");
    }

    #[test]
    fn no_message_contains_the_dsn() {
        let dsn = ("OBSERVABILITY_DSN", "hunter2");
        for key in Key::ALL.into_iter().filter(|&key| key != Key::Dsn) {
            let message = message(&[(key.variable(), "xhunter2x"), dsn]);
            assert!(message.contains("[secret]") && !message.contains("hunter2"), "{message}");
        }
        let message = message(&[("OBSERVABILITY_hunter2", "1"), dsn]);
        assert!(message.contains("[secret] is not a key"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_unicode_is_refused_without_being_shown() {
        use std::os::unix::ffi::OsStringExt;

        for key in Key::ALL {
            let value = OsString::from_vec(b"hunter2\xff".to_vec());
            let error = read([(key.variable().into(), value)].into_iter()).unwrap_err();
            assert!(matches!(error, ConfigError::NotUnicode { .. }), "{error}");
            let message = error.to_string();
            let says = format!("{} is not Unicode; write it in UTF-8", key.variable());
            assert!(message.contains(&says) && !message.contains("hunter2"), "{message}");
        }
        let name = OsString::from_vec(b"OBSERVABILITY_\xff".to_vec());
        let error = read([(name, OsString::new())].into_iter()).unwrap_err();
        assert!(matches!(error, ConfigError::UnknownKey { .. }), "{error}");
    }
}
