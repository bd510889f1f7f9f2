//! Configuration: what each source may say, how sources are laid over each other, and that every
//! refusal names the place, the key, the value and the remedy, but never a secret.
#![cfg(not(loom))]

mod documents;
mod layers;
#[path = "../process/mod.rs"]
mod process;
mod secrets;

use quipu::{CheckedConfig, Config, ConfigError};

/// A DSN.
const SENTINEL: &str = "https://5entine1@secrets.example/42";

const PRODUCTION: &str = r#"{
    "observability_enabled": true,
    "observability_provider": "json",
    "observability_dsn": "file:///var/log/quipu.jsonl",
    "observability_flush_interval": "30s",
    "observability_sample_rate": 1.0,
    "observability_traces_rate": 0.1
}"#;

const KEYS: [&str; 6] = [
    "observability_enabled",
    "observability_provider",
    "observability_dsn",
    "observability_flush_interval",
    "observability_sample_rate",
    "observability_traces_rate",
];

fn checked(text: &str) -> CheckedConfig {
    Config::from_json(text).and_then(|config| config.check()).unwrap()
}

/// The refusal of a document, which says all of `parts` in one plain line.
fn refusal(text: &str, parts: &[&str]) -> ConfigError {
    let error = match Config::from_json(text).and_then(|config| config.check()) {
        Ok(config) => panic!("{text:.200} is accepted: {config:?}"),
        Err(error) => error,
    };
    assert_says(&error, parts);
    assert_says(&error, &["the JSON text"]);
    error
}

fn assert_says(error: &ConfigError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
    assert!(message.len() < 600 && !message.contains(char::is_control), "{message:?}");
}
