//! Fields of spans as labels.

use super::{active, closed, expected, measured, nothing, within};
use quipu::{RegisterError, Registry, TracingLayer};
use std::fmt;
use std::sync::Arc;
use tracing::field::{Empty, debug, display};
use tracing::{Dispatch, info_span};
use tracing_subscriber::prelude::*;

#[test]
fn values_of_all_types_are_labels_as_they_are_shown() {
    let (subscriber, registry) = measured(|layer| layer.fields(["v"]));
    within(&subscriber, || {
        drop(info_span!("s", v = "text"));
        drop(info_span!("s", v = String::from("owned")));
        drop(info_span!("s", v = -3));
        drop(info_span!("s", v = u64::MAX));
        drop(info_span!("s", v = true));
        drop(info_span!("s", v = 0.5));
        drop(info_span!("s", v = %"shown"));
        drop(info_span!("s", v = ?Some(1)));
        let error: Box<dyn std::error::Error> = "broken".into();
        drop(info_span!("s", v = &*error));
        drop(info_span!("s", v = "text", other = 1));
    });
    let counts = [
        ("INFO s text", 2),
        ("INFO s owned", 1),
        ("INFO s -3", 1),
        ("INFO s 18446744073709551615", 1),
        ("INFO s true", 1),
        ("INFO s 0.5", 1),
        ("INFO s shown", 1),
        ("INFO s Some(1)", 1),
        ("INFO s broken", 1),
    ];
    assert_eq!(closed(&registry), expected(counts));
    assert_eq!(active(&registry), nothing());
}

#[test]
fn a_field_that_is_absent_or_empty_makes_no_label() {
    let (subscriber, registry) = measured(|layer| layer.fields(["route", "tenant"]));
    within(&subscriber, || {
        drop(info_span!("s"));
        drop(info_span!("s", route = Empty));
        drop(info_span!("s", route = ""));
        drop(info_span!("s", route = None::<&str>));
        drop(info_span!("s", tenant = "a", route = "/"));
        drop(info_span!("s", tenant = "a"));
    });
    let snapshot = registry.snapshot();
    let count = |labels: &[(&str, &str)]| {
        snapshot.histogram(super::DURATION, labels).map(|histogram| histogram.count())
    };
    let (level, name) = (("level", "INFO"), ("span.name", "s"));
    assert_eq!(count(&[level, name]), Some(4));
    assert_eq!(count(&[level, name, ("tenant", "a")]), Some(1));
    assert_eq!(count(&[level, ("route", "/"), name, ("tenant", "a")]), Some(1));
    assert_eq!(closed(&registry).len(), 3);
}

#[test]
fn what_was_recorded_last_counts() {
    let (subscriber, registry) = measured(|layer| layer.fields(["status"]));
    within(&subscriber, || {
        let span = info_span!("s", status = Empty, other = Empty);
        span.record("other", 1);
        span.record("status", 500);
        std::thread::scope(|scope| _ = scope.spawn(|| span.record("status", 200)));
        span.record("unknown", 1);
        drop(span);
        let span = info_span!("s", status = 100);
        span.record("status", display("101"));
        span.record("other", debug("ignored"));
    });
    assert_eq!(closed(&registry), expected([("INFO s 200", 1), ("INFO s 101", 1)]));
}

#[test]
fn a_parents_fields_are_the_parents() {
    let (subscriber, registry) = measured(|layer| layer.fields(["route"]));
    within(&subscriber, || {
        info_span!("parent", route = "/").in_scope(|| drop(info_span!("child")));
    });
    assert_eq!(closed(&registry), expected([("INFO / parent", 1), ("INFO child", 1)]));
}

#[test]
fn long_values_are_cut() {
    let (subscriber, registry) = measured(|layer| layer.fields(["v"]));
    let long = "x".repeat(1_000);
    within(&subscriber, || {
        drop(info_span!("s", v = long));
        drop(info_span!("s", v = %long));
        drop(info_span!("s", v = %format_args!("{}{long}", "x".repeat(100))));
    });
    let label = format!("INFO s {}", "x".repeat(128));
    assert_eq!(closed(&registry), expected([(&label, 3)]));
}

struct Panicking;

impl fmt::Display for Panicking {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

/// Opens a span and records events while it is shown.
struct Recursive;

impl fmt::Display for Recursive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info_span!("inner", v = "nested").in_scope(|| tracing::info!("within"));
        f.write_str("recursive")
    }
}

#[test]
fn a_value_that_panics_is_no_label_and_ends_nothing() {
    let (subscriber, registry) = measured(|layer| layer.fields(["v"]));
    within(&subscriber, || drop(info_span!("s", v = %Panicking)));
    assert_eq!(closed(&registry), expected([("INFO s", 1)]));
}

/// `tracing` shows a subscriber nothing of what happens inside of it.
#[test]
fn a_value_may_open_spans_while_it_is_shown() {
    let (subscriber, registry) = measured(|layer| layer.fields(["v"]));
    within(&subscriber, || drop(info_span!("outer", v = %Recursive)));
    assert_eq!(closed(&registry), expected([("INFO outer recursive", 1)]));
    assert_eq!((active(&registry), super::events(&registry)), (nothing(), nothing()));
}

#[test]
fn values_beyond_the_limit_overflow_and_are_counted() {
    let (subscriber, registry) = measured(|layer| layer.fields(["id"]).max_series(3));
    within(&subscriber, || {
        for round in 0..2 {
            for id in 0..10 {
                drop(info_span!("s", id));
            }
            assert_eq!(registry.refusals().count, 7 * (round + 1));
        }
    });
    let counts = [("INFO s 0", 2), ("INFO s 1", 2), ("INFO s 2", 2), ("true", 14)];
    assert_eq!(closed(&registry), expected(counts).into_iter().map(reordered).collect());
    let last = registry.refusals().last;
    assert!(matches!(last, Some(RegisterError::FamilyFull { limit: 3, .. })), "{last:?}");
    assert_eq!(active(&registry), nothing());
}

/// `id` comes before `level`.
fn reordered((labels, count): (String, i64)) -> (String, i64) {
    match labels.strip_prefix("INFO s ") {
        Some(id) => (format!("{id} INFO s"), count),
        None => (labels, count),
    }
}

#[test]
fn combinations_beyond_the_limit_overflow_too() {
    let (subscriber, registry) = measured(|layer| layer.fields(["x", "y"]).max_series(4));
    within(&subscriber, || {
        for x in 0..3 {
            for y in 0..3 {
                drop(info_span!("s", x, y));
            }
        }
    });
    let counts =
        [("INFO s 0 0", 1), ("INFO s 0 1", 1), ("INFO s 0 2", 1), ("INFO s 1 0", 1), ("true", 5)];
    assert_eq!(closed(&registry), expected(counts));
}

#[test]
fn what_no_label_can_have_overflows() {
    let (subscriber, registry) = measured(|layer| layer.fields(["v"]));
    within(&subscriber, || drop(info_span!("s", v = "a\0b")));
    assert_eq!(closed(&registry), expected([("true", 1)]));
    assert_eq!(registry.refusals().count, 1);
}

#[test]
fn a_registry_that_is_full_loses_no_span() {
    // The series of active spans, and of the first value.
    let registry = Arc::new(Registry::with_max_series(3));
    let layer = TracingLayer::new().registry(registry.clone()).fields(["v"]);
    let subscriber = Dispatch::new(tracing_subscriber::registry().with(layer));
    let detached = quipu::detached_records();
    within(&subscriber, || {
        for v in ["a", "b", "c"] {
            drop(info_span!("s", v));
        }
    });
    assert_eq!(closed(&registry), expected([("INFO s a", 1), ("INFO s b", 1)]));
    assert!(quipu::detached_records() > detached);
    let last = registry.refusals().last;
    assert!(matches!(last, Some(RegisterError::RegistryFull { limit: 3 })), "{last:?}");
}

#[test]
fn names_that_cannot_be_keys_are_left_out() {
    let (subscriber, registry) = measured(|layer| layer.fields(["level", "a b", "ok", "ok"]));
    within(&subscriber, || drop(info_span!("s", level = 1, "a b" = 2, ok = 3)));
    let snapshot = registry.snapshot();
    let labels = [("level", "INFO"), ("ok", "3"), ("span.name", "s")];
    assert_eq!(snapshot.histogram(super::DURATION, &labels).unwrap().count(), 1);
    assert_eq!(registry.refusals().count, 0);
}
