use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, OtlpError> {
    read_at(None, variables)
}

fn read_at(endpoint: Option<&str>, variables: &[(&str, &str)]) -> Result<Settings, OtlpError> {
    Settings::from_variables(endpoint, |wanted| {
        let found = variables.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| OsString::from(value))
    })
}

fn url(variables: &[(&str, &str)]) -> String {
    read(variables).unwrap().url
}

fn message(variables: &[(&str, &str)]) -> String {
    match read(variables) {
        Ok(_) => panic!("{variables:?} can be used"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_empty_environment_means_the_defaults() {
    for variables in [&[][..], &[(ENDPOINT, ""), (TIMEOUT[1], " "), (SERVICE_NAME, "")]] {
        let settings = read(variables).unwrap();
        assert_eq!(settings.url, "http://localhost:4318/v1/metrics");
        assert_eq!(settings.timeout, Duration::from_secs(10));
        assert_eq!(settings.temporality, Temporality::Cumulative);
        assert!(!settings.is_compressed && settings.headers.is_empty());
        assert!(settings.attributes.is_empty());
    }
}

#[test]
fn a_path_is_appended_to_the_endpoint_of_all_signals_only() {
    for (endpoint, metrics) in [
        ("http://c:4318", "http://c:4318/v1/metrics"),
        ("http://c:4318/", "http://c:4318/v1/metrics"),
        ("https://c/otlp", "https://c/otlp/v1/metrics"),
        ("https://c/otlp/", "https://c/otlp/v1/metrics"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/metrics"),
        ("http://[::1]", "http://[::1]/v1/metrics"),
        ("http://user:pass@c", "http://user:pass@c/v1/metrics"),
    ] {
        assert_eq!(url(&[(ENDPOINT, endpoint)]), metrics);
        assert_eq!(Settings::new(endpoint).unwrap().url, metrics);
    }
    assert_eq!(url(&[(METRICS_ENDPOINT, "http://c:1/x?y=z")]), "http://c:1/x?y=z");
    assert_eq!(url(&[(METRICS_ENDPOINT, "http://m"), (ENDPOINT, "http://e")]), "http://m");
}

#[test]
fn an_endpoint_of_the_program_replaces_that_of_the_environment() {
    let variables = [(ENDPOINT, "nowhere"), (METRICS_ENDPOINT, "nowhere"), (HEADERS[1], "a=b")];
    let settings = read_at(Some("http://c:4318"), &variables).unwrap();
    assert_eq!(settings.url, "http://c:4318/v1/metrics");
    assert_eq!(settings.headers.len(), 1);
}

#[test]
fn what_is_for_metrics_wins() {
    let settings = read(&[
        (HEADERS[1], "api-key=general,x=1"),
        (HEADERS[0], "api-key=of%20metrics"),
        (TIMEOUT[1], "1"),
        (TIMEOUT[0], "2500"),
        (COMPRESSION[1], "none"),
        (COMPRESSION[0], "gzip"),
        (PROTOCOL[1], "grpc"),
        (PROTOCOL[0], "http/protobuf"),
    ]);
    let settings = settings.unwrap();
    assert_eq!(settings.headers, [("api-key".to_owned(), "of metrics".to_owned())]);
    assert_eq!(settings.timeout, Duration::from_millis(2500));
    assert!(settings.is_compressed);
}

#[test]
fn temporality_is_a_preference() {
    for (preference, temporality) in [
        ("cumulative", Temporality::Cumulative),
        ("delta", Temporality::Delta),
        ("LowMemory", Temporality::Delta),
    ] {
        assert_eq!(read(&[(TEMPORALITY, preference)]).unwrap().temporality, temporality);
    }
}

#[test]
fn the_name_of_the_service_has_its_own_variable() {
    let attributes = "service.name=first,deployment.environment.name=a%2Cb";
    let settings = read(&[(RESOURCE_ATTRIBUTES, attributes), (SERVICE_NAME, "shop")]).unwrap();
    let attributes: Vec<_> =
        settings.attributes.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(attributes, [("deployment.environment.name", "a,b"), ("service.name", "shop")]);
}

#[test]
fn what_cannot_be_used_is_named_with_the_remedy_and_without_its_value() {
    for (variable, value, parts) in [
        (ENDPOINT, "5entine1:4318", &["http://127.0.0.1:4318"][..]),
        (ENDPOINT, "5entine1", &["begin with http"]),
        (ENDPOINT, "grpc://5entine1", &["begin with http"]),
        (METRICS_ENDPOINT, "http://", &["no URL"]),
        (ENDPOINT, "http://5entine1:port", &["port"]),
        (ENDPOINT, "http://5entine1:65536", &["port"]),
        (ENDPOINT, "http://u:p@5entine1:", &["port"]),
        (ENDPOINT, "http://a b5entine1", &["no URL"]),
        (ENDPOINT, "http://5entine1?x=1", &["`?`"]),
        (METRICS_ENDPOINT, "unix:///5entine1", &["http"]),
        (HEADERS[0], "5entine1", &["key=value"]),
        (HEADERS[1], "a=%5entine1%", &["percent"]),
        (HEADERS[1], "api-key=5entine1%0A", &["\"api-key\"", "visible ASCII"]),
        (HEADERS[1], "a b=5entine1", &["\"a b\"", "name"]),
        (HEADERS[1], "Content-Type=5entine1", &["\"Content-Type\"", "itself"]),
        (TIMEOUT[0], "10s5entine1", &["milliseconds", "10000"]),
        (TIMEOUT[1], "-1", &["milliseconds"]),
        (COMPRESSION[1], "zstd5entine1", &["gzip or none"]),
        (PROTOCOL[1], "grpc", &["http/protobuf"]),
        (PROTOCOL[0], "http/json", &["http/protobuf"]),
        (TEMPORALITY, "5entine1", &["cumulative, delta or lowmemory"]),
        (RESOURCE_ATTRIBUTES, "5entine1", &["key=value"]),
    ] {
        let message = message(&[(variable, value)]);
        for part in parts.iter().chain(&[variable, "write", "in the environment"]) {
            let is_header = message.contains("the header") && *part == "write";
            assert!(is_header || message.contains(part), "no {part:?} in {message:?}");
        }
        assert!(!message.contains("5entine1"), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let read = Settings::from_variables(None, |name| {
        (name == SERVICE_NAME).then(|| OsString::from_vec(vec![0xff]))
    });
    let Err(error) = read else { panic!("it can be used") };
    assert!(error.to_string().contains("OTEL_SERVICE_NAME: it is not Unicode"), "{error}");
}

#[test]
fn the_last_header_of_a_name_counts() {
    let mut settings = Settings::new("http://c").unwrap();
    settings.add_header(None, "X-Key", "1").unwrap();
    settings.add_header(None, "x-key", "2").unwrap();
    assert_eq!(settings.headers, [("x-key".to_owned(), "2".to_owned())]);
}
