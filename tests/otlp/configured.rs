//! Exporters that come from a configuration and from the environment.

use super::collector::Collector;
use super::exporter::{NEVER, PATIENCE};
use super::process::in_own_process_with;
use super::{client, read, sum_of};
use quipu::{Client, Config, Otlp, OtlpError, Provider, Registry, StartError};
use std::sync::Arc;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn registry() -> Arc<Registry> {
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().add(7);
    registry
}

fn configured(registry: &Arc<Registry>, dsn: Option<&str>) -> Result<Client, StartError> {
    let config = Config::new().provider(Provider::Otlp).flush_interval(NEVER);
    let config = match dsn {
        Some(dsn) => config.dsn(dsn),
        None => config,
    };
    Client::builder().registry(registry.clone()).config(&config).start()
}

#[test]
fn the_dsn_is_the_endpoint_and_the_environment_says_the_rest() {
    let variables = [
        (ENDPOINT, "http://127.0.0.1:1/wrong"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k%201"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("OTEL_RESOURCE_ATTRIBUTES", "zone=a%2Cb"),
        ("OTEL_SERVICE_NAME", "shop"),
    ];
    let test = "configured::the_dsn_is_the_endpoint_and_the_environment_says_the_rest";
    in_own_process_with(test, &variables, || {
        let (registry, collector) = (registry(), Collector::start());
        let client = configured(&registry, Some(&collector.endpoint())).unwrap();
        assert!(client.flush(PATIENCE).is_delivered());
        registry.counter("c").register().unwrap().add(2);
        assert!(client.flush(PATIENCE).is_delivered());
        let received = collector.take();
        assert_eq!(received[0].header("api-key"), Some("k 1"));
        assert_eq!(received[0].header("content-encoding"), Some("gzip"));
        let requests = read(&received);
        assert_eq!(sum_of(&requests, "c"), 9);
        for pair in [("zone", "a,b"), ("service.name", "shop")] {
            let pair = (pair.0.to_owned(), pair.1.to_owned());
            assert!(requests[0].resource.contains(&pair), "{requests:?}");
        }
    });
}

#[test]
fn without_a_dsn_the_environment_says_where_to() {
    // The parent's is the one that the child is told of.
    let collector = Collector::start();
    let test = "configured::without_a_dsn_the_environment_says_where_to";
    let said = in_own_process_with(test, &[(ENDPOINT, &collector.endpoint())], || {
        let registry = registry();
        assert!(configured(&registry, None).unwrap().flush(PATIENCE).is_delivered());
        let client = client(&registry, Otlp::from_env().unwrap());
        assert!(client.flush(PATIENCE).is_delivered());
    });
    if said.is_empty() {
        return;
    }
    // A client that is dropped delivers once more.
    let requests = read(&collector.take());
    assert_eq!((requests.len(), sum_of(&requests, "c")), (4, 4 * 7));
}

#[test]
fn variables_that_cannot_be_used_are_named() {
    let variables = [("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "api-key=5entine1%")];
    let test = "configured::variables_that_cannot_be_used_are_named";
    in_own_process_with(test, &variables, || {
        let error = configured(&registry(), Some("http://127.0.0.1:4318")).unwrap_err();
        let said = format!("{error} {error:?}");
        for part in ["the exporter otlp", "OTEL_EXPORTER_OTLP_METRICS_HEADERS", "percent"] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
        assert!(!said.contains("5entine1"), "{said}");
        let error = Otlp::from_env().unwrap_err();
        assert!(matches!(error, OtlpError::InvalidVariable { .. }), "{error:?}");
    });
}

#[test]
fn a_dsn_that_is_no_endpoint_is_refused_and_not_shown() {
    for dsn in
        ["5entine1", "//5entine1@host", "grpc://5entine1", "http://h?key=5entine1", "http://"]
    {
        let error = configured(&registry(), Some(dsn)).unwrap_err();
        let said = format!("{error} {error:?}");
        for part in ["observability_dsn is [secret]", "otlp", "http://127.0.0.1:4318"] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
        assert!(!said.contains("5entine1"), "{said}");
    }
}

#[test]
fn a_header_that_cannot_be_sent_is_refused() {
    for (name, value) in [("a b", "1"), ("", "1"), ("a", "5entine1\r\nx: y"), ("host", "5entine1")]
    {
        let otlp = Otlp::new("http://127.0.0.1:4318").unwrap();
        let error = otlp.header(name, value).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("5entine1"), "{error:?}");
    }
}
