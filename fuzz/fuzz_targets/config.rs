//! Reading a configuration never panics; what is accepted is in the documented ranges, and what is
//! refused is said in one plain line of moderate length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quipu::{Config, ConfigError, Provider};
use quipu_fuzz::is_plain;
use std::time::Duration;

fuzz_target!(|text: &str| {
    let config = match Config::from_json(text) {
        Ok(config) => config,
        Err(error) => return assert_is_short(&error),
    };
    // Whatever the DSNs of the document are for, the rest of it must pass.
    let checked = match config.check() {
        Ok(checked) => checked,
        Err(error) => {
            let is_of_dsns = matches!(
                error,
                ConfigError::DsnWithoutProvider { .. }
                    | ConfigError::DsnNotTaken { .. }
                    | ConfigError::AmbiguousDsn { .. }
            );
            assert!(is_of_dsns, "{error}");
            return assert_is_short(&error);
        }
    };
    let century = Duration::from_secs(100 * 366 * 86_400);
    assert!((Duration::from_millis(1)..=century).contains(&checked.flush_interval()));
    assert!((0.0..=1.0).contains(&checked.sample_rate()));
    assert!((0.0..=1.0).contains(&checked.traces_rate()));
    assert!(!checked.providers().is_empty() && checked.dsn(Provider::Console).is_none());
});

fn assert_is_short(error: &ConfigError) {
    let message = error.to_string();
    assert!(message.len() < 1_000 && is_plain(&message), "{message}");
}
