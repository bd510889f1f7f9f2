//! Input that a program did not choose: values at the ends of their range, names and labels of any
//! kind, conflicting and too many registrations. What is refused says why, and is counted.
#![cfg(not(loom))]

use quipu::{Client, Console, Counter, Histogram, RegisterError, Registry, Unit};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Texts that are no name, each of which a careless program may pass on.
fn hostile_texts() -> Vec<String> {
    let characters = [
        "\n",
        "\r\n",
        "\"",
        "'",
        "\\",
        "\0",
        "\t",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
        "\u{202e}",
        " ",
        "{",
        "}",
        ",",
        "|",
        "#",
        ":",
        "=",
        "ä",
        "名",
        "\u{1f9f6}",
        "\u{10ffff}",
        "\u{feff}",
    ];
    let inside = characters.iter().map(|character| format!("a{character}b"));
    let alone = characters.iter().map(|character| (*character).to_owned());
    let a_megabyte = characters.iter().map(|text| text.repeat((1 << 20) / text.len()));
    let digit_first = ["0", "9a", "-a", ".a", "/a"].map(str::to_owned);
    inside.chain(alone).chain(a_megabyte).chain(digit_first).chain([String::new()]).collect()
}

/// A refusal, checked for its message.
fn refusal<H>(result: Result<H, RegisterError>, remedy: &str) -> RegisterError {
    let Err(error) = result else { panic!("accepted, where the remedy would be to {remedy}") };
    let message = error.to_string();
    assert!(message.len() < 400, "{} bytes: {message:.600}", message.len());
    assert!(message.contains(remedy), "no {remedy:?} in {message:?}");
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(format!("{error:?}").len() < 1_000, "{} bytes of Debug", format!("{error:?}").len());
    error
}

#[test]
fn counters_take_zero_and_wrap_at_the_end() {
    let registry = Registry::new();
    let counter = registry.counter("c").register().unwrap();
    let up_down = registry.up_down_counter("u").register().unwrap();
    let before = registry.snapshot();
    counter.add(0);
    assert_eq!(registry.snapshot().counter("c", &[]), Some(0));
    counter.add(u64::MAX);
    up_down.add(i64::MIN);
    assert_eq!(registry.snapshot().counter("c", &[]), Some(u64::MAX));
    assert_eq!(registry.snapshot().up_down_counter("u", &[]), Some(i64::MIN));
    let at_the_end = registry.snapshot();
    counter.add(3);
    up_down.decrement();
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.counter("c", &[]), Some(2));
    assert_eq!(snapshot.up_down_counter("u", &[]), Some(i64::MAX));
    assert_eq!(snapshot.delta(&at_the_end).counter("c", &[]), Some(3));
    assert_eq!(snapshot.delta(&at_the_end).up_down_counter("u", &[]), Some(-1));
    assert_eq!(snapshot.delta(&before).counter("c", &[]), Some(2));
}

fn assert_ends_are_kept<const DIGITS: u8>(registry: &Registry, histogram: Histogram<DIGITS>) {
    for value in [0, u64::MAX, 0, u64::MAX - 1] {
        histogram.record(value);
    }
    histogram.record_n(0, 0);
    histogram.record_n(u64::MAX, 2);
    histogram.record_duration(std::time::Duration::MAX);
    let snapshot = registry.snapshot();
    let seen = snapshot.histogram("h", &[]).unwrap();
    assert_eq!(seen.count(), 7);
    assert_eq!(seen.sum(), u64::MAX.wrapping_mul(5).wrapping_sub(1));
    assert_eq!((seen.min(), seen.max()), (Some(0), Some(u64::MAX)));
    assert_eq!((seen.quantile(0.0), seen.quantile(1.0)), (Some(0), Some(u64::MAX)));
    assert_eq!((seen.quantile(-1.0), seen.quantile(2.0)), (Some(0), Some(u64::MAX)));
    assert_eq!(seen.quantile(f64::NAN), None);
    assert_eq!(seen.buckets().map(|bucket| bucket.count).collect::<Vec<_>>(), [2, 5]);
}

#[test]
fn histograms_take_the_ends_of_the_range() {
    let registry = Registry::new();
    let builder = || registry.histogram("h");
    assert_ends_are_kept(&registry, builder().significant_digits::<1>().register().unwrap());
    let registry = Registry::new();
    assert_ends_are_kept(&registry, registry.histogram("h").register().unwrap());
    let registry = Registry::new();
    let builder = registry.histogram("h").significant_digits::<3>();
    assert_ends_are_kept(&registry, builder.register().unwrap());
    let registry = Registry::new();
    assert_ends_are_kept(&registry, registry.histogram("h").shared().register().unwrap());
}

#[test]
fn an_empty_histogram_has_no_quantiles() {
    let registry = Registry::new();
    registry.histogram("h").register().unwrap().record_n(5, 0);
    let snapshot = registry.snapshot();
    let seen = snapshot.histogram("h", &[]).unwrap();
    assert_eq!((seen.count(), seen.sum(), seen.min(), seen.max()), (0, 0, None, None));
    assert_eq!((seen.mean(), seen.quantile(0.5)), (None, None));
    assert!(seen.to_hdr().is_empty());
}

/// All three values are of one bucket.
#[test]
fn a_value_recorded_no_times_leaves_no_trace() {
    let registry = Registry::new();
    let histogram = registry.histogram("h").register().unwrap();
    histogram.record(100_000);
    histogram.record_n(99_900, 0);
    histogram.record_n(100_100, 0);
    let snapshot = registry.snapshot();
    let seen = snapshot.histogram("h", &[]).unwrap();
    assert_eq!((seen.count(), seen.sum()), (1, 100_000));
    assert_eq!((seen.min(), seen.max()), (Some(100_000), Some(100_000)));
}

#[test]
fn gauges_keep_whatever_is_set() {
    let registry = Registry::new();
    let gauge = registry.gauge("g").register().unwrap();
    assert_eq!(registry.snapshot().gauge("g", &[]), None);
    let readings =
        [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MAX, f64::from_bits(1)];
    for reading in readings {
        gauge.set(reading);
        let seen = registry.snapshot().gauge("g", &[]).unwrap();
        assert_eq!(seen.to_bits(), reading.to_bits(), "{reading}");
    }
}

#[test]
fn names_that_break_the_rules_are_refused() {
    let registry = Registry::new();
    let long = "a".repeat(256);
    for name in hostile_texts().iter().chain([&long, &"_a".to_owned()]) {
        let error = refusal(registry.counter(name).register(), "");
        assert!(matches!(error, RegisterError::InvalidName { .. }), "{error:?}");
    }
    assert!(registry.snapshot().is_empty());
    registry.counter(&long[1..]).register().unwrap();
    registry.counter("a_b.c-d/9").register().unwrap();
    assert_eq!(registry.snapshot().len(), 2);
    refusal(registry.counter("").register(), "give it a name");
    refusal(registry.counter("9a").register(), "put one in front");
    refusal(registry.counter(&long).register(), "shorten");
    refusal(registry.counter("a b").register(), "replace");
}

#[test]
fn label_keys_that_break_the_rules_are_refused() {
    let registry = Registry::new();
    for key in hostile_texts() {
        let error = refusal(registry.counter("c").label(&key, "v").register(), "");
        assert!(matches!(error, RegisterError::InvalidLabelKey { .. }), "{error:?}");
    }
    assert!(registry.snapshot().is_empty());
    registry.counter("c").label("_k", "v").register().unwrap();
}

#[test]
fn label_values_may_be_any_text_without_nul_of_moderate_length() {
    let registry = Registry::new();
    for value in hostile_texts() {
        let result = registry.counter("c").label("k", &value).register();
        if value.contains('\0') || value.len() > 4_096 {
            let error = refusal(result, if value.len() > 4_096 { "shorten" } else { "remove" });
            assert!(matches!(error, RegisterError::InvalidLabelValue { .. }), "{error:?}");
        } else {
            result.unwrap().increment();
            assert_eq!(registry.snapshot().counter("c", &[("k", &value)]), Some(1), "{value:?}");
        }
    }
    registry.counter("c").label("k", &"v".repeat(4_096)).register().unwrap();
}

#[test]
fn labels_are_limited_in_number_and_have_different_keys() {
    let registry = Registry::new();
    let with_labels = |labels: usize| {
        let keys: Vec<_> = (0..labels).map(|index| format!("k{index}")).collect();
        keys.iter().fold(registry.counter("c"), |builder, key| builder.label(key, "v")).register()
    };
    let error = refusal(with_labels(65), "drop some");
    assert_eq!(error, RegisterError::TooManyLabels { labels: 65, limit: 64 });
    refusal(with_labels(10_000), "drop some");
    with_labels(64).unwrap();

    let twice = |other| registry.counter("c").label("k", "v").label("l", "v").label("k", other);
    for other in ["v", "w"] {
        let error = refusal(twice(other).register(), "name each key once");
        assert_eq!(error, RegisterError::DuplicateLabel { key: "k".into() });
    }
}

#[test]
fn a_name_has_one_kind_one_unit_and_one_precision() {
    let registry = Registry::new();
    let counter = registry.counter("c").unit(Unit::Bytes).label("k", "v").register().unwrap();
    let histogram = registry.histogram("h").register().unwrap();
    let choose = "choose a new name";
    for labels in [&[][..], &[("k", "v")]] {
        let labelled = |key: &str| labels.iter().any(|(other, _)| *other == key);
        let value = if labelled("k") { "v" } else { "w" };
        let gauge = registry.gauge("c").unit(Unit::Bytes).label("k", value).register();
        assert!(matches!(refusal(gauge, choose), RegisterError::KindMismatch { .. }));
        let up_down = registry.up_down_counter("c").unit(Unit::Bytes).label("k", value).register();
        assert!(matches!(refusal(up_down, choose), RegisterError::KindMismatch { .. }));
        let unit = registry.counter("c").label("k", value).register();
        assert!(matches!(refusal(unit, choose), RegisterError::UnitMismatch { .. }));
        let digits = registry.histogram("h").significant_digits::<3>().register();
        let error = refusal(digits, choose);
        assert!(matches!(error, RegisterError::DigitsMismatch { registered: 2, requested: 3, .. }));
    }
    let long = "n".repeat(255);
    registry.counter(&long).register().unwrap();
    refusal(registry.gauge(&long).register(), choose);

    // The one that exists is the same series as before.
    counter.increment();
    registry.counter("c").unit(Unit::Bytes).label("k", "v").register().unwrap().increment();
    assert_eq!(registry.snapshot().counter("c", &[("k", "v")]), Some(2));
    histogram.record(1);
    registry.histogram("h").shared().help("not the first").register().unwrap().record(1);
    assert_eq!(registry.snapshot().histogram("h", &[]).unwrap().count(), 2);
    assert_eq!(registry.snapshot().histogram("c", &[("k", "v")]).map(|_| ()), None);
    assert_eq!(registry.snapshot().counter("c", &[]), None);
}

#[test]
fn a_full_registry_refuses_new_series_and_keeps_the_old() {
    let registry = Registry::with_max_series(2);
    let first = registry.counter("c").label("k", "1").register().unwrap();
    registry.gauge("g").register().unwrap();
    for attempt in 1..=3 {
        let error = refusal(registry.counter("c").label("k", "2").register(), "with_max_series");
        assert_eq!(error, RegisterError::RegistryFull { limit: 2 });
        assert_eq!(registry.refusals().count, attempt);
        assert_eq!(registry.refusals().last, Some(error));
    }
    first.increment();
    registry.counter("c").label("k", "1").register().unwrap().increment();
    let snapshot = registry.snapshot();
    assert_eq!((snapshot.len(), snapshot.counter("c", &[("k", "1")])), (2, Some(2)));
    refusal(Registry::with_max_series(0).counter("c").register(), "with_max_series");
}

#[test]
fn every_refusal_is_counted_and_the_detached_handles_work() {
    let registry = Registry::new();
    assert_eq!((registry.refusals().count, registry.refusals().last), (0, None));
    let before = quipu::detached_records();
    let counter: Counter = registry.counter("").register_or_detached();
    let up_down = registry.up_down_counter("0").register_or_detached();
    let gauge = registry.gauge("a b").register_or_detached();
    let coarse = registry.histogram("\n").significant_digits::<1>().register_or_detached();
    let histogram = registry.histogram("\"").register_or_detached();
    let fine = registry.histogram("ä").significant_digits::<3>().register_or_detached();
    assert_eq!(registry.refusals().count, 6);
    assert!(matches!(registry.refusals().last, Some(RegisterError::InvalidName { .. })));
    counter.add(5);
    up_down.decrement();
    gauge.set(1.0);
    coarse.record(1);
    histogram.record_n(1, 20);
    fine.record_corrected(300, 1);
    // Counters and histograms are counted; no other test of this file records to detached ones.
    assert_eq!(quipu::detached_records() - before, 5 + 1 + 20 + 300);
    assert!(registry.snapshot().is_empty());
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_console_shows_nothing_that_a_terminal_would_obey() {
    let registry = Arc::new(Registry::new());
    let mut labelled = 0;
    for value in hostile_texts() {
        let label = |kind: &'static str| (kind, value.clone());
        let (counter, histogram, gauge) = (label("c"), label("h"), label("g"));
        if let Ok(counter) = registry.counter("c").label("k", &counter.1).help(&value).register() {
            counter.increment();
            let histogram = registry.histogram("h").label("k", &histogram.1);
            histogram.shared().register().unwrap().record(labelled);
            registry.gauge("g").label("k", &gauge.1).register().unwrap().set(f64::NAN);
            labelled += 1;
        }
    }
    let page = Page::default();
    let client = Client::builder().registry(registry).exporter(Console::to(page.clone()));
    assert!(client.start().unwrap().stop(Duration::from_secs(30)).is_delivered());
    let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let obeyed = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{feff}".contains(c));
    assert!(!text.contains(obeyed), "{text:?}");
    // One line each, so no value has broken out of its own.
    for kind in ["c{", "g{", "h{"] {
        let rows = text.lines().filter(|line| line.starts_with(kind)).count();
        assert_eq!(rows as u64, labelled, "{text}");
    }
}
