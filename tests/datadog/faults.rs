//! Requests that fail in every way. In the end each count is at Datadog once.

use super::intake::{Intake, Reply};
use super::{KEY, PATIENCE, client_of};
use quipu::{Client, Counter, Datadog, Registry};
use std::sync::Arc;
use std::time::Duration;

fn client(registry: &Arc<Registry>, intake: &Intake) -> Client {
    let exporter = Datadog::new(KEY).unwrap().endpoint(&intake.url()).unwrap();
    let client = client_of(registry).attempt_timeout(Duration::from_secs(5));
    client.exporter(exporter).start().unwrap()
}

/// Series that do not shrink: their tags are noise.
fn noise(registry: &Registry, series: usize) -> Vec<Counter> {
    let mut random = 1_u64;
    let mut text = || {
        let digit = |_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + ((random >> 40) % 90) as u8)
        };
        (0..190).map(digit).collect::<String>()
    };
    let counter = |_| {
        let labelled = registry.counter("c").label("a", &text()).label("b", &text());
        labelled.register().unwrap()
    };
    (0..series).map(counter).collect()
}

#[test]
fn requests_stay_below_the_limits_and_each_series_is_in_one() {
    let registry = Arc::new(Registry::new());
    let counters = noise(&registry, 8_000);
    counters.iter().for_each(|counter| counter.add(5));
    let intake = Intake::start(KEY);
    let exporter = Datadog::new(KEY).unwrap().endpoint(&intake.url()).unwrap();
    let client = client_of(&registry).attempt_timeout(PATIENCE).exporter(exporter).start().unwrap();
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    let (compressed, plain) = intake.largest();
    assert!(compressed <= 500_000 && plain <= 5_000_000, "{compressed} {plain}");
    assert!(intake.requests() > 4, "one request has more than the limit");
    let series = intake.series();
    assert_eq!(series.len(), 8_000);
    assert!(intake.counts().values().all(|&count| count == 5.0));
    assert_eq!(intake.counts().len(), 8_000);
}

#[test]
fn what_failed_is_sent_again_and_what_was_taken_is_not_counted_twice() {
    let registry = Arc::new(Registry::new());
    let counters = noise(&registry, 2_000);
    let histogram = registry.histogram("h").register().unwrap();
    let intake = Intake::start(KEY);
    let client = client(&registry, &intake);
    let taken = || Reply::Take(&[]);
    let mut recorded = 0;
    for (round, fault) in [
        Reply::HangUp,
        Reply::Refuse(503, "retry-after: 1\r\n"),
        Reply::Refuse(429, ""),
        Reply::Refuse(403, ""),
        Reply::TakeAndHangUp,
        Reply::Refuse(500, ""),
        Reply::Refuse(302, "location: http://127.0.0.1:1/\r\n"),
    ]
    .into_iter()
    .enumerate()
    {
        let n = round as u64 + 1;
        counters.iter().for_each(|counter| counter.add(n));
        histogram.record_n(n, n);
        recorded += n;
        intake.plan([taken(), fault.clone()]);
        // An error that comes with a time to wait has to pass first.
        let report = client.flush(PATIENCE);
        assert!(!report.is_delivered(), "{fault:?}");
        let said = format!("{report} {report:?}");
        assert!(!said.contains(KEY), "{said}");
        counters.iter().for_each(|counter| counter.add(n));
        recorded += n;
        while !client.flush(PATIENCE).is_delivered() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(client.stop(PATIENCE).is_delivered());
    let counts = intake.counts();
    let of_counters = counts.iter().filter(|((metric, _), _)| metric == "c");
    assert!(of_counters.clone().all(|(_, &count)| count == recorded as f64));
    assert_eq!(of_counters.count(), 2_000);
    let of_histogram = counts.iter().filter(|((metric, _), _)| metric == "h.count");
    assert_eq!(of_histogram.map(|(_, count)| count).sum::<f64>(), 28.0);
}

#[test]
fn what_is_refused_for_good_is_dropped_and_counted() {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let intake = Intake::start(KEY);
    let client = client(&registry, &intake);
    counter.add(1);
    intake.plan([Reply::Refuse(400, "")]);
    assert!(!client.flush(PATIENCE).is_delivered());
    let dropped = [("exporter", "datadog"), ("cause", "refused")];
    let refused = registry.snapshot().counter("quipu.export.dropped", &dropped).unwrap();
    assert!(refused >= 1);
    counter.add(2);
    intake.plan([Reply::Take(&["one point is too old", "another too"])]);
    assert!(client.flush(PATIENCE).is_delivered());
    let refused_now = registry.snapshot().counter("quipu.export.dropped", &dropped).unwrap();
    assert_eq!(refused_now - refused, 2);
    assert_eq!(intake.counts()[&("c".to_owned(), vec![])], 2.0);
}

#[test]
fn a_body_that_is_too_large_for_the_server_is_cut_in_two() {
    let registry = Arc::new(Registry::new());
    for at in 0..100 {
        registry.counter("c").label("at", &at.to_string()).register().unwrap().add(1);
    }
    let intake = Intake::start(KEY);
    intake.plan([Reply::Refuse(413, ""), Reply::Refuse(413, "")]);
    let client = client(&registry, &intake);
    assert!(client.stop(PATIENCE).is_delivered());
    assert!(intake.requests() >= 6, "{}", intake.requests());
    assert_eq!(intake.counts().iter().filter(|((metric, _), _)| metric == "c").count(), 100);
}

#[test]
fn a_server_that_hangs_holds_up_nothing_beyond_the_deadline() {
    let registry = Arc::new(Registry::new());
    registry.counter("c").register().unwrap().add(1);
    let intake = Intake::start(KEY);
    intake.plan(std::iter::repeat_n(Reply::Hang, 10));
    let client = client(&registry, &intake);
    let report = client.stop(Duration::from_millis(200));
    assert!(!report.is_delivered());
    assert!(report.exporters[0].last_failure.as_ref().unwrap().contains("no answer in time"));
}

#[test]
fn no_text_shows_the_key() {
    let exporter = Datadog::new(KEY).unwrap();
    assert!(!format!("{exporter:?} {exporter:#?}").contains(KEY));
    let error = Datadog::new(format!("{KEY}-")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY));
    let error = exporter.endpoint(&format!("https://{KEY}@host")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY));
}

#[test]
fn a_configuration_names_the_key_and_no_text_shows_it() {
    for dsn in [KEY.to_owned(), format!("https://{KEY}@api.datadoghq.invalid")] {
        let config = quipu::Config::new().provider(quipu::Provider::Datadog).dsn(dsn);
        let registry = Arc::new(Registry::new());
        let client = client_of(&registry).config(&config).attempt_timeout(Duration::from_millis(1));
        let client = client.start().unwrap();
        let report = client.stop(Duration::from_millis(1));
        let said = format!("{client:?} {report} {report:?} {} {config:?}", client.health());
        assert!(said.contains("datadog") && !said.contains(KEY), "{said}");
    }
}
