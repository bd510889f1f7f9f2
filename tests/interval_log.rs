//! HdrHistogram's interval log, read back by the `hdrhistogram` crate.
#![cfg(all(not(loom), feature = "interval-log"))]

mod directory;
mod paper;

use directory::Directory;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use paper::Paper;
use quipu::{Client, ExporterReport, HistogramSnapshot, IntervalLog, Registry, Report};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

type Hdr = hdrhistogram::Histogram<u64>;

/// An interval: tag, start and length in seconds, maximum, distribution.
struct Interval {
    tag: String,
    start: Duration,
    length: Duration,
    max: f64,
    histogram: Hdr,
}

/// Start times and the program's intervals; all can be read, those of the client's own metrics too.
fn read(log: &[u8]) -> (Vec<Duration>, Vec<Interval>) {
    let (mut start_times, mut intervals) = (Vec::new(), Vec::new());
    for entry in IntervalLogIterator::new(log) {
        match entry.unwrap() {
            LogEntry::StartTime(time) => start_times.push(time),
            LogEntry::BaseTime(time) => panic!("timestamps are not absolute, but from {time:?}"),
            LogEntry::Interval(interval) => intervals.push(Interval {
                tag: interval.tag().unwrap().as_str().to_owned(),
                start: interval.start_timestamp(),
                length: interval.duration(),
                max: interval.max(),
                histogram: Deserializer::new()
                    .deserialize(&mut &*base64(interval.encoded_histogram()))
                    .unwrap(),
            }),
        }
    }
    intervals.retain(|interval| !interval.tag.starts_with("quipu."));
    (start_times, intervals)
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut pending) = (Vec::new(), 0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = DIGITS.iter().position(|&known| known == digit).unwrap();
        bits = (bits << 6) | value as u32;
        pending += 6;
        if pending >= 8 {
            pending -= 8;
            bytes.push((bits >> pending) as u8);
        }
    }
    bytes
}

/// By lowest value.
type Buckets = BTreeMap<u64, u64>;

fn buckets_of(hdr: &Hdr) -> Buckets {
    let recorded = hdr.iter_recorded();
    recorded
        .map(|it| (hdr.lowest_equivalent(it.value_iterated_to()), it.count_since_last_iteration()))
        .collect()
}

fn recorded(histogram: &HistogramSnapshot<'_>) -> Buckets {
    histogram.buckets().map(|bucket| (bucket.low, bucket.count)).collect()
}

fn sum(intervals: &[Interval], tag: &str) -> Buckets {
    let mut sum = Buckets::new();
    for interval in intervals.iter().filter(|interval| interval.tag == tag) {
        for (low, count) in buckets_of(&interval.histogram) {
            *sum.entry(low).or_default() += count;
        }
    }
    sum
}

fn client(registry: &Arc<Registry>, exporter: IntervalLog) -> Client {
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    client.backoff(NEVER..=NEVER).exporter(exporter).start().unwrap()
}

/// How it stands with the one exporter, which has everything.
fn delivered(report: &Report) -> &ExporterReport {
    assert!(report.is_delivered(), "{report}");
    assert_eq!(report.exporters.len(), 1);
    &report.exporters[0]
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn a_log_holds_each_interval_bucket_for_bucket() {
    let directory = Directory::new("intervals");
    let path = directory.path().join("log.hlog");
    let registry = Arc::new(Registry::new());
    registry.counter("not.in.the.log").register().unwrap().increment();
    let one = registry.histogram("one").significant_digits::<1>().register().unwrap();
    let two = registry.histogram("two").register().unwrap();
    let other = registry.histogram("two").label("other", "yes").register().unwrap();
    let three = registry.histogram("three").significant_digits::<3>().register().unwrap();
    let client = client(&registry, IntervalLog::file(&path).unwrap());
    let mut state = 1;
    let mut expected = Vec::new();
    let mut before = registry.snapshot();
    for round in 0..30 {
        for _ in 0..50 {
            let value = random(&mut state) << (random(&mut state) % 32);
            one.record(value);
            two.record(value >> 7);
            three.record_n(value >> 20, 3);
        }
        if round % 10 == 0 {
            other.record_n(0, 4);
            three.record_n(i64::MAX as u64, 1_000_000_000_000);
        }
        let now = registry.snapshot();
        let delta = now.delta(&before);
        for name in ["one", "three", "two"] {
            expected.push((name.to_owned(), recorded(&delta.histogram(name, &[]).unwrap())));
        }
        if round % 10 == 0 {
            expected.push(("two;other=yes".into(), Buckets::from([(0, 4)])));
        }
        before = now;
        client.flush(PATIENCE);
    }
    assert_eq!(delivered(&client.stop(PATIENCE)).failures, 0);

    let log = fs::read(&path).unwrap();
    let header = "#[Histogram log format version 1.3]\n#[StartTime: ";
    assert!(log.starts_with(header.as_bytes()));
    let (start_times, intervals) = read(&log);
    assert_eq!(start_times, [intervals[0].start]);
    assert_eq!(intervals.len(), expected.len());
    for (interval, (tag, buckets)) in intervals.iter().zip(expected) {
        assert_eq!(interval.tag, tag);
        assert_eq!(buckets_of(&interval.histogram), buckets);
        assert_eq!(interval.max, interval.histogram.max() as f64);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let last = intervals.last().unwrap();
    assert!(last.start + last.length <= now + Duration::from_millis(2));
    assert!(now - last.start < Duration::from_secs(600));
}

#[test]
fn values_and_counts_beyond_the_format_are_held_down() {
    let registry = Arc::new(Registry::new());
    let value = registry.histogram("value").register().unwrap();
    let count = registry.histogram("count").register().unwrap();
    value.record(u64::MAX);
    value.record(1);
    count.record_n(1, 5);
    count.record_n(7, 1 << 63);
    let paper = Paper::default();
    let report = client(&registry, IntervalLog::to(paper.clone())).stop(PATIENCE);
    assert_eq!(delivered(&report).failures, 0);
    let (_, intervals) = read(paper.text().as_bytes());
    let largest = i64::MAX as u64;
    assert_eq!(sum(&intervals, "count"), Buckets::from([(1, 5), (7, largest - 5)]));
    let histogram = &intervals[1].histogram;
    assert_eq!((histogram.min(), histogram.max(), histogram.len()), (1, histogram.high(), 2));
    assert_eq!(histogram.high(), largest);
}

#[test]
fn a_tag_has_nothing_that_separates_fields_and_can_be_taken_apart() {
    let value = "a b,c;d=e%f\"g'h\\i\nj\r\u{85}\u{2028}\u{e9}/x{y}[z]:1";
    let registry = Arc::new(Registry::new());
    let histogram = registry.histogram("h").label("v", value).label("w", "").register().unwrap();
    histogram.record(1);
    let paper = Paper::default();
    client(&registry, IntervalLog::to(paper.clone())).stop(PATIENCE);
    let (_, intervals) = read(paper.text().as_bytes());
    let tag = &intervals[0].tag;
    assert!(tag.bytes().all(|byte| byte.is_ascii_graphic() && !b",\"'\\".contains(&byte)), "{tag}");
    let parts: Vec<_> = tag.split(';').collect();
    assert_eq!((parts[0], parts[2], parts.len()), ("h", "w=", 3));
    let (key, encoded) = parts[1].split_once('=').unwrap();
    assert_eq!((key, decoded(encoded).as_str()), ("v", value));
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_process_that_was_started_again_continues_the_log() {
    let directory = Directory::new("continued");
    let path = directory.path().join("log.hlog");
    for _ in 0..3 {
        let registry = Arc::new(Registry::new());
        let histogram = registry.histogram("h").register().unwrap();
        let client = client(&registry, IntervalLog::file(&path).unwrap());
        histogram.record(5);
        client.flush(PATIENCE);
        histogram.record(6);
    }
    assert_one_header(&path);
    let (start_times, intervals) = read(&fs::read(&path).unwrap());
    assert_eq!(start_times.len(), 1);
    assert_eq!(intervals.len(), 6);
    assert_eq!(sum(&intervals, "h"), Buckets::from([(5, 3), (6, 3)]));

    fs::rename(&path, directory.path().join("log.hlog.1")).unwrap();
    let registry = Arc::new(Registry::new());
    let log = IntervalLog::file(&path).unwrap();
    fs::remove_file(&path).unwrap();
    client(&registry, log).stop(PATIENCE);
    assert_one_header(&path);
}

fn assert_one_header(path: &Path) {
    let log = fs::read_to_string(path).unwrap();
    assert!(log.starts_with("#[Histogram log format version 1.3]\n"));
    assert_eq!(log.matches("\"StartTimestamp\",").count(), 1);
}

#[test]
fn intervals_add_up_to_what_was_recorded_when_writes_fail() {
    let registry = Arc::new(Registry::new());
    let histogram = registry.histogram("h").register().unwrap();
    let paper = Paper::default();
    let client = client(&registry, IntervalLog::to(paper.clone()));
    let mut state = 3;
    let mut failures = 0;
    for round in 0..300 {
        histogram.record_n(random(&mut state) << (random(&mut state) % 30), round % 3 + 1);
        let fails = random(&mut state) % 2 == 0;
        paper.set_room(fails.then_some(0));
        failures += u64::from(fails);
        client.flush(PATIENCE);
    }
    paper.set_room(None);
    assert_eq!(delivered(&client.stop(PATIENCE)).failures, failures);
    let (start_times, intervals) = read(paper.text().as_bytes());
    assert_eq!(start_times.len(), 1);
    let snapshot = registry.snapshot();
    assert_eq!(sum(&intervals, "h"), recorded(&snapshot.histogram("h", &[]).unwrap()));
}
