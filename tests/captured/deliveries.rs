//! What becomes of captured errors, and of whoever captures them.

use super::*;

#[test]
fn errors_arrive_in_order_soon_and_without_a_flush() {
    let (registry, _) = registry();
    let exporter = TestExporter::new();
    let client = client_of(&registry).exporter(exporter.clone()).start().unwrap();
    let error = Shown(
        |f: &mut fmt::Formatter<'_>| f.write_str("query failed"),
        Some(Box::new(std::io::Error::other("reset by peer"))),
    );
    let before = std::time::SystemTime::now();
    client.capture_error(&error, &[("query", &"SELECT 1"), ("attempt", &3)]);
    for number in 0..QUEUE / 2 {
        capture(&client, number);
    }
    wait_until("the errors", || exporter.errors().len() as u64 == 1 + QUEUE / 2);
    let errors = exporter.errors();
    assert_eq!(messages(&errors[1..]), numbers(QUEUE / 2));
    assert_eq!(errors[0].message(), "query failed");
    assert_eq!(errors[0].sources().collect::<Vec<_>>(), ["reset by peer"]);
    let context: Vec<_> = errors[0].context().collect();
    assert_eq!(context, [("query", "SELECT 1"), ("attempt", "3")]);
    assert!(!errors[0].is_panic() && errors[0].location().is_none());
    assert!((before..=std::time::SystemTime::now()).contains(&errors[0].time()));
    assert_eq!(client.report().flushes, 0);
}

#[test]
fn an_exporter_is_given_errors_only_if_it_takes_them() {
    let (registry, _) = registry();
    let is_given = Arc::new(AtomicBool::new(false));
    struct Refusing(Arc<AtomicBool>);
    impl Exporter for Refusing {
        fn name(&self) -> &str {
            "refusing"
        }

        fn export(&mut self, _: &Delivery<'_>) -> Result<(), ExportError> {
            Ok(())
        }

        fn export_errors(&mut self, _: &ErrorDelivery<'_>) -> Result<(), ExportError> {
            self.0.store(true, SeqCst);
            Ok(())
        }
    }
    let exporter = TestExporter::new();
    let client = client_of(&registry).exporter(Refusing(is_given.clone()));
    let client = client.exporter(exporter.clone()).start().unwrap();
    capture(&client, "known");
    assert!(client.stop(PATIENCE).is_delivered());
    assert_eq!(messages(&exporter.errors()), ["known"]);
    assert!(!is_given.load(SeqCst));
    assert_eq!(counted(&registry), Counted { captured: 1, ..Counted::default() });
}

#[test]
fn errors_that_no_exporter_takes_are_counted() {
    let (registry, _) = registry();
    let client = client_of(&registry).start().unwrap();
    (0..10).for_each(|number| capture(&client, number));
    let expected = Counted { captured: 10, no_exporter: 10, ..Counted::default() };
    assert_eq!(counted(&registry), expected);
}

#[test]
fn the_configured_share_of_errors_is_delivered() {
    const ERRORS: u64 = 10_000;
    for (rate, share) in [(0.0, 0..=0), (0.5, 4_000..=6_000), (1.0, ERRORS..=ERRORS)] {
        let (registry, _) = registry();
        let exporter = TestExporter::new();
        let client = client_of(&registry).sample_rate(rate).exporter(exporter.clone());
        let client = client.start().unwrap();
        let passed_on = || {
            let counted = counted(&registry);
            counted.captured - counted.sampled_out
        };
        for number in 0..ERRORS {
            capture(&client, number);
            // It is not to be the queue that chooses.
            if number % (QUEUE / 2) == 0 {
                let passed_on = passed_on();
                wait_until("the errors", || exporter.errors().len() as u64 == passed_on);
            }
        }
        let passed_on = passed_on();
        assert!(client.stop(PATIENCE).is_delivered());
        assert!(share.contains(&passed_on), "{passed_on} at {rate}");
        let sampled_out = ERRORS - passed_on;
        let expected = Counted { captured: ERRORS, sampled_out, ..Counted::default() };
        assert_eq!(counted(&registry), expected);
        assert_eq!(exporter.errors().len() as u64, passed_on);
    }
}

#[test]
fn an_exporter_that_hangs_costs_errors_and_nobody_time() {
    const ERRORS: u64 = 100_000;
    let (registry, _) = registry();
    let (gate, held) = gate();
    let delivered = Arc::new(AtomicU64::new(0));
    let sum = delivered.clone();
    let hanging = taking(move |errors| {
        gate.pass();
        sum.fetch_add(errors.len() as u64, SeqCst);
        Ok(())
    });
    let healthy = TestExporter::new();
    let client = client_of(&registry).exporter(hanging).exporter(healthy.clone());
    let client = client.start().unwrap();
    capture(&client, "first");
    held.wait();
    let capturing = client.clone();
    returns(move || (1..ERRORS).for_each(|number| capture(&capturing, number)));
    let now = counted(&registry);
    assert_eq!((now.captured, now.sampled_out), (ERRORS, 0));
    // The one that is held, and those that wait; the other exporter may have dropped some as well.
    let dropped_by_hanging = ERRORS - 1 - QUEUE;
    assert!(now.queue_full >= dropped_by_hanging, "{now:?}");
    client.flush(A_CHANCE);
    assert_eq!(healthy.deliveries().len(), 1);

    drop(held);
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    assert_eq!(delivered.load(SeqCst), 1 + QUEUE);
    let end = counted(&registry);
    let of_both = delivered.load(SeqCst) + healthy.errors().len() as u64 + end.queue_full;
    assert_eq!(of_both, 2 * ERRORS);
    assert_eq!((end.stopped, end.rejected, end.no_exporter), (0, 0, 0));
}

/// What an exporter was given, and whether it took it.
#[derive(Clone, Debug, PartialEq)]
enum Given {
    Failed(Vec<String>),
    Taken(Vec<String>),
    Snapshot,
}

/// Fails as `outcome` says, and keeps what it was given.
fn logging<F>(log: &Log<Given>, mut outcome: F) -> impl Exporter + use<F>
where
    F: FnMut() -> Result<(), ExportError> + Send,
{
    let (errors, snapshots) = (log.clone(), log.clone());
    let take = move |given: &[Arc<CapturedError>]| {
        let result = outcome();
        let given = messages(given);
        errors.push(if result.is_ok() { Given::Taken(given) } else { Given::Failed(given) });
        result
    };
    Taking(take, move |_: &Delivery<'_>| snapshots.push(Given::Snapshot))
}

#[test]
fn errors_that_fail_come_again_in_order_and_let_snapshots_pass() {
    const FAILURES: usize = 10;
    let second = Duration::from_secs(1);
    let (clock, (registry, _), log) = (ManualClock::new(), registry(), Log::new());
    let mut left = FAILURES;
    let failing = logging(&log, move || {
        let fails = left > 0;
        left = left.saturating_sub(1);
        if fails { Err(ExportError::new(FailureCause::Unreachable, "as intended")) } else { Ok(()) }
    });
    // Whenever a backoff is over, a snapshot waits.
    let client = Client::builder().registry(registry.clone()).clock(clock.clone());
    let client = client.flush_interval(second).backoff(3 * second..=3 * second);
    let client = client.exporter(failing).start().unwrap();
    let mut captured = 0;
    let mut capture_one = || {
        capture(&client, captured);
        captured += 1;
    };
    capture_one();
    let is_taken = |log: &Log<Given>| log.all().iter().any(|it| matches!(it, Given::Taken(_)));
    for _ in 0..20 * FAILURES {
        clock.advance(second);
        if !is_taken(&log) {
            capture_one();
        }
    }
    assert!(is_taken(&log), "{:?}", log.all());
    let log = log.all();
    let has_failed = |it: &Given| matches!(it, Given::Failed(_));
    assert_eq!(log.iter().filter(|it| has_failed(it)).count(), FAILURES);
    let are_failures = |pair: &[Given]| pair.iter().all(has_failed);
    assert!(!log.windows(2).any(are_failures), "no snapshot got past: {log:?}");
    // Each holds all that was captured so far, in order, until it is taken.
    for it in &log {
        if let Given::Failed(given) = it {
            assert_eq!(*given, numbers(given.len() as u64));
        }
    }
    let taken = log.iter().filter_map(|it| match it {
        Given::Taken(given) => Some(given.clone()),
        _ => None,
    });
    assert_eq!(taken.collect::<Vec<_>>().concat(), numbers(captured));
    let expected = Counted { captured, ..Counted::default() };
    assert_eq!(counted(&registry), expected);
}

#[test]
fn a_batch_is_bounded_and_what_comes_meanwhile_is_behind_it() {
    let (registry, _) = registry();
    let (gate, held) = gate();
    let (given, is_first) = (Log::new(), AtomicBool::new(true));
    let log = given.clone();
    let failing = taking(move |errors| {
        log.push(messages(errors));
        gate.pass();
        match is_first.swap(false, SeqCst) {
            true => Err(ExportError::new(FailureCause::Unreachable, "as intended")),
            false => Ok(()),
        }
    });
    let client = client_of(&registry).exporter(failing).start().unwrap();
    capture(&client, 0);
    held.wait();
    (1..200).for_each(|number| capture(&client, number));
    drop(held);
    assert!(client.stop(PATIENCE).is_delivered());
    let given = given.all();
    assert_eq!(given[0], ["0"]);
    assert!(given.iter().all(|batch| (1..=BATCH).contains(&batch.len())), "{given:?}");
    assert_eq!(given[1..].concat(), numbers(200));
}

#[test]
fn a_panic_over_errors_is_a_failure_like_others() {
    let (registry, _) = registry();
    let taken = Log::new();
    let (log, is_first) = (taken.clone(), AtomicBool::new(true));
    let panicking = taking(move |errors| {
        assert!(!is_first.swap(false, SeqCst), "as intended");
        log.push(messages(errors));
        Ok(())
    });
    let client = client_of(&registry).exporter(panicking).start().unwrap();
    capture(&client, 0);
    assert!(client.stop(PATIENCE).is_delivered());
    assert_eq!(taken.all(), [["0"]]);
    let labels = [("exporter", "taking"), ("cause", "panicked")];
    assert_eq!(registry.snapshot().counter("quipu.export.failures", &labels), Some(1));
}

#[test]
fn a_batch_that_is_rejected_is_dropped_and_counted() {
    let (registry, _) = registry();
    let (gate, held) = gate();
    let (log, mut batches) = (Log::new(), 0);
    let refusing = logging(&log, move || {
        gate.pass();
        batches += 1;
        // The first has one error, the second all that came meanwhile.
        if batches != 2 {
            return Ok(());
        }
        Err(ExportError::new(FailureCause::Rejected, "as intended"))
    });
    let client = client_of(&registry).exporter(refusing).start().unwrap();
    capture(&client, 0);
    held.wait();
    (1..6).for_each(|number| capture(&client, number));
    held.let_one_pass();
    held.wait();
    capture(&client, 6);
    drop(held);
    assert!(client.stop(PATIENCE).is_delivered());
    let log: Vec<_> = log.all().into_iter().filter(|it| *it != Given::Snapshot).collect();
    let texts = |numbers: std::ops::Range<u64>| numbers.map(|it| it.to_string()).collect();
    let expected =
        [Given::Taken(texts(0..1)), Given::Failed(texts(1..6)), Given::Taken(texts(6..7))];
    assert_eq!(log, expected);
    let expected = Counted { captured: 7, rejected: 5, ..Counted::default() };
    assert_eq!(counted(&registry), expected);
}

#[test]
fn errors_that_go_on_and_on_do_not_hold_snapshots_up() {
    let (registry, counter) = registry();
    let own = Arc::new(OnceLock::<Client>::new());
    let delivered = Arc::new(AtomicU64::new(0));
    let (client, sum) = (own.clone(), delivered.clone());
    // Whatever it takes, there is another one.
    let fed = Taking(
        move |_: &[Arc<CapturedError>]| {
            if let Some(client) = client.get() {
                capture(client, "another");
            }
            Ok(())
        },
        move |delivery: &Delivery<'_>| {
            sum.fetch_add(delivery.delta().counter("c", &[]).unwrap(), SeqCst);
        },
    );
    let client = client_of(&registry).exporter(fed).start().unwrap();
    let _ = own.set(client.clone());
    capture(&client, "first");
    wait_until("errors", || client.report().exporters[0].attempts > 100);
    counter.increment();
    let flushing = client.clone();
    let report = returns(move || flushing.flush(PATIENCE / 4));
    assert!(report.is_delivered(), "{report}");
    counter.increment();
    let report = returns(move || client.stop(PATIENCE / 8));
    assert_eq!(report.exporters[0].undelivered, None, "{report}");
    assert_eq!(delivered.load(SeqCst), 2);
}

#[test]
fn no_error_is_lost_at_a_stop() {
    for _ in 0..50 {
        let (registry, _) = registry();
        let taken = Log::new();
        let (log, mut attempts) = (taken.clone(), 0);
        let failing = taking(move |errors| {
            attempts += 1;
            if attempts % 2 == 1 {
                return Err(std::io::Error::other("as intended").into());
            }
            log.push(messages(errors));
            Ok(())
        });
        let client = client_of(&registry).exporter(failing);
        let client = client.backoff(Duration::ZERO..=Duration::ZERO).start().unwrap();
        (0..QUEUE).for_each(|number| capture(&client, number));
        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        assert_eq!(taken.all().concat(), numbers(QUEUE));
        assert_eq!(counted(&registry), Counted { captured: QUEUE, ..Counted::default() });
    }
}

#[test]
fn errors_that_could_not_be_delivered_by_the_end_are_counted_and_reported() {
    let (registry, _) = registry();
    let failing = taking(|_| Err(std::io::Error::other("no route to host").into()));
    let client = client_of(&registry).exporter(failing).start().unwrap();
    (0..100).for_each(|number| capture(&client, number));
    let report = client.stop(A_CHANCE);
    wait_until("the end", || !client.report().exporters[0].is_running);
    assert_eq!(client.report().exporters[0].errors_undelivered, 100);
    assert_eq!(client.report().undelivered().count(), 1, "{report}");
    (0..10).for_each(|number| capture(&client, number));
    let expected = Counted { captured: 110, stopped: 110, ..Counted::default() };
    assert_eq!(counted(&registry), expected);
}

#[test]
fn each_error_that_is_captured_during_a_stop_is_delivered_or_counted() {
    for _ in 0..100 {
        let (registry, _) = registry();
        let exporter = TestExporter::new();
        let client = client_of(&registry).exporter(exporter.clone()).start().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let capturing: Vec<_> = (0..2)
            .map(|_| {
                let (client, ended) = (client.clone(), ended.clone());
                thread::spawn(move || {
                    while !ended.load(SeqCst) {
                        capture(&client, "again");
                    }
                })
            })
            .collect();
        wait_until("errors", || !exporter.errors().is_empty());
        client.stop(PATIENCE);
        let is_over = counted(&registry).captured;
        wait_until("an error after the end", || counted(&registry).captured > is_over);
        ended.store(true, SeqCst);
        capturing.into_iter().for_each(|thread| thread.join().unwrap());
        let Counted { captured, queue_full, stopped, .. } = counted(&registry);
        assert_eq!(exporter.errors().len() as u64 + queue_full + stopped, captured);
    }
}
