//! Files, the environment and the program, laid over each other, and whose DSN is whose.

use super::process::in_own_process;
use super::{PRODUCTION, SENTINEL, assert_says, refusal};
use quipu::{Config, ConfigError, ConfigSource, Provider, Secret};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(feature = "interval-log")]
#[test]
fn one_dsn_for_several_providers_is_refused() {
    let text = format!(
        r#"{{"observability_provider": "json,interval_log", "observability_dsn": "{SENTINEL}"}}"#
    );
    let parts = ["observability_dsn is [secret]", "json, interval_log could take", "an object of"];
    let error = refusal(&text, &parts);
    assert!(matches!(error, ConfigError::AmbiguousDsn { .. }), "{error:?}");
    // With one of its own for all but one, it is that one's.
    let config = Config::from_json(&text).unwrap().dsn_of(Provider::Json, "j").check().unwrap();
    assert_eq!(config.dsn(Provider::Json), Some(&Secret::from("j")));
    assert_eq!(config.dsn(Provider::IntervalLog), Some(&Secret::from(SENTINEL)));
}

/// A file that is gone at the end of its test.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, contents: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("quipu-{}-{name}", std::process::id()));
        std::fs::write(&path, contents).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_is_read_and_its_errors_name_it() {
    let file = TemporaryFile::new("read.json", PRODUCTION.as_bytes());
    let config = Config::from_file(&file.0).unwrap().check().unwrap();
    assert_eq!(config.providers(), [Provider::Json]);

    let file = TemporaryFile::new("fault.json", br#"{"observability_enabled": 1}"#);
    let error = Config::from_file(&file.0).unwrap_err();
    assert_says(&error, &["in the file \"", "fault.json\": observability_enabled is 1"]);
    let ConfigError::WrongType { source, .. } = error else { panic!("{error}") };
    assert_eq!(source, ConfigSource::File(file.0.clone()));
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_cause() {
    let file = TemporaryFile::new("latin1.json", b"{\"\xe4\": 1}");
    let missing = Path::new("/nonexistent/quipu\n.json");
    let cause = std::fs::read_to_string(missing).unwrap_err().to_string();
    for (path, shown, cause) in [
        (missing, r#"the file "/nonexistent/quipu\n.json" cannot be read"#, &*cause),
        (&file.0, "latin1.json\" cannot be read", "UTF-8"),
        (Path::new(&"x/".repeat(1 << 20)), "x.. cannot be read", ""),
    ] {
        let error = Config::from_file(path).unwrap_err();
        assert!(matches!(error, ConfigError::UnreadableFile { .. }), "{error:?}");
        let shown = shown.replace("x.. ", "..\" ");
        assert_says(&error, &[&shown, cause, "; correct its path, permissions or encoding"]);
    }
}

#[test]
fn a_dsn_needs_a_provider_that_takes_it() {
    for (text, parts) in [
        (
            r#"{"observability_provider": "console", "observability_dsn": {"json": "hunter2"}}"#,
            [
                "for the provider json, but the providers are console",
                "; add json to observability_",
            ],
        ),
        (
            r#"{"observability_dsn": "hunter2"}"#,
            ["the providers are console, which take no DSN", "; name the provider that it is for"],
        ),
    ] {
        let error = refusal(text, &["observability_dsn is [secret]", parts[0], parts[1]]);
        assert!(matches!(error, ConfigError::DsnWithoutProvider { .. }), "{error:?}");
    }
    let text = r#"{"observability_dsn": {"console": "hunter2"}}"#;
    let error = refusal(text, &["observability_dsn is [secret]", "console, which takes no DSN; r"]);
    assert!(matches!(error, ConfigError::DsnNotTaken { .. }), "{error:?}");

    let error = Config::new().dsn_of(Provider::Json, SENTINEL).check().unwrap_err();
    assert_says(&error, &["in the program", "observability_dsn is [secret] for the provider json"]);
    // The environment may name the provider of a file's DSN.
    let file = Config::from_json(r#"{"observability_dsn": {"json": "hunter2"}}"#).unwrap();
    let config = file.overridden_by(Config::new().provider(Provider::Json)).check().unwrap();
    assert_eq!(config.dsn(Provider::Json), Some(&Secret::from("hunter2")));
}

#[test]
fn a_provider_that_is_replaced_may_leave_its_dsn() {
    for dsn in [r#""hunter2""#, r#"{"json": "hunter2"}"#] {
        let text = format!(r#"{{"observability_provider": "json", "observability_dsn": {dsn}}}"#);
        let file = Config::from_json(&text).unwrap();
        let console = file.overridden_by(Config::new().provider(Provider::Console));
        let config = console.check().unwrap();
        assert_eq!(
            (config.providers(), config.dsn(Provider::Json)),
            (&[Provider::Console][..], None)
        );
        let again = console.overridden_by(Config::new().provider(Provider::Json)).check().unwrap();
        assert_eq!(again.dsn(Provider::Json), Some(&Secret::from("hunter2")));
    }
}

#[test]
fn a_dsn_without_a_provider_overrides_all_and_one_with_a_provider_its_own() {
    let json = || Config::new().provider(Provider::Json);
    let dsn = |lower: Config, upper: Config| {
        let config = lower.overridden_by(upper).check().unwrap();
        config.dsn(Provider::Json).unwrap().expose().to_owned()
    };
    assert_eq!(dsn(json().dsn_of(Provider::Json, "a"), Config::new().dsn("b")), "b");
    assert_eq!(dsn(json().dsn("a"), Config::new().dsn_of(Provider::Json, "b")), "b");
    assert_eq!(dsn(json().dsn("a"), Config::new().dsn("b")), "b");
    assert_eq!(dsn(json().dsn("a"), Config::new()), "a");
    assert_eq!(
        dsn(json().dsn_of(Provider::Json, "a"), Config::new().dsn_of(Provider::Json, "b")),
        "b"
    );
}

#[test]
#[allow(unsafe_code)]
fn the_environment_overrides_the_file_and_the_program_the_environment() {
    in_own_process(
        "layers::the_environment_overrides_the_file_and_the_program_the_environment",
        || {
            let file = TemporaryFile::new("lowest.json", PRODUCTION.as_bytes());
            let file = Config::from_file(&file.0).unwrap();
            for (name, value) in [
                ("OBSERVABILITY_DSN", "file:///tmp/a"),
                ("OBSERVABILITY_FLUSH_INTERVAL", "7s"),
                ("OBSERVABILITY_SAMPLE_RATE", "0.5"),
                ("OBSERVABILITY_PROVIDER", ""),
            ] {
                // SAFETY: this process runs this test alone; no other thread reads variables.
                unsafe { std::env::set_var(name, value) };
            }
            let program = Config::new().enabled(false).flush_interval(Duration::from_secs(1));
            let config = file.overridden_by(Config::from_env().unwrap()).overridden_by(program);
            let config = config.check().unwrap();
            assert_eq!(config.providers(), [Provider::Json], "as in the file");
            assert_eq!(config.traces_rate(), 0.1, "as in the file");
            assert_eq!(config.sample_rate(), 0.5, "as in the environment");
            assert_eq!(config.dsn(Provider::Json), Some(&Secret::from("file:///tmp/a")));
            assert_eq!(config.flush_interval(), Duration::from_secs(1), "as in the program");
            assert!(!config.is_enabled(), "as in the program");

            // SAFETY: as above.
            unsafe { std::env::set_var("OBSERVABILITY_DNS", SENTINEL) };
            let error = Config::from_env().unwrap_err();
            assert_says(&error, &["in the environment: \"OBSERVABILITY_DNS\" is not a key"]);
            assert_says(&error, &["; OBSERVABILITY_DSN may have been meant"]);
        },
    );
}

#[test]
fn each_key_is_overridden_only_where_it_is_set() {
    let production = || Config::from_json(&PRODUCTION.replace("30s", "7s")).unwrap();
    let shown = |config: Config| format!("{:?}", config.check().unwrap());
    assert_eq!(shown(production().overridden_by(Config::new())), shown(production()));
    assert_eq!(shown(Config::new().overridden_by(production())), shown(production()));
    let upper = Config::new().enabled(false).sample_rate(0.2).traces_rate(0.3);
    let config = production().overridden_by(upper).check().unwrap();
    assert_eq!((config.sample_rate(), config.traces_rate()), (0.2, 0.3));
    assert!(!config.is_enabled());
    assert_eq!(config.flush_interval(), Duration::from_secs(7));
}
