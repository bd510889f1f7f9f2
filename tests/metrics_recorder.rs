//! Programs that record through the crate `metrics`.
#![cfg(all(feature = "metrics", not(loom)))]

mod process;

use metrics::{Key, Label, Level, Metadata, Recorder, Unit, with_local_recorder};
use process::in_own_process;
use quipu::{
    Kind, MetricsRecorder, PrometheusEncoder, PrometheusFormat, PrometheusNames, Registry,
    Snapshot, Value,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Once};

/// Of two threads that do something at once, each time anew.
const ROUNDS: u64 = if cfg!(miri) { 20 } else { 3_000 };

static METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

/// A registry, and a recorder for it.
fn recorder() -> (Arc<Registry>, MetricsRecorder) {
    let registry = Arc::new(Registry::new());
    let recorder = MetricsRecorder::new().registry(registry.clone());
    (registry, recorder)
}

/// The counts of a counter's series, by the value of one label.
fn counts(snapshot: &Snapshot, name: &str, key: &str) -> BTreeMap<String, u64> {
    let series = snapshot.iter().filter(|(descriptor, _)| descriptor.name() == name);
    let counts = series.filter_map(|(descriptor, value)| match value {
        Value::Counter(count) => Some((descriptor.label(key).unwrap_or("-").to_owned(), count)),
        _ => None,
    });
    counts.collect()
}

fn names(registry: &Registry) -> Vec<String> {
    registry.snapshot().iter().map(|(descriptor, _)| descriptor.name().to_owned()).collect()
}

/// What quipu has logged about things whose name has `word` in it.
fn logged(word: &str) -> Vec<String> {
    let all = LOGGED.lock().unwrap();
    all.iter().filter(|line| line.contains(word)).cloned().collect()
}

static LOGGED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what is logged, and counts it through `metrics`, as loggers may.
struct RecordingLogger;

impl log::Log for RecordingLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        metrics::counter!("log.lines", "level" => record.level().as_str()).increment(1);
        LOGGED.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

fn start_logging() {
    static LOGGER: Once = Once::new();
    LOGGER.call_once(|| {
        log::set_logger(&RecordingLogger).unwrap();
        log::set_max_level(log::LevelFilter::Info);
    });
}

#[test]
fn every_kind_is_a_series_of_the_registry() {
    let (registry, recorder) = recorder();
    with_local_recorder(&recorder, || {
        for _ in 0..3 {
            metrics::counter!("jobs.done", "queue" => "a").increment(2);
        }
        metrics::gauge!("depth").set(4.5);
        metrics::histogram!("wait", "queue" => String::from("b")).record(0.25);
        metrics::histogram!("wait", "queue" => "b").record_many(2.0, 3);
    });
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.counter("jobs.done", &[("queue", "a")]), Some(6));
    assert_eq!(snapshot.gauge("depth", &[]), Some(4.5));
    let wait = snapshot.histogram("wait", &[("queue", "b")]).unwrap();
    assert_eq!((wait.count(), wait.sum(), wait.min()), (4, 6_250, Some(250)));
}

#[test]
fn the_order_of_labels_does_not_matter() {
    let (registry, recorder) = recorder();
    // No other key than the first has room.
    let recorder = recorder.max_series(1);
    let labels: Vec<_> = (0..10).map(|at| Label::new(format!("k{at}"), format!("v{at}"))).collect();
    for rotation in 0..labels.len() {
        let mut labels = labels.clone();
        labels.rotate_left(rotation);
        recorder.register_counter(&Key::from_parts("c", labels), &METADATA).increment(1);
    }
    let snapshot = registry.snapshot();
    assert_eq!(counts(&snapshot, "c", "k3"), BTreeMap::from([("v3".into(), 10)]));
}

#[test]
fn of_several_labels_with_one_key_the_greatest_counts() {
    let (registry, recorder) = recorder();
    with_local_recorder(&recorder, || {
        metrics::counter!("c", "k" => "a", "other" => "x", "k" => "b").increment(1);
        metrics::counter!("c", "other" => "x", "k" => "b").increment(1);
        metrics::counter!("c", "k" => "b", "k" => "a", "other" => "x").increment(5);
    });
    let counts = counts(&registry.snapshot(), "c", "k");
    assert_eq!(counts, BTreeMap::from([("b".into(), 7)]));
}

#[test]
fn a_counter_is_raised_to_at_least_an_absolute_value() {
    let (registry, recorder) = recorder();
    let count = || registry.snapshot().counter("c", &[]).unwrap();
    let counter = recorder.register_counter(&Key::from_static_name("c"), &METADATA);
    for (value, expected) in [(0, 0), (7, 7), (3, 7), (7, 7), (9, 9)] {
        counter.absolute(value);
        assert_eq!(count(), expected);
    }
    counter.increment(5);
    counter.absolute(10);
    assert_eq!(count(), 14);
    std::thread::scope(|scope| {
        scope.spawn(|| counter.absolute(u64::MAX));
    });
    assert_eq!(count(), u64::MAX);
}

/// Spins at first, so that threads which wait for each other go on at the same moment.
fn wait_until(is_so: impl Fn() -> bool) {
    let mut spins = 0;
    while !is_so() {
        spins += 1;
        if spins < 10_000 { std::hint::spin_loop() } else { std::thread::yield_now() }
    }
}

#[test]
fn absolute_values_of_several_threads_come_to_their_maximum() {
    let (registry, recorder) = recorder();
    let other = MetricsRecorder::new().registry(registry.clone());
    let counter_of =
        |it: &MetricsRecorder| it.register_counter(&Key::from_static_name("c"), &METADATA);
    let (counter, other) = (counter_of(&recorder), counter_of(&other));
    let mut wrong = 0;
    let (begun, ended) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                wait_until(|| begun.load(SeqCst) == round);
                other.absolute(round * 1_000 - 300);
                ended.store(round, SeqCst);
            }
        });
        for round in 1..=ROUNDS {
            begun.store(round, SeqCst);
            counter.absolute(round * 1_000);
            wait_until(|| ended.load(SeqCst) == round);
            let now = registry.snapshot().counter("c", &[]);
            wrong += usize::from(now != Some(round * 1_000));
        }
    });
    assert_eq!(wrong, 0, "of {ROUNDS} rounds");
}

#[test]
fn increments_are_not_lost_beside_absolute_values() {
    let (registry, recorder) = recorder();
    let counter = recorder.register_counter(&Key::from_static_name("c"), &METADATA);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..50_000).for_each(|_| counter.increment(1)));
        }
        scope.spawn(|| (0..1_000).for_each(|value| counter.absolute(value)));
    });
    let count = registry.snapshot().counter("c", &[]).unwrap();
    assert!((100_000..=100_999).contains(&count), "{count}");
}

#[test]
fn a_gauge_moves_exactly_whoever_moves_it() {
    let (registry, recorder) = recorder();
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let recorder = &recorder;
            scope.spawn(move || {
                with_local_recorder(recorder, || {
                    for _ in 0..20_000 {
                        metrics::gauge!("g").increment(1.5);
                        metrics::gauge!("g").decrement(f64::from(thread) * 0.5);
                    }
                });
            });
        }
    });
    let expected = 20_000.0 * (4.0 * 1.5 - (0.5 + 1.0 + 1.5));
    assert_eq!(registry.snapshot().gauge("g", &[]), Some(expected));
    with_local_recorder(&recorder, || metrics::gauge!("g").set(-1));
    let _never_set = with_local_recorder(&recorder, || metrics::gauge!("never"));
    let snapshot = registry.snapshot();
    assert_eq!((snapshot.gauge("g", &[]), snapshot.gauge("never", &[])), (Some(-1.0), None));
}

#[test]
fn a_set_of_a_gauge_replaces_whole_moves() {
    let (registry, recorder) = recorder();
    let gauge = recorder.register_gauge(&Key::from_static_name("g"), &METADATA);
    gauge.set(0.0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..20_000).for_each(|_| gauge.increment(1.0)));
        }
        scope.spawn(|| (1..=50).for_each(|round| gauge.set(f64::from(round) * 100_000.0)));
    });
    // The last set, and the moves that came after it.
    let moves = registry.snapshot().gauge("g", &[]).unwrap() - 5_000_000.0;
    assert!((0.0..=40_000.0).contains(&moves) && moves.fract() == 0.0, "{moves}");
}

#[test]
fn values_that_no_histogram_holds_are_counted() {
    let (registry, recorder) = recorder();
    with_local_recorder(&recorder, || {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
            metrics::histogram!("h").record(value);
        }
        metrics::histogram!("h").record_many(-1.0, 10);
        metrics::histogram!("h").record(-0.0);
    });
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.histogram("h", &[]).unwrap().count(), 1);
    assert_eq!(snapshot.counter("quipu.values.refused", &[]), Some(15));
}

#[test]
fn units_are_exported_as_the_numbers_that_were_recorded() {
    let registry = Arc::new(Registry::new());
    let recorder = MetricsRecorder::new().registry(registry.clone());
    let recorder = recorder.scale("odd", 0.5, quipu::Unit::None);
    with_local_recorder(&recorder, || {
        metrics::describe_histogram!("took", Unit::Milliseconds, "Time.");
        metrics::describe_histogram!("size", Unit::Kibibytes, "");
        metrics::describe_histogram!("batch", Unit::Count, "");
        metrics::describe_gauge!("uptime", Unit::Seconds, "");
        for name in ["took", "size", "batch", "share", "wait_seconds", "odd"] {
            metrics::histogram!(name).record(1.5);
        }
        metrics::gauge!("uptime").set(0.5);
    });
    let snapshot = registry.snapshot();
    let sum = |name| snapshot.histogram(name, &[]).unwrap().sum();
    assert_eq!([sum("took"), sum("size"), sum("batch")], [1_500_000, 1_536, 2]);
    assert_eq!([sum("share"), sum("wait_seconds"), sum("odd")], [1_500, 1_500_000_000, 1]);

    let (mut encoder, mut text) = (PrometheusEncoder::new(), Vec::new());
    encoder.encode(&snapshot, PrometheusFormat::Text, PrometheusNames::Underscores, &mut text);
    let text = String::from_utf8(text).unwrap();
    for line in [
        "# HELP took_seconds Time.",
        "took_seconds_sum 0.0015",
        "size_bytes_sum 1536",
        "batch_sum 2",
        "share_sum 1.5",
        "share_bucket{le=\"1\"} 0",
        "share_bucket{le=\"2.5\"} 1",
        "wait_seconds_sum 1.5",
        "uptime_seconds 0.5",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
}

#[test]
fn descriptions_count_before_the_first_use_and_are_logged_once_after() {
    start_logging();
    let (registry, recorder) = recorder();
    with_local_recorder(&recorder, || {
        metrics::describe_counter!("described.early", Unit::Bytes, "First.");
        metrics::describe_counter!("described.early", Unit::Seconds, "Second.");
        metrics::counter!("described.early").increment(1);
        metrics::counter!("described.late").increment(1);
        for _ in 0..3 {
            metrics::describe_counter!("described.late", Unit::Bytes, "Late.");
            metrics::describe_counter!("described.early", Unit::Bytes, "First.");
        }
    });
    let snapshot = registry.snapshot();
    let descriptor = |name| snapshot.iter().find(|(it, _)| it.name() == name).unwrap().0;
    let early = descriptor("described.early");
    assert_eq!((early.help(), early.unit()), ("First.", quipu::Unit::Bytes));
    let late = descriptor("described.late");
    assert_eq!((late.help(), late.unit()), ("", quipu::Unit::None));
    assert_eq!((logged("described.late").len(), logged("described.early").len()), (1, 0));
}

#[test]
fn a_name_of_two_kinds_is_two_metrics() {
    start_logging();
    let (registry, recorder) = recorder();
    registry.histogram("by.hand").unit(quipu::Unit::Nanoseconds).register().unwrap();
    with_local_recorder(&recorder, || {
        for _ in 0..2 {
            metrics::counter!("twofold").increment(1);
            metrics::gauge!("twofold").set(7);
            metrics::histogram!("twofold").record(1);
            metrics::histogram!("by.hand").record(1);
        }
        metrics::gauge!("twofold_gauge").set(8);
    });
    let snapshot = registry.snapshot();
    assert_eq!(snapshot.counter("twofold", &[]), Some(2));
    assert_eq!(snapshot.gauge("twofold_gauge", &[]), Some(7.0));
    assert_eq!(snapshot.histogram("twofold_histogram", &[]).unwrap().count(), 2);
    assert_eq!(snapshot.histogram("by.hand_histogram", &[]).unwrap().count(), 2);
    let gauges = snapshot.iter().filter(|(descriptor, _)| descriptor.kind() == Kind::Gauge);
    let gauges: Vec<_> = gauges.map(|(descriptor, value)| (descriptor.name(), value)).collect();
    assert!(gauges.len() == 2 && matches!(gauges[1].1, Value::Gauge(8.0)), "{gauges:?}");
    assert_eq!(registry.refusals().count, 0);
    assert_eq!(logged("\"twofold\" of").len(), 2);
}

#[test]
fn any_text_is_a_name_and_names_stay_apart() {
    start_logging();
    let (registry, recorder) = recorder();
    let given = ["", "\u{3c0}", "a b", "a:b", "a_b", "9", "x\0", &"long".repeat(100)];
    for (n, name) in given.iter().enumerate() {
        let key = Key::from_parts(name.to_string(), vec![Label::new(name.to_string(), "\0")]);
        for _ in 0..2 {
            recorder.register_counter(&key, &METADATA).increment(1 << n);
        }
    }
    let snapshot = registry.snapshot();
    let mut values: Vec<_> = snapshot
        .iter()
        .map(|(descriptor, value)| {
            assert!(
                descriptor.labels().next().unwrap().value().starts_with('\u{fffd}'),
                "{descriptor:?}"
            );
            let Value::Counter(count) = value else { panic!("{descriptor:?}") };
            count
        })
        .collect();
    values.sort_unstable();
    assert_eq!(values, (1..=given.len() as u32).map(|n| 1 << n).collect::<Vec<u64>>());
    assert_eq!(registry.refusals().count, 0);
    let names = names(&registry);
    assert_eq!(names.iter().filter(|name| name.starts_with("a_b")).count(), 3, "{names:?}");
    assert_eq!(logged("\"a:b\"").len(), 2);
}

#[test]
fn what_is_past_the_limit_of_a_name_is_counted_as_overflow() {
    let registry = Arc::new(Registry::new());
    let recorder = MetricsRecorder::new().registry(registry.clone()).max_series(100);
    with_local_recorder(&recorder, || {
        for round in 0..3 {
            for value in 0..1_000 {
                metrics::counter!("c", "k" => value.to_string()).increment(1);
                metrics::histogram!("h", "k" => value.to_string()).record(round);
            }
        }
        metrics::counter!("other", "k" => "1000").increment(1);
    });
    let snapshot = registry.snapshot();
    let counts = counts(&snapshot, "c", "k");
    assert_eq!((counts.len(), counts["99"], counts["-"]), (101, 3, 2_700));
    assert_eq!(snapshot.counter("c", &[("overflow", "true")]), Some(2_700));
    assert_eq!(snapshot.histogram("h", &[("overflow", "true")]).unwrap().count(), 2_700);
    assert_eq!(snapshot.counter("other", &[("k", "1000")]), Some(1));
    let refusals = registry.refusals();
    assert_eq!(refusals.count, 5_400);
    assert!(refusals.last.unwrap().to_string().contains("limit of 100 series"));
}

#[test]
fn a_metric_without_labels_is_one_series() {
    let (registry, recorder) = recorder();
    with_local_recorder(&recorder, || metrics::counter!("c").increment(1));
    assert_eq!(names(&registry), ["c"]);
}

#[test]
fn more_labels_than_a_series_can_have_are_overflow() {
    let (registry, recorder) = recorder();
    let key = |labels: usize| {
        let labels: Vec<_> = (0..labels).map(|at| Label::new(format!("k{at}"), "v")).collect();
        Key::from_parts("c", labels)
    };
    for labels in [64, 65, 66, 64, 65] {
        recorder.register_counter(&key(labels), &METADATA).increment(1);
    }
    let counts = counts(&registry.snapshot(), "c", "k0");
    assert_eq!(counts, BTreeMap::from([("-".into(), 3), ("v".into(), 2)]));
    assert_eq!(registry.refusals().count, 3);
}

#[test]
fn a_full_registry_loses_nothing_that_it_has_room_for() {
    let registry = Arc::new(Registry::with_max_series(2));
    let recorder = MetricsRecorder::new().registry(registry.clone());
    let detached = quipu::detached_records();
    with_local_recorder(&recorder, || {
        for name in ["a", "b", "c", "a", "b", "c"] {
            metrics::counter!(name).increment(1);
        }
    });
    let snapshot = registry.snapshot();
    assert_eq!([snapshot.counter("a", &[]), snapshot.counter("b", &[])], [Some(2); 2]);
    assert_eq!(quipu::detached_records() - detached, 2);
    assert!(registry.refusals().last.unwrap().to_string().contains("limit of 2 series"));
}

#[test]
fn whoever_comes_first_makes_the_series_and_all_record_to_it() {
    let (registry, recorder) = recorder();
    let recorder = recorder.max_series(1_500);
    let start = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                with_local_recorder(&recorder, || {
                    start.wait();
                    for value in 0..1_500 {
                        metrics::counter!("c", "k" => value.to_string()).increment(1);
                    }
                });
            });
        }
    });
    let counts = counts(&registry.snapshot(), "c", "k");
    assert_eq!(counts.len(), 1_500);
    assert!(counts.values().all(|&count| count == 4), "{counts:?}");
}

#[test]
fn handles_that_are_kept_record_to_what_is_exported() {
    let (registry, recorder) = recorder();
    let counter = recorder.register_counter(&Key::from_static_name("c"), &METADATA);
    for round in 1..=50 {
        counter.increment(1);
        with_local_recorder(&recorder, || metrics::counter!("c").increment(1));
        assert_eq!(registry.snapshot().counter("c", &[]), Some(2 * round));
    }
    drop(recorder);
    counter.increment(1);
    assert_eq!(registry.snapshot().counter("c", &[]), Some(101));
}

#[test]
fn local_recorders_are_nested() {
    let ((outer_registry, outer), (inner_registry, inner)) = (recorder(), recorder());
    let record = || metrics::counter!("c").increment(1);
    with_local_recorder(&outer, || {
        record();
        with_local_recorder(&inner, record);
        record();
    });
    let count = |registry: &Registry| registry.snapshot().counter("c", &[]);
    assert_eq!((count(&outer_registry), count(&inner_registry)), (Some(2), Some(1)));
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn the_installed_recorder_is_the_process_s_only_one() {
    in_own_process("the_installed_recorder_is_the_process_s_only_one", || {
        metrics::counter!("c").increment(1);
        MetricsRecorder::new().install().unwrap();
        metrics::counter!("c").increment(1);
        std::thread::spawn(|| metrics::counter!("c").increment(1)).join().unwrap();
        assert_eq!(quipu::registry().snapshot().counter("c", &[]), Some(2));
        let second = MetricsRecorder::new().registry(Arc::new(Registry::new())).install();
        assert_eq!(second, Err(quipu::RecorderAlreadySet));
        metrics::counter!("c").increment(1);
        assert_eq!(quipu::registry().snapshot().counter("c", &[]), Some(3));
    });
}
