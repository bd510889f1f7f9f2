//! What `TracingLayer` allocates beyond what `tracing` does: nothing, once the series exist.
#![cfg(all(feature = "tracing", not(loom)))]
#![allow(unsafe_code)]

mod counting;

use counting::ALLOCATIONS;
use quipu::{Registry, TracingLayer};
use std::sync::Arc;
use tracing::field::Empty;
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::prelude::*;

fn plain() {
    info_span!("plain").in_scope(|| ());
}

fn two_fields() {
    let span = info_span!("two fields", route = "/users/{id}", tenant = 17, other = "a");
    span.in_scope(|| ());
}

fn recorded_later() {
    let span = info_span!("recorded later", route = Empty, tenant = Empty);
    span.record("route", "/orders");
    span.record("tenant", tracing::field::debug(("a", 3)));
}

fn refused() {
    for tenant in 0..20 {
        drop(info_span!("refused", route = "/refused", tenant));
    }
}

fn nested() {
    let _outer = info_span!("outer").entered();
    (0..10).for_each(|_| drop(info_span!("inner")));
}

fn many_open() {
    // Of a fixed size, so that what holds them is not allocated.
    let open: [_; 200] = std::array::from_fn(|_| info_span!("one of many"));
    drop(open);
}

fn event() {
    info!(number = 3, "an event");
}

/// How often this thread allocates while it does `work` a hundred times, after many others.
fn allocations_of(subscriber: &Dispatch, work: fn()) -> u64 {
    tracing::dispatcher::with_default(subscriber, || {
        (0..1_000).for_each(|_| work());
        let before = ALLOCATIONS.get();
        (0..100).for_each(|_| work());
        ALLOCATIONS.get() - before
    })
}

#[test]
fn spans_and_events_allocate_nothing_more_with_the_layer_than_without() {
    let registry = Arc::new(Registry::new());
    let layer = || {
        let layer = TracingLayer::new().registry(registry.clone()).fields(["route", "tenant"]);
        layer.max_series(16)
    };
    let bare = Dispatch::new(tracing_subscriber::registry());
    let measured = Dispatch::new(tracing_subscriber::registry().with(layer()));
    let with_busy = Dispatch::new(tracing_subscriber::registry().with(layer().busy_time()));
    let works: [(&str, fn()); 7] = [
        ("a span", plain),
        ("a span with two fields", two_fields),
        ("a span whose fields are recorded later", recorded_later),
        ("a span that is refused", refused),
        ("spans within a span", nested),
        ("many spans at once", many_open),
        ("an event", event),
    ];
    for (what, work) in works {
        assert_eq!(allocations_of(&bare, work), 0, "{what}, without the layer");
        assert_eq!(allocations_of(&measured, work), 0, "{what}");
        assert_eq!(allocations_of(&with_busy, work), 0, "{what}, with its busy time");
    }
    assert!(registry.refusals().count > 0);
}

/// Why spans are not kept there: the reason for a table of the layer's own.
#[test]
fn extensions_of_a_span_would_be_boxed() {
    use tracing::Subscriber;
    use tracing_subscriber::Layer;
    use tracing_subscriber::registry::LookupSpan;

    struct Extending;

    impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Extending {
        fn on_new_span(
            &self,
            _: &tracing::span::Attributes<'_>,
            id: &tracing::span::Id,
            context: tracing_subscriber::layer::Context<'_, S>,
        ) {
            context.span(id).expect("it was opened").extensions_mut().insert(17_u64);
        }
    }

    let extending = Dispatch::new(tracing_subscriber::registry().with(Extending));
    assert_eq!(allocations_of(&extending, plain), 100);
}
