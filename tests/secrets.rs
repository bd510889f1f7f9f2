//! A secret that goes in by any way comes out by none: not in errors, log lines, panics, reports,
//! metrics, nor in what exporters write.
#![cfg(all(not(loom), unix))]
#![allow(unsafe_code)]

mod directory;
mod paper;
mod process;

use directory::Directory;
use paper::Paper;
use process::in_own_process;
use quipu::{Client, ClientBuilder, Config, Console, JsonLines, Provider, Registry, Secret};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The part of each DSN that must be in no output.
const SENTINEL: &str = "5entine1";

/// What may be taken for a DSN, and is no provider's here.
const DSNS: [&str; 9] = [
    "5entine1",
    "https://5entine1@secrets.example/42",
    "//5entine1@secrets.example/42",
    "file://5entine1@secrets.example/42",
    "file:////5entine1@secrets.example/42",
    "file:5entine1",
    "logs/5entine1.log",
    "stdout/5entine1",
    "\x1b5entine1\n",
];

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn providers() -> Vec<Provider> {
    let mut providers = vec![Provider::Console, Provider::Json];
    if cfg!(feature = "interval-log") {
        providers.push(Provider::IntervalLog);
    }
    providers
}

/// The ways into a configuration, for one provider and DSN.
fn configs(provider: Provider, dsn: &str) -> Vec<Config> {
    let quoted = serde_json::to_string(dsn).unwrap();
    let json = |dsn: &str| {
        let text = format!(
            r#"{{"observability_provider": "{provider}", "observability_dsn": {dsn},
                "observability_flush_interval": "1h"}}"#
        );
        Config::from_json(&text).unwrap()
    };
    let program = Config::new().provider(provider);
    vec![
        json(&quoted),
        json(&format!(r#"{{"{provider}": {quoted}}}"#)),
        program.clone().dsn(dsn),
        program.clone().dsn_of(provider, dsn),
        json(&quoted).overridden_by(program.clone()),
        program.dsn("/dev/null").overridden_by(Config::new().dsn(Secret::from(dsn))),
    ]
}

fn builder() -> ClientBuilder {
    Client::builder().registry(Arc::new(Registry::new()))
}

/// An error in every way that it can be shown.
fn shown(error: &dyn Error) -> String {
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        write!(shown, " {error} {error:?}").unwrap();
        source = error.source();
    }
    shown
}

/// A client in every way that it can be shown.
fn shown_client(client: &Client) -> String {
    let (report, health) = (client.report(), client.health());
    format!("{client:?} {client:#?} {report} {report:?} {health} {health:?}")
}

fn assert_hides_the_sentinel(shown: &str) {
    assert!(!shown.contains(SENTINEL), "{shown:?}");
}

#[test]
fn no_way_into_a_client_shows_a_dsn_that_is_no_path() {
    for provider in providers() {
        for dsn in DSNS {
            for config in configs(provider, dsn) {
                let debug = format!("{config:?} {config:#?} {:?}", config.check());
                assert!(debug.contains("[secret]"), "{debug}");
                assert_hides_the_sentinel(&debug);
                let builder = builder().config(&config);
                assert_hides_the_sentinel(&format!("{builder:?} {builder:#?}"));
                let error = builder.start().unwrap_err();
                let message = error.to_string();
                for part in ["observability_dsn is [secret]", provider.name()] {
                    assert!(message.contains(part), "no {part:?} in {message:?}");
                }
                assert_hides_the_sentinel(&shown(&error));
            }
        }
    }
}

#[test]
fn a_file_shows_no_dsn_either() {
    let directory = Directory::new("secret-file");
    let path = directory.path().join("observability.json");
    for provider in providers() {
        for dsn in DSNS {
            let dsn = serde_json::to_string(dsn).unwrap();
            for dsn in [dsn.clone(), format!(r#"{{"{provider}": {dsn}}}"#)] {
                let text = format!(
                    r#"{{"observability_provider": "{provider}", "observability_dsn": {dsn}}}"#
                );
                fs::write(&path, text).unwrap();
                assert_hides_the_sentinel(&format!("{:?}", Config::from_file(&path)));
                let error = builder().config_file(&path).start().unwrap_err();
                assert_hides_the_sentinel(&shown(&error));
            }
        }
    }
}

/// Keeps all log records of this process.
struct Logger;

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}: {}", record.level(), record.target(), record.args());
        LOGGED.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

fn log_everything() {
    log::set_logger(&Logger).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
}

#[test]
fn the_environment_and_the_log_show_no_dsn() {
    in_own_process("the_environment_and_the_log_show_no_dsn", || {
        log_everything();
        let mut starts = 0;
        for provider in providers() {
            for dsn in DSNS {
                for (name, value) in
                    [("OBSERVABILITY_PROVIDER", provider.name()), ("OBSERVABILITY_DSN", dsn)]
                {
                    // SAFETY: no other thread of this process looks at the environment.
                    unsafe { std::env::set_var(name, value) };
                }
                assert_hides_the_sentinel(&format!("{:?}", Config::from_env()));
                let client = builder().config_env().start_or_disabled();
                assert!(!client.is_enabled());
                let all = shown_client(&client);
                assert!(all.contains("DSN is [secret]") || all.contains("dsn is [secret]"));
                assert_hides_the_sentinel(&all);
                starts += 1;
                let logged = LOGGED.lock().unwrap();
                assert_eq!(logged.len(), starts, "{logged:?}");
                let line = &logged[starts - 1];
                assert!(line.starts_with("ERROR quipu: nothing will be delivered: "), "{line}");
                assert_hides_the_sentinel(line);
            }
        }
    });
}

/// What the hook saw of panics.
static PANICS: OnceLock<Mutex<String>> = OnceLock::new();

#[test]
fn panics_show_no_dsn() {
    in_own_process("panics_show_no_dsn", || {
        let panics = PANICS.get_or_init(Mutex::default);
        std::panic::set_hook(Box::new(|panic| {
            writeln!(PANICS.get().unwrap().lock().unwrap(), "{panic}").unwrap();
        }));
        let (json, console) = (Paper::default(), Paper::default());
        let client = builder().flush_interval(NEVER).exporter(JsonLines::to(json.clone()));
        let client = client.exporter(Console::to(console.clone())).start().unwrap();
        client.capture_panics();
        let mut count = 0;
        let mut assert_panics = |work: &mut dyn FnMut()| {
            let payload = catch_unwind(AssertUnwindSafe(work)).unwrap_err();
            let message = payload.downcast_ref::<String>().unwrap();
            assert_hides_the_sentinel(message);
            assert!(message.contains("[secret]") || message.contains("Dsn"), "{message}");
            count += 1;
        };
        let secret = Secret::from(DSNS[1]);
        assert_panics(&mut || assert_eq!(secret, Secret::from("another")));
        for provider in providers() {
            for dsn in DSNS {
                for config in configs(provider, dsn) {
                    assert_panics(&mut || drop(builder().config(&config).start().unwrap()));
                    assert_panics(&mut || match config.check() {
                        Ok(checked) => panic!("{checked:?}"),
                        Err(error) => panic!("{error:?}"),
                    });
                }
                // More of them at once would not fit into the queues.
                assert!(client.flush(PATIENCE).is_delivered());
                assert!(client.flush(PATIENCE).is_delivered());
            }
        }
        assert!(client.stop(PATIENCE).is_delivered());
        let _ = std::panic::take_hook();
        for output in [panics.lock().unwrap().clone(), json.text(), console.text()] {
            assert!(output.matches("panic").count() >= count, "{output}");
            assert_hides_the_sentinel(&output);
        }
    });
}

#[test]
fn a_running_client_keeps_its_dsns_to_itself() {
    let directory = Directory::new("secret-running");
    let place = |name: &str| format!("file://{}", directory.path().join(name).display());
    let mut config = Config::new()
        .provider(Provider::Json)
        .dsn_of(Provider::Json, place("5entine1.jsonl"))
        .flush_interval(NEVER);
    if cfg!(feature = "interval-log") {
        config = config.provider(Provider::IntervalLog);
        config = config.dsn_of(Provider::IntervalLog, place("5entine1.hlog"));
    }
    let registry = Arc::new(Registry::new());
    registry.histogram("h").register().unwrap().record(1);
    let console = Paper::default();
    let builder = Client::builder().registry(registry.clone()).config(&config);
    let builder = builder.exporter(Console::to(console.clone()).with_own_metrics());
    let mut seen = format!("{config:?} {builder:?}");
    let client = builder.start().unwrap();
    client.capture_error(&std::fmt::Error, &[("key", &"value")]);
    console.set_room(Some(10));
    write!(seen, "{:?}", client.flush(PATIENCE)).unwrap();
    seen += &shown_client(&client);
    assert!(seen.contains("last_failure: Some(\"out of paper\")"), "{seen}");
    assert!(client.stop(PATIENCE).is_delivered());
    seen += &shown_client(&client);
    seen += &console.text();
    for file in fs::read_dir(directory.path()).unwrap() {
        seen += &fs::read_to_string(file.unwrap().path()).unwrap();
    }
    for (descriptor, value) in registry.snapshot().iter() {
        write!(seen, "{descriptor:?} {value:?}").unwrap();
    }
    for part in ["\"name\":\"quipu.export.bytes\"", "quipu.export.attempts{", "\"kind\":\"error\""]
    {
        assert!(seen.contains(part), "no {part} in {seen}");
    }
    assert_hides_the_sentinel(&seen);
}

/// Providers whose DSNs are addresses, and what is none.
#[cfg(any(feature = "dogstatsd", feature = "statsd", feature = "datadog"))]
#[test]
fn what_is_no_address_is_not_shown() {
    let mut cases: Vec<(Provider, &str)> = Vec::new();
    if cfg!(feature = "dogstatsd") {
        cases.extend(DSNS.map(|dsn| (Provider::DogStatsd, dsn)));
        cases.extend([
            (Provider::DogStatsd, "udp://5entine1@host"),
            (Provider::DogStatsd, "unix://"),
        ]);
    }
    if cfg!(feature = "statsd") {
        cases.extend(DSNS.map(|dsn| (Provider::Statsd, dsn)));
        cases.extend([
            (Provider::Statsd, "unix:///5entine1"),
            (Provider::Statsd, "udp://:5entine1"),
        ]);
    }
    if cfg!(feature = "datadog") {
        // What looks like a key, or like a URL with one, is one.
        cases.extend(DSNS[1..].iter().map(|&dsn| (Provider::Datadog, dsn)));
        cases.extend([(Provider::Datadog, "http://5entine1@api.datadoghq.eu")]);
    }
    for (provider, dsn) in cases {
        for config in configs(provider, dsn) {
            let error = builder().config(&config).start().unwrap_err();
            assert!(error.to_string().contains("observability_dsn is [secret]"), "{error}");
            assert_hides_the_sentinel(&shown(&error));
        }
    }
}

#[test]
fn a_path_may_be_named() {
    let directory = Directory::new("secret-path");
    let missing = directory.path().join("missing").join("5entine1");
    for provider in providers().into_iter().filter(|&it| it != Provider::Console) {
        for dsn in [missing.display().to_string(), format!("file://{}", missing.display())] {
            let config = Config::new().provider(provider).dsn(dsn);
            assert_hides_the_sentinel(&format!("{config:?} {:?}", config.check()));
            let error = builder().config(&config).start().unwrap_err();
            assert!(error.to_string().contains(missing.to_str().unwrap()), "{error}");
        }
    }
}
