//! One small registry in every format, byte for byte.

use super::{FORMATS, SPELLINGS, encoder};
use quipu::{PrometheusFormat, PrometheusNames, Registry, Snapshot, Unit};
use std::time::SystemTime;

fn registry() -> Registry {
    let registry = Registry::new();
    let requests = registry.counter("http.requests").help("Requests \"answered\"\nby method");
    requests.label("http.method", "GET").label("path", "C:\\\n\"x\"").register().unwrap().add(12);
    registry.up_down_counter("http.active").register().unwrap().add(-3);
    registry.gauge("disk.free").unit(Unit::Bytes).help("Free").register().unwrap().set(1.5e10);
    registry.gauge("never.set").register().unwrap();
    let duration = registry.histogram("x").unit(Unit::Nanoseconds).help("Time");
    let duration = duration.label("op", "get").register().unwrap();
    [0, 1_500_000, 65_000_000, 2_000_000_000].into_iter().for_each(|value| duration.record(value));
    registry
}

/// With `CREATED` for the moment that recording began.
fn text(snapshot: &Snapshot, format: PrometheusFormat, names: PrometheusNames) -> String {
    let mut body = Vec::new();
    encoder().encode(snapshot, format, names, &mut body);
    let since = snapshot.since().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let created = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
    let created = created.trim_end_matches('0').trim_end_matches('.');
    String::from_utf8(body).unwrap().replace(created, "CREATED")
}

#[test]
fn text_looks_like_this() {
    let body = text(&registry().snapshot(), PrometheusFormat::Text, SPELLINGS[0]);
    assert_eq!(
        body,
        r#"# HELP disk_free_bytes Free
# TYPE disk_free_bytes gauge
disk_free_bytes 15000000000.0
# HELP http_active http.active
# TYPE http_active gauge
http_active -3
# HELP http_requests_total Requests "answered"\nby method
# TYPE http_requests_total counter
http_requests_total{http_method="GET",path="C:\\\n\"x\""} 12
# HELP x_seconds Time
# TYPE x_seconds histogram
x_seconds_bucket{op="get",le="0"} 1
x_seconds_bucket{op="get",le="1e-09"} 1
x_seconds_bucket{op="get",le="0.002"} 2
x_seconds_bucket{op="get",le="0.07"} 3
x_seconds_bucket{op="get",le="1"} 3
x_seconds_bucket{op="get",le="1e+06"} 4
x_seconds_bucket{op="get",le="1e+19"} 4
x_seconds_bucket{op="get",le="1e+30"} 4
x_seconds_bucket{op="get",le="+Inf"} 4
x_seconds_sum{op="get"} 2.0665
x_seconds_count{op="get"} 4
"#
    );
}

#[test]
fn openmetrics_looks_like_this() {
    let body = text(&registry().snapshot(), PrometheusFormat::OpenMetrics, SPELLINGS[0]);
    assert_eq!(
        body,
        r#"# HELP disk_free_bytes Free
# TYPE disk_free_bytes gauge
# UNIT disk_free_bytes bytes
disk_free_bytes 15000000000.0
# HELP http_active http.active
# TYPE http_active gauge
http_active -3
# HELP http_requests Requests \"answered\"\nby method
# TYPE http_requests counter
http_requests_total{http_method="GET",path="C:\\\n\"x\""} 12
http_requests_created{http_method="GET",path="C:\\\n\"x\""} CREATED
# HELP x_seconds Time
# TYPE x_seconds histogram
# UNIT x_seconds seconds
x_seconds_bucket{op="get",le="0.0"} 1
x_seconds_bucket{op="get",le="1e-09"} 1
x_seconds_bucket{op="get",le="0.002"} 2
x_seconds_bucket{op="get",le="0.07"} 3
x_seconds_bucket{op="get",le="1.0"} 3
x_seconds_bucket{op="get",le="1e+06"} 4
x_seconds_bucket{op="get",le="1e+19"} 4
x_seconds_bucket{op="get",le="1e+30"} 4
x_seconds_bucket{op="get",le="+Inf"} 4
x_seconds_sum{op="get"} 2.0665
x_seconds_count{op="get"} 4
x_seconds_created{op="get"} CREATED
# EOF
"#
    );
}

#[test]
fn names_in_quotes_look_like_this() {
    let registry = Registry::new();
    let counter = registry.counter("http.requests").label("http.method", "GET").label("code", "1");
    counter.register().unwrap().add(12);
    registry.gauge("plain").label("a-b", "").register().unwrap().set(0.5);
    registry.histogram("a.ms").unit(Unit::Milliseconds).register().unwrap().record(7);
    let body = text(&registry.snapshot(), PrometheusFormat::OpenMetrics, PrometheusNames::Utf8);
    assert_eq!(
        body,
        r#"# HELP a_seconds a.ms
# TYPE a_seconds histogram
# UNIT a_seconds seconds
a_seconds_bucket{le="+Inf"} 1
a_seconds_sum 0.007
a_seconds_count 1
a_seconds_created CREATED
# HELP "http.requests" http.requests
# TYPE "http.requests" counter
{"http.requests_total",code="1","http.method"="GET"} 12
{"http.requests_created",code="1","http.method"="GET"} CREATED
# HELP plain plain
# TYPE plain gauge
plain{"a-b"=""} 0.5
# EOF
"#
    );
}

#[test]
fn without_created_only_those_lines_are_missing() {
    let snapshot = registry().snapshot();
    for names in SPELLINGS {
        for format in FORMATS {
            let [mut with, mut without] = [Vec::new(), Vec::new()];
            encoder().encode(&snapshot, format, names, &mut with);
            // Encoders that are made of one another have the same settings.
            let mut encoder = encoder().without_created().clone();
            encoder.encode(&snapshot, format, names, &mut without);
            if format != PrometheusFormat::OpenMetrics {
                assert!(with == without, "{format:?}");
                continue;
            }
            let [with, without] = [with, without].map(|body| String::from_utf8(body).unwrap());
            let is_created = |line: &&str| line.contains("_created");
            let (created, rest): (Vec<_>, Vec<_>) = with.lines().partition(is_created);
            assert_eq!(created.len(), 2, "{created:?}");
            assert_eq!(without.lines().collect::<Vec<_>>(), rest);
        }
    }
}

/// A message and what is in it, with its length before it.
fn field(key: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    assert!(content.len() < 128);
    [&[key, content.len() as u8], &content[..]].concat()
}

#[test]
fn protobuf_looks_like_this() {
    let registry = Registry::new();
    registry.gauge("g").label("k", "v").register().unwrap().set(2.5);
    let ratio = registry.histogram("a.ms").unit(Unit::Milliseconds).significant_digits::<1>();
    let ratio = ratio.register().unwrap();
    [0, 1_000, 1_000, 4_000].into_iter().for_each(|value| ratio.record(value));
    let snapshot = registry.snapshot();
    let since = snapshot.since().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let varint = |mut value: u64| {
        let mut bytes = Vec::new();
        while value > 127 {
            bytes.push(value as u8 | 128);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let created =
        [&[0x08][..], &varint(since.as_secs()), &[0x10], &varint(since.subsec_nanos().into())]
            .concat();
    let histogram = [
        &[0x08, 4][..],
        // The sum: 6 s.
        &[0x11, 0, 0, 0, 0, 0, 0, 0x18, 0x40],
        // Schema 3, and 2^-128 for zero.
        &[0x28, 6, 0x31, 0, 0, 0, 0, 0, 0, 0xf0, 0x37, 0x38, 1],
        // The bucket above 1 s, in which the middle of 992 to 1,023 ms lies, and 15 buckets later the
        // one above 4 s.
        &field(0x62, &[&[0x08, 2, 0x10, 1]]),
        &field(0x62, &[&[0x08, 30, 0x10, 1]]),
        &field(0x6a, &[&[4, 1]]),
        &field(0x7a, &[&created]),
    ]
    .concat();
    let histogram = field(0x3a, &[&histogram]);
    let mut body = Vec::new();
    encoder().encode(
        &snapshot,
        PrometheusFormat::Protobuf,
        PrometheusNames::Underscores,
        &mut body,
    );
    let label = field(0x0a, &[b"\x0a\x01k\x12\x01v"]);
    let value = field(0x12, &[&[0x09], &2.5_f64.to_le_bytes()]);
    let families = [
        field_of_family(b"\x0a\x09a_seconds\x12\x04a.ms\x18\x04\x2a\x07seconds", &histogram),
        field_of_family(b"\x0a\x01g\x12\x01g\x18\x01", &[label, value].concat()),
    ];
    assert_eq!(body, families.concat());
}

fn field_of_family(head: &[u8], metric: &[u8]) -> Vec<u8> {
    let family = [head, &field(0x22, &[metric])].concat();
    [&[family.len() as u8], &family[..]].concat()
}
