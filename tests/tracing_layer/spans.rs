//! Which spans are counted, when, and with what duration.

use super::{active, closed, durations, expected, measured, nothing, within};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, Span, debug_span, error_span, info_span, trace_span, warn_span};

#[test]
fn spans_are_told_apart_by_name_and_level() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        for _ in 0..3 {
            drop(info_span!("request"));
        }
        drop(debug_span!("request"));
        // Another call site.
        drop(info_span!("request"));
        drop((error_span!("e"), warn_span!("w"), trace_span!("t")));
    });
    let counts =
        [("DEBUG request", 1), ("ERROR e", 1), ("INFO request", 4), ("TRACE t", 1), ("WARN w", 1)];
    assert_eq!(closed(&registry), expected(counts));
    assert_eq!(active(&registry), nothing());
}

#[test]
fn a_span_is_active_until_its_last_handle_is_gone() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        let span = info_span!("request");
        let other_handle = span.clone();
        assert_eq!(active(&registry), expected([("INFO request", 1)]));
        drop(span);
        assert_eq!((active(&registry).len(), closed(&registry)), (1, nothing()));
        drop(other_handle);
        assert_eq!((active(&registry).len(), closed(&registry).len()), (0, 1));
    });
}

#[test]
fn how_often_a_span_is_entered_makes_no_difference() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        drop(info_span!("never"));
        let often = info_span!("often");
        for _ in 0..10 {
            often.in_scope(|| often.in_scope(|| ()));
        }
    });
    assert_eq!(closed(&registry), expected([("INFO never", 1), ("INFO often", 1)]));
}

#[test]
fn a_duration_is_the_time_from_opening_to_closing() {
    let (subscriber, registry) = measured(|layer| layer);
    let least = Duration::from_millis(2);
    within(&subscriber, || {
        let outer = info_span!("outer").entered();
        for _ in 0..10 {
            let _inner = info_span!("inner").entered();
            let start = Instant::now();
            while start.elapsed() < least {
                std::hint::spin_loop();
            }
        }
        drop(outer);
        drop(info_span!("moment"));
    });
    let sums = durations(&registry);
    let of = |labels: &str| u64::try_from(sums[labels]).unwrap();
    // The clock here and the one there are calibrated against each other.
    assert!(of("INFO inner") > 9 * least.as_nanos() as u64, "{sums:?}");
    assert!(of("INFO inner") <= of("INFO outer"), "{sums:?}");
    assert!(of("INFO moment") < of("INFO outer"), "{sums:?}");
}

#[test]
fn spans_close_in_any_order() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        let first = info_span!("first").entered();
        let second = info_span!("second").entered();
        drop(first);
        assert_eq!(closed(&registry), nothing());
        drop(second);
        let count = expected([("INFO first", 1), ("INFO second", 1)]);
        assert_eq!((closed(&registry), active(&registry)), (count, nothing()));
    });
}

#[test]
fn a_span_lasts_until_its_children_have_closed() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        let parent = info_span!("parent");
        let child = info_span!(parent: &parent, "child");
        drop(parent);
        assert_eq!(closed(&registry), nothing());
        drop(child);
        assert_eq!(closed(&registry), expected([("INFO child", 1), ("INFO parent", 1)]));
    });
}

#[test]
fn following_from_another_span_changes_nothing() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        let cause = info_span!("cause");
        let effect = info_span!("effect");
        effect.follows_from(&cause);
        drop(cause);
        assert_eq!(closed(&registry), expected([("INFO cause", 1)]));
        assert_eq!(active(&registry), expected([("INFO effect", 1)]));
    });
}

#[test]
fn a_panic_closes_the_spans_that_it_leaves() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _outer = info_span!("outer").entered();
            let _inner = info_span!("inner").entered();
            std::panic::resume_unwind(Box::new(()));
        }));
        assert!(unwound.is_err());
        drop(info_span!("after"));
    });
    let counts = [("INFO after", 1), ("INFO inner", 1), ("INFO outer", 1)];
    assert_eq!((closed(&registry), active(&registry)), (expected(counts), nothing()));
}

#[test]
fn a_span_that_is_leaked_stays_active() {
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        std::mem::forget(info_span!("leaked"));
        drop(info_span!("leaked"));
    });
    drop(subscriber);
    assert_eq!(active(&registry), expected([("INFO leaked", 1)]));
    assert_eq!(closed(&registry), expected([("INFO leaked", 1)]));
}

#[test]
fn threads_that_open_spans_and_close_each_others_lose_none() {
    const THREADS: usize = 4;
    const SPANS: usize = 5_000;
    let (subscriber, registry) = measured(|layer| layer);
    std::thread::scope(|scope| {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..THREADS).map(|_| mpsc::channel::<Span>()).unzip();
        for (at, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(at + 1) % THREADS].clone();
            let subscriber = &subscriber;
            scope.spawn(move || {
                within(subscriber, || {
                    for _ in 0..SPANS {
                        info_span!("own").in_scope(|| ());
                        next.send(info_span!("passed on")).expect("as many are received");
                        receiver.recv().expect("as many are sent").in_scope(|| ());
                    }
                });
            });
        }
    });
    let all = (THREADS * SPANS) as i64;
    assert_eq!(closed(&registry), expected([("INFO own", all), ("INFO passed on", all)]));
    assert_eq!(active(&registry), nothing());
}

#[test]
fn tasks_that_move_from_thread_to_thread_are_counted_once() {
    const TASKS: usize = 200;
    let (subscriber, registry) = measured(|layer| layer);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let task = async || {
        for _ in 0..10 {
            tokio::task::yield_now().instrument(info_span!("step")).await;
        }
    };
    runtime.block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let work = async move { task().instrument(info_span!("task")).await };
                tokio::spawn(work.with_subscriber(subscriber.clone()))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let (tasks, steps) = (TASKS as i64, 10 * TASKS as i64);
    assert_eq!(closed(&registry), expected([("INFO step", steps), ("INFO task", tasks)]));
    assert_eq!(active(&registry), nothing());
}

#[test]
fn a_task_that_is_cancelled_closes_its_spans() {
    let (subscriber, registry) = measured(|layer| layer);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let (started, is_started) = tokio::sync::oneshot::channel();
        let work = async move {
            let inner = async move {
                started.send(()).unwrap();
                std::future::pending::<()>().await;
            };
            inner.instrument(info_span!("endless")).await;
        };
        let task = tokio::spawn(work.with_subscriber(subscriber.clone()));
        is_started.await.unwrap();
        assert_eq!(active(&registry), expected([("INFO endless", 1)]));
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    });
    assert_eq!(
        (closed(&registry), active(&registry)),
        (expected([("INFO endless", 1)]), nothing())
    );
}

#[test]
fn thousands_of_spans_can_be_open_at_once() {
    const SPANS: usize = 5_000;
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        let open: Vec<_> = (0..SPANS).map(|_| info_span!("connection")).collect();
        assert_eq!(active(&registry), expected([("INFO connection", SPANS as i64)]));
        drop(open);
    });
    assert_eq!(closed(&registry), expected([("INFO connection", SPANS as i64)]));
    assert_eq!(active(&registry), nothing());
}

#[test]
#[cfg_attr(miri, ignore = "takes too long")]
fn spans_beyond_those_that_have_room_are_counted_apart() {
    const SPANS: u64 = 200_000;
    let (subscriber, registry) = measured(|layer| layer);
    within(&subscriber, || {
        let open: Vec<_> = (0..SPANS).map(|_| info_span!("connection")).collect();
        drop(open);
        let untimed = registry.snapshot().counter("tracing.spans.untimed", &[]).unwrap();
        assert!((1..100_000).contains(&untimed), "{untimed}");
        let timed = (SPANS - untimed) as i64;
        assert_eq!(closed(&registry), expected([("INFO connection", timed)]));
        // There is room again.
        drop(info_span!("connection"));
        assert_eq!(closed(&registry), expected([("INFO connection", timed + 1)]));
    });
    assert_eq!(active(&registry), nothing());
}
