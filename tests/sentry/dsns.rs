//! DSNs: bad ones are refused without being shown; those of the environment and of a configuration are
//! used.

use crate::exporter::{PATIENCE, client_of};
use crate::process::{in_own_process, in_own_process_with};
use crate::server::{Server, status};
use quipu::{Client, Config, Provider, Registry, Sentry, SentryDsnError};
use std::sync::Arc;

const BAD: [&str; 8] = [
    "5entine1",
    "//5entine1@o1.ingest.sentry.io/1",
    "ftp://5entine1@o1.ingest.sentry.io/1",
    "https://5entine1@/1",
    "https://5entine1@o1.ingest.sentry.io",
    "https://o1.ingest.sentry.io/5entine1",
    "https://5entine1 x@o1.ingest.sentry.io/1",
    "https://5entine1:b\u{e4}d@[::1/1\n",
];

#[test]
fn bad_dsns_are_refused_and_never_shown() {
    for dsn in BAD.into_iter().map(str::to_owned).chain(["https://5entine1@".repeat(100_000)]) {
        let error = Sentry::new(&dsn).unwrap_err();
        let registry = Arc::new(Registry::new());
        let config = Config::new().provider(Provider::Sentry).dsn(dsn);
        let builder = client_of(&registry).config(&config);
        let mut shown = format!("{error} {error:?} {config:?} {builder:?}");
        let refused = builder.start().unwrap_err();
        shown += &format!("{refused} {refused:?}");
        assert!(!shown.contains("5entine1"), "{shown}");
        assert!(error.to_string().contains("https://KEY@o1.ingest.sentry.io/42"), "{error}");
        let message = refused.to_string();
        let expected =
            "observability_dsn is [secret], which is none of sentry; write it like https://";
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn a_good_dsn_is_never_shown_either() {
    let sentry = Sentry::new("https://5entine1:5entine1@o1.ingest.sentry.io/1").unwrap();
    let shown = format!("{sentry:?} {sentry:#?}");
    let shown = format!("{shown} {:?}", client_of(&Arc::default()).exporter(sentry));
    assert!(!shown.contains("5entine1"), "{shown}");
}

#[test]
fn a_configuration_sends_to_its_dsn() {
    let server = Server::start(|_| status(200));
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().increment();
    let config = Config::new().provider(Provider::Sentry).dsn(server.dsn());
    let client = Client::builder().registry(registry).config(&config).start().unwrap();
    assert!(client.stop(PATIENCE).is_delivered());
    assert!(server.metrics().iter().any(|metric| metric.name == "c"));
}

#[test]
fn the_environment_says_where_to_and_what() {
    let server = Server::start(|_| status(200));
    let variables = [
        ("SENTRY_DSN", &*server.dsn()),
        ("SENTRY_RELEASE", "shop@7"),
        ("SENTRY_ENVIRONMENT", "canary"),
    ];
    let test = "dsns::the_environment_says_where_to_and_what";
    in_own_process_with(test, &variables, || {
        let registry = Arc::new(Registry::new());
        registry.counter("by_hand").register().unwrap().increment();
        let client = client_of(&registry).exporter(Sentry::from_env().unwrap()).start().unwrap();
        assert!(client.stop(PATIENCE).is_delivered());
        let registry = Arc::new(Registry::new());
        registry.counter("configured").register().unwrap().increment();
        let config = Config::new().provider(Provider::Sentry);
        let client = client_of(&registry).config(&config).start().unwrap();
        assert!(client.stop(PATIENCE).is_delivered());
    });
    // The child has its own server, which nothing was sent to.
    if std::env::var_os("SENTRY_RELEASE").is_some() {
        return;
    }
    let metrics = server.metrics();
    for name in ["by_hand", "configured"] {
        let metric = metrics.iter().find(|metric| metric.name == name).unwrap();
        assert_eq!(metric.attributes["sentry.release"], "shop@7".into());
        assert_eq!(metric.attributes["sentry.environment"], "canary".into());
    }
}

#[test]
fn without_a_dsn_in_the_environment_the_error_names_the_variable() {
    let test = "dsns::without_a_dsn_in_the_environment_the_error_names_the_variable";
    in_own_process(test, || {
        let error = Sentry::from_env().unwrap_err();
        assert_eq!(error, SentryDsnError::Missing);
        assert!(error.to_string().starts_with("SENTRY_DSN is not set; write "), "{error}");
        let config = Config::new().provider(Provider::Sentry);
        let error = client_of(&Arc::default()).config(&config).start().unwrap_err().to_string();
        assert!(
            error.starts_with("observability_dsn is missing for the provider sentry; "),
            "{error}"
        );
    });
}
