use super::*;
use http::HeaderValue;
use proptest::prelude::*;

const PROTOBUF: &str = "application/vnd.google.protobuf;\
                        proto=io.prometheus.client.MetricFamily;encoding=delimited";

use PrometheusFormat::{OpenMetrics, Protobuf, Text};
use PrometheusNames::{Underscores, Utf8};

fn accepting(values: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(ACCEPT, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn of(accept: &str) -> Format {
    Format::accepted(&accepting(&[accept.as_bytes()]))
}

fn gzip(accept_encoding: &str) -> bool {
    let mut headers = HeaderMap::new();
    headers.append(ACCEPT_ENCODING, HeaderValue::from_str(accept_encoding).unwrap());
    accepts_gzip(&headers)
}

#[test]
fn each_client_gets_what_it_asks_for() {
    let table: &[(&str, Format)] = &[
        // Prometheus 2.42, without and with native histograms.
        (
            "application/openmetrics-text;version=1.0.0,\
             application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,\
             */*;q=0.1",
            Format::Prometheus(OpenMetrics, Underscores),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
             application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,\
             */*;q=0.1",
            Format::Prometheus(Protobuf, Underscores),
        ),
        // Prometheus 3.5, without and with; of names in protobuf it says nothing.
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2",
            Format::Prometheus(OpenMetrics, Utf8),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,\
             */*;q=0.1",
            Format::Prometheus(Protobuf, Underscores),
        ),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5",
            Format::Prometheus(Protobuf, Utf8),
        ),
        // The order is by quality, whatever comes first.
        (
            "text/plain;version=0.0.4;q=0.3, application/openmetrics-text;version=1.0.0;\
             escaping=underscores;q=0.6, application/json;q=0.59",
            Format::Prometheus(OpenMetrics, Underscores),
        ),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", Format::Prometheus(Text, Utf8)),
        ("text/plain;version=1.0.0;escaping=dots", TEXT),
        ("text/plain;version=0.0.4;escaping=allow-utf-8", TEXT),
        ("text/plain; version=\"1.0.0\"; escaping=\"allow-utf-8\"", Format::Prometheus(Text, Utf8)),
        (
            "application/openmetrics-text;version=0.0.1",
            Format::Prometheus(OpenMetrics, Underscores),
        ),
        ("application/openmetrics-text", Format::Prometheus(OpenMetrics, Underscores)),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("APPLICATION/JSON", Format::Json),
        ("application/json;charset=utf-8", Format::Json),
        (PROTOBUF, Format::Prometheus(Protobuf, Underscores)),
        // Protobuf in other shapes, and for who does not name it.
        ("application/vnd.google.protobuf", TEXT),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            TEXT,
        ),
        ("application/vnd.google.protobuf;proto=other.Family;encoding=delimited", TEXT),
        // Browsers, curl, scripts.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("application/*", Format::Prometheus(OpenMetrics, Underscores)),
        ("application/json, */*", Format::Json),
        ("application/json;q=0.5, */*;q=0.9", TEXT),
        ("application/json, text/plain, */*", TEXT),
        // The most specific range decides.
        ("text/plain;q=0, */*", Format::Prometheus(OpenMetrics, Underscores)),
        ("text/plain;q=0.1, text/*, application/json;q=0.5", Format::Json),
        ("text/*;q=0, application/openmetrics-text;q=0, */*", Format::Json),
        // Ties.
        (
            "application/json, application/openmetrics-text",
            Format::Prometheus(OpenMetrics, Underscores),
        ),
        ("application/json, text/plain", TEXT),
        // Nothing acceptable, and nothing that is understood.
        ("image/png", TEXT),
        ("*/*;q=0", TEXT),
        ("", TEXT),
        (",;,;;=,q=,/", TEXT),
        ("application/json;q=2", TEXT),
        ("application/json;q=-1", TEXT),
        ("application/json;q=0.1234", TEXT),
        ("application/json;q=1.001", TEXT),
        ("application/json;q=nan", TEXT),
        ("application/json;q=1.", Format::Json),
        ("application/json;q=0.001", Format::Json),
        ("application/json;q=0.000", TEXT),
        ("application/json;x=\",text/plain;q=0\";q=0.5", Format::Json),
        ("application/json;x=\"\\\",\";q=0.5", Format::Json),
        ("application/json;x=\"never closed, text/plain", Format::Json),
        ("  application/json  ;  q = 0.5  ", Format::Json),
    ];
    for (accept, format) in table {
        assert_eq!(of(accept), *format, "{accept}");
    }
    assert_eq!(Format::accepted(&HeaderMap::new()), TEXT);
}

#[test]
fn several_headers_are_one_list() {
    let two = accepting(&[b"text/plain;q=0.3", b"application/json"]);
    assert_eq!(Format::accepted(&two), Format::Json);
    let one_is_no_text = accepting(&[b"\xff\xfe", b"application/json"]);
    assert_eq!(Format::accepted(&one_is_no_text), Format::Json);
}

#[test]
fn a_list_that_is_too_long_counts_as_none() {
    let padded = |length: usize| format!("application/json;x={}", "y".repeat(length - 19));
    assert_eq!(of(&padded(MAX_LIST_BYTES)), Format::Json);
    assert_eq!(of(&padded(MAX_LIST_BYTES + 1)), TEXT);
    let half = padded(MAX_LIST_BYTES / 2 + 1);
    assert_eq!(Format::accepted(&accepting(&[half.as_bytes(); 2])), TEXT);
}

#[test]
fn gzip_is_for_who_takes_it() {
    for taken in ["gzip", "GZIP", "x-gzip", "deflate, gzip;q=0.5", "*", "br, *;q=0.1", "gzip;q=1.0"]
    {
        assert!(gzip(taken), "{taken}");
    }
    for refused in ["", "deflate", "gzip;q=0", "gzip;q=0.000, *", "*;q=0", "gzip;q=x", "identity"] {
        assert!(!gzip(refused), "{refused}");
    }
    assert!(!accepts_gzip(&HeaderMap::new()));
}

/// Text that is likely to mean something.
fn accept() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "text/plain",
        "application/json",
        "application/openmetrics-text",
        "application/*",
        "*/*",
        PROTOBUF,
        ";q=",
        "0",
        "0.5",
        "1",
        "1.000",
        ",",
        ";",
        "=",
        "\"",
        "\\",
        " ",
        "version=",
        "1.0.0",
        "0.0.4",
        "escaping=allow-utf-8",
        "/",
        "*",
        "\u{e4}",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn whatever_is_asked_for_there_is_an_answer(accept in accept(), any: Vec<u8>) {
        for bytes in [accept, any] {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.append(ACCEPT, value.clone());
                headers.append(ACCEPT_ENCODING, value);
                let format = Format::accepted(&headers);
                prop_assert!(OFFERS.contains(&format));
                accepts_gzip(&headers);
            }
        }
    }

    /// Without parameters and wildcards the rule is short: the best quality, and then our order.
    #[test]
    fn plain_lists_are_answered_by_quality(qualities: [Option<u8>; 3]) {
        let names = ["application/openmetrics-text", "text/plain", "application/json"];
        let formats = [Format::Prometheus(OpenMetrics, Underscores), TEXT, Format::Json];
        let asked: Vec<_> = names.iter().zip(qualities).filter_map(|(name, quality)| {
            quality.map(|quality| format!("{name};q=0.{:02}", quality % 100))
        }).collect();
        let best = formats.iter().zip(qualities).rev()
            .filter_map(|(format, quality)| Some((*format, quality? % 100)))
            .filter(|(_, quality)| *quality != 0)
            .max_by_key(|(_, quality)| *quality);
        prop_assert_eq!(of(&asked.join(",")), best.map_or(TEXT, |(format, _)| format));
    }
}
