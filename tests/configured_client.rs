//! Clients made from a configuration: what it says is what runs, settings of the program win, and
//! one that cannot be used is refused with the place and the remedy.
#![cfg(all(not(loom), unix))]
#![allow(unsafe_code)]

mod directory;
mod process;

use directory::Directory;
use process::in_own_process;
use quipu::testing::{ManualClock, TestExporter};
use quipu::{Client, ClientBuilder, Config, Liveness, Provider, Registry, StartError};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const DEVELOPMENT: &str = r#"{
    "observability_enabled": true,
    "observability_provider": "console",
    "observability_flush_interval": "5s"
}"#;

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// That of a deployment, which writes to `log`.
fn production(log: &Path) -> String {
    format!(
        r#"{{
            "observability_enabled": true,
            "observability_provider": "json",
            "observability_dsn": "file://{}",
            "observability_flush_interval": "30s",
            "observability_sample_rate": 1.0,
            "observability_traces_rate": 0.1
        }}"#,
        log.display()
    )
}

fn config(text: &str) -> Config {
    Config::from_json(text).unwrap()
}

/// A registry with one series, `c`, which has counted 7.
fn registry() -> Arc<Registry> {
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().add(7);
    registry
}

fn builder(registry: &Arc<Registry>) -> ClientBuilder {
    Client::builder().registry(registry.clone())
}

/// The totals of `c` in lines of JSON, which may stand among other lines.
fn totals(text: &str) -> Vec<u64> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["name"] == "c").map(|line| line["total"].as_u64().unwrap()).collect()
}

/// The error of a start, which says all of `parts`.
fn refusal(builder: ClientBuilder, parts: &[&str]) -> StartError {
    let error = builder.start().unwrap_err();
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message:?}");
    }
    error
}

fn set_variable(name: &str, value: &str) {
    // SAFETY: used in a test's own process, where no other thread looks at the environment.
    unsafe { std::env::set_var(name, value) };
}

#[test]
fn the_development_document_prints_tables() {
    let stdout = in_own_process("the_development_document_prints_tables", || {
        let client = builder(&registry()).config(&config(DEVELOPMENT)).start().unwrap();
        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        assert_eq!(report.exporters[0].name, "console");
    });
    if !stdout.is_empty() {
        let row = stdout.lines().find(|line| line.starts_with("c ")).unwrap();
        assert!(row.ends_with(" 7"), "{stdout}");
        assert!(!stdout.contains("quipu."), "{stdout}");
    }
}

#[test]
fn the_production_document_writes_lines_to_its_file() {
    let directory = Directory::new("production");
    let log = directory.path().join("quipu.jsonl");
    let file = directory.path().join("observability.json");
    fs::write(&file, production(&log)).unwrap();
    let from_text = |client: ClientBuilder| client.config(&config(&production(&log)));
    let ways: [&dyn Fn(ClientBuilder) -> ClientBuilder; 2] =
        [&from_text, &|client| client.config_file(&file)];
    for way in ways {
        let clock = ManualClock::new();
        let client = way(builder(&registry()).clock(clock.clone())).start().unwrap();
        client.capture_error(&std::fmt::Error, &[]);
        clock.advance(Duration::from_secs(29));
        assert_eq!(client.report().flushes, 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!(client.report().flushes, 1);
        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        let text = fs::read_to_string(&log).unwrap();
        assert_eq!(totals(&text), [7, 7]);
        assert_eq!(text.matches("{\"kind\":\"error\"").count(), 1);
        fs::remove_file(&log).unwrap();
    }
}

#[test]
fn json_without_a_dsn_and_with_stdout_goes_to_the_standard_output() {
    let stdout =
        in_own_process("json_without_a_dsn_and_with_stdout_goes_to_the_standard_output", || {
            let json = Config::new().provider(Provider::Json);
            for config in [json.clone(), json.dsn("stdout")] {
                // The harness's line is not finished.
                println!();
                builder(&registry()).config(&config).start().unwrap().stop(PATIENCE);
            }
        });
    if !stdout.is_empty() {
        assert_eq!(totals(&stdout), [7, 7]);
    }
}

#[test]
fn several_providers_get_the_same() {
    let stdout = in_own_process("several_providers_get_the_same", || {
        let directory = Directory::new("several");
        let log = directory.path().join("quipu.jsonl");
        let text = format!(
            r#"{{"observability_provider": "console,json", "observability_dsn": {:?}}}"#,
            log.display().to_string()
        );
        let added = TestExporter::new();
        let client = builder(&registry()).exporter(added.clone()).config(&config(&text));
        let report = client.start().unwrap().stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        let names: Vec<_> = report.exporters.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["test", "console", "json"]);
        assert_eq!(totals(&fs::read_to_string(&log).unwrap()), [7]);
        assert_eq!(added.counter("c", &[]), 7);
    });
    if !stdout.is_empty() {
        assert!(stdout.lines().any(|line| line.starts_with("c ")), "{stdout}");
    }
}

#[cfg(feature = "interval-log")]
#[test]
fn each_provider_has_its_own_file() {
    let directory = Directory::new("own-files");
    let path = |name: &str| directory.path().join(name);
    let text = format!(
        r#"{{"observability_provider": ["json", "interval_log"],
            "observability_dsn": {{"interval_log": "{}", "json": "file://{}"}}}}"#,
        path("quipu.hlog").display(),
        path("quipu.jsonl").display()
    );
    let registry = registry();
    registry.histogram("h").register().unwrap().record(5);
    let report = builder(&registry).config(&config(&text)).start().unwrap().stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    assert_eq!(totals(&fs::read_to_string(path("quipu.jsonl")).unwrap()), [7]);
    let log = fs::read_to_string(path("quipu.hlog")).unwrap();
    assert_eq!(log.lines().filter(|line| line.starts_with("Tag=h,")).count(), 1, "{log}");
}

#[test]
fn a_disabled_client_opens_no_file_and_does_nothing() {
    let directory = Directory::new("disabled");
    let log = directory.path().join("quipu.jsonl");
    let text = production(&log).replace("true", "false");
    let (registry, added) = (registry(), TestExporter::new());
    let client = builder(&registry).exporter(added.clone()).flush_interval(Duration::ZERO);
    let client = client.config(&config(&text)).start().unwrap();
    assert!(!client.is_enabled());
    registry.counter("c").register().unwrap().increment();
    client.capture_error(&std::fmt::Error, &[("key", &1)]);
    client.capture_panics();
    for report in [client.flush(PATIENCE), client.report(), client.stop(PATIENCE)] {
        assert_eq!((report.flushes, report.exporters.len()), (0, 0));
        assert!(report.is_delivered());
    }
    let health = client.health();
    assert_eq!(health.to_string(), "live: disabled by its configuration");
    drop(client);
    assert!(registry.latest().is_none());
    // What is recorded is there, and nothing of a client.
    let snapshot = registry.snapshot();
    assert_eq!((snapshot.counter("c", &[]), snapshot.len()), (Some(8), 1));
    assert!(added.deliveries().is_empty() && added.errors().is_empty());
    assert!(!log.exists());
}

#[test]
fn a_disabled_configuration_may_have_a_dsn_that_leads_nowhere() {
    let text = r#"{"observability_enabled": false, "observability_provider": "json",
        "observability_dsn": "https://key@host/1"}"#;
    assert!(!builder(&registry()).config(&config(text)).start().unwrap().is_enabled());
}

#[test]
fn the_interval_of_the_builder_wins_in_either_order() {
    let set = |client: ClientBuilder| client.flush_interval(Duration::from_secs(7));
    let configured = |client: ClientBuilder, interval: &str| {
        let text = format!(
            r#"{{"observability_provider": "json", "observability_dsn": "/dev/null",
                "observability_flush_interval": "{interval}"}}"#
        );
        client.config(&config(&text))
    };
    for interval in ["3s", "1h"] {
        let builders = [
            configured(set(Client::builder()), interval),
            set(configured(Client::builder(), interval)),
        ];
        for client in builders {
            let clock = ManualClock::new();
            let client = client.registry(registry()).clock(clock.clone()).start().unwrap();
            clock.advance(Duration::from_secs(6));
            assert_eq!(client.report().flushes, 0);
            clock.advance(Duration::from_secs(1));
            assert_eq!(client.report().flushes, 1);
        }
    }
    let clock = ManualClock::new();
    let client = configured(builder(&registry()).clock(clock.clone()), "3s").start().unwrap();
    clock.advance(Duration::from_secs(3));
    assert_eq!(client.report().flushes, 1);
}

#[test]
fn the_sample_rate_of_the_builder_wins_in_either_order() {
    let configured = |client: ClientBuilder, rate: f64| {
        client.config(&Config::new().provider(Provider::Json).dsn("/dev/null").sample_rate(rate))
    };
    let cases = [
        (configured(Client::builder(), 0.0), 0),
        (configured(Client::builder(), 1.0), 20),
        (configured(Client::builder(), 0.0).sample_rate(1.0), 20),
        (configured(Client::builder().sample_rate(1.0), 0.0), 20),
        (configured(Client::builder(), 1.0).sample_rate(0.0), 0),
        (configured(Client::builder().sample_rate(0.0), 1.0), 0),
    ];
    for (client, passed_on) in cases {
        let exporter = TestExporter::new();
        let client = client.registry(registry()).exporter(exporter.clone()).start().unwrap();
        for _ in 0..20 {
            client.capture_error(&std::fmt::Error, &[]);
        }
        assert!(client.stop(PATIENCE).is_delivered());
        assert_eq!(exporter.errors().len(), passed_on);
    }
}

#[test]
fn a_dsn_that_is_no_path_is_refused_with_key_provider_and_remedy() {
    for dsn in ["relative.log", "./relative.log", "https://key@host/1", "//key@host/1"] {
        let json = Config::new().provider(Provider::Json).dsn(dsn);
        let parts = ["observability_dsn is [secret]", "none of json", "write stdout, or a file"];
        let error = refusal(builder(&registry()).config(&json), &parts);
        assert!(matches!(error, StartError::Config(_)), "{error:?}");
        assert!(!error.to_string().contains(dsn), "{error}");
    }
    assert!(!Path::new("relative.log").exists());
}

#[cfg(feature = "interval-log")]
#[test]
fn an_interval_log_needs_a_file() {
    let log = Config::new().provider(Provider::IntervalLog);
    let remedy = "write a file as file:///";
    let missing = "observability_dsn is missing for the provider interval_log";
    refusal(builder(&registry()).config(&log), &[missing, remedy]);
    for dsn in ["stdout", "quipu.hlog", "https://key@host/1"] {
        let parts = ["observability_dsn is [secret]", "none of interval_log", remedy];
        refusal(builder(&registry()).config(&log.clone().dsn(dsn)), &parts);
    }
}

#[test]
fn a_configuration_that_is_missing_or_wrong_is_refused_with_its_path() {
    let directory = Directory::new("missing");
    let path = directory.path().join("observability.json");
    let shown = path.to_str().unwrap();
    let refused = |parts: &[&str]| refusal(builder(&registry()).config_file(&path), parts);
    refused(&[shown, "cannot be read", "correct its path"]);
    fs::write(&path, "{").unwrap();
    refused(&[shown, "not valid JSON", "line 1"]);
    fs::write(&path, r#"{"observability_flush_intervall": "1s"}"#).unwrap();
    refused(&[shown, "observability_flush_interval may have been meant"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused(&[shown, "cannot be read"]);
}

#[test]
fn a_configuration_that_is_refused_stays_so_whatever_follows() {
    let bad = Config::new().provider(Provider::Json).dsn("quipu.jsonl");
    let good = Config::new().provider(Provider::Json).dsn("/dev/null");
    for configs in [[&bad, &good], [&good, &bad]] {
        let client = builder(&registry()).config(configs[0]).config(configs[1]);
        refusal(client, &["observability_dsn is [secret]"]);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_refused_with_its_path() {
    let directory = Directory::new("unwritable");
    let file = directory.path().join("file");
    fs::write(&file, "not an exporter's").unwrap();
    let paths = [directory.path().join("missing/quipu.jsonl"), file.join("quipu.jsonl"), file];
    let mut providers = vec![Provider::Json];
    if cfg!(feature = "interval-log") {
        providers.push(Provider::IntervalLog);
    }
    for path in &paths {
        for provider in &providers {
            let config = Config::new().provider(*provider).dsn(path.to_str().unwrap());
            let parts = [path.to_str().unwrap(), provider.name(), "cannot be set up: cannot open"];
            match refusal(builder(&registry()).config(&config), &parts) {
                StartError::Exporter { name, .. } => assert_eq!(name, provider.name()),
                error => panic!("{error:?}"),
            }
        }
    }
    assert_eq!(fs::read_to_string(&paths[2]).unwrap(), "not an exporter's");
}

#[test]
fn the_environment_is_laid_over_the_file() {
    in_own_process("the_environment_is_laid_over_the_file", || {
        let directory = Directory::new("environment");
        let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
        let file = directory.path().join("observability.json");
        fs::write(&file, production(&first)).unwrap();

        set_variable("OBSERVABILITY_DSN", second.to_str().unwrap());
        let clock = ManualClock::new();
        let client = builder(&registry()).clock(clock.clone()).config_file(&file).start().unwrap();
        clock.advance(Duration::from_secs(30));
        assert!(client.stop(PATIENCE).is_delivered());
        assert!(!first.exists());
        assert_eq!(totals(&fs::read_to_string(&second).unwrap()), [7, 7]);

        set_variable("OBSERVABILITY_PROVIDER", "json");
        set_variable("OBSERVABILITY_FLUSH_INTERVAL", "2s");
        let clock = ManualClock::new();
        let client = builder(&registry()).clock(clock.clone()).config_env().start().unwrap();
        clock.advance(Duration::from_secs(2));
        assert!(client.stop(PATIENCE).is_delivered());
        assert_eq!(totals(&fs::read_to_string(&second).unwrap()), [7; 4]);

        set_variable("OBSERVABILITY_ENABLED", "0");
        assert!(!builder(&registry()).config_env().start().unwrap().is_enabled());
        assert!(!builder(&registry()).config_file(&file).start().unwrap().is_enabled());

        set_variable("OBSERVABILITY_FLUSH_INTERVAL", "soon");
        let parts = ["the environment", "OBSERVABILITY_FLUSH_INTERVAL is \"soon\""];
        refusal(builder(&registry()).config_env(), &parts);
        refusal(builder(&registry()).config_file(&file), &parts);
    });
}

/// Keeps the log records of this process.
struct Logger;

static LOGGED: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOGGED.lock().unwrap().push((record.level(), record.args().to_string()));
    }

    fn flush(&self) {}
}

#[test]
fn a_start_that_fails_is_logged_once_and_the_program_runs_on() {
    in_own_process("a_start_that_fails_is_logged_once_and_the_program_runs_on", || {
        log::set_logger(&Logger).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        let directory = Directory::new("logged");
        let path = directory.path().join("missing").join("quipu.jsonl");
        let config = Config::new().provider(Provider::Json).dsn(path.to_str().unwrap());
        let (registry, added) = (registry(), TestExporter::new());
        let client = builder(&registry).config(&config).exporter(added.clone()).start_or_disabled();
        let logged = LOGGED.lock().unwrap().clone();
        assert_eq!(logged.len(), 1, "{logged:?}");
        assert_eq!(logged[0].0, log::Level::Error);
        assert!(logged[0].1.starts_with("nothing will be delivered: "), "{logged:?}");
        assert!(logged[0].1.contains(path.to_str().unwrap()), "{logged:?}");

        assert!(!client.is_enabled());
        let counter = registry.counter("c").register().unwrap();
        counter.increment();
        client.capture_error(&std::fmt::Error, &[]);
        client.capture_panics();
        assert_eq!(client.flush(PATIENCE).flushes, 0);
        let health = client.health();
        assert_eq!((health.liveness, health.reasons.len()), (Liveness::Dead, 1));
        assert!(health.reasons[0].contains(path.to_str().unwrap()), "{health}");
        assert_eq!(client.stop(PATIENCE).exporters.len(), 0);
        assert_eq!(client.clone().stop(PATIENCE).flushes, 0);
        drop(client);
        assert!(std::panic::catch_unwind(|| panic!("as intended")).is_err());
        assert_eq!(registry.snapshot().counter("c", &[]), Some(8));
        assert_eq!(LOGGED.lock().unwrap().len(), 1);
        assert!(added.deliveries().is_empty() && added.errors().is_empty());
    });
}
