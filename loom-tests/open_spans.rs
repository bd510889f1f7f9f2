//! The slots of open spans, which pass from one to the next. They know nothing of `tracing`, which
//! is not built under loom, and so are built here.

#[allow(dead_code)] // A model needs a part of it.
#[path = "../src/bridge/tracing/open.rs"]
mod open;

use super::{explore, must_fail, must_fail_without};
use crate::sync::{Arc, Edge};
use loom::thread;
use open::{MAX_FIELDS, OpenSpans, Opened};

fn opened(number: u64) -> Opened {
    Opened { site: number, ticks: number, values: [number; MAX_FIELDS] }
}

/// Opens a span and closes it; returns its slot, as a number.
fn open_and_close(spans: &OpenSpans, id: u64) -> usize {
    assert!(spans.open(id, opened(id)));
    let slot = spans.find(id).expect("it was opened");
    assert_eq!(slot.close().0, opened(id), "another span was in between");
    std::ptr::from_ref(slot).addr()
}

/// Two threads, which may have the only slot of the first table one after the other.
fn next_span() -> bool {
    let spans = Arc::new(OpenSpans::new());
    let other = {
        let spans = spans.clone();
        thread::spawn(move || open_and_close(&spans, 2))
    };
    let slot = open_and_close(&spans, 1);
    let is_same = slot == other.join().unwrap();
    assert_eq!(spans.all().count(), 0);
    is_same
}

#[test]
fn a_slot_that_is_used_again_mixes_no_spans() {
    let outcomes = explore("open spans: the next one", 5, next_span);
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [false, true]);
}

#[test]
fn twin_taking_a_slot_relaxed() {
    must_fail_without(Edge::SpanOpen, || _ = next_span());
}

#[test]
fn twin_leaving_a_slot_relaxed() {
    must_fail_without(Edge::SpanClose, || _ = next_span());
}

/// A span that one thread opens and another closes, while a third opens one.
fn passed_on() -> bool {
    let spans = Arc::new(OpenSpans::new());
    assert!(spans.open(1, opened(1)));
    let first = std::ptr::from_ref(spans.find(1).expect("it was opened")).addr();
    let closing = {
        let spans = spans.clone();
        thread::spawn(move || {
            let slot = spans.find(1).expect("it was opened before");
            slot.set_value(0, 7);
            assert_eq!(slot.close().0, Opened { values: [7, 1, 1, 1], ..opened(1) });
        })
    };
    let other = {
        let spans = spans.clone();
        thread::spawn(move || open_and_close(&spans, 2))
    };
    closing.join().unwrap();
    let is_same = other.join().unwrap() == first;
    assert_eq!(spans.all().count(), 0);
    is_same
}

#[test]
fn a_span_that_is_passed_on_is_closed_as_it_was_left() {
    let outcomes = explore("open spans: passed on", 5, passed_on);
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [false, true]);
}

/// Who closes a span that may still be open elsewhere.
#[test]
fn twin_closing_anothers_span() {
    must_fail("a span closed by two", || {
        let spans = Arc::new(OpenSpans::new());
        assert!(spans.open(1, opened(1)));
        let other = {
            let spans = spans.clone();
            thread::spawn(move || spans.find(1).map(|slot| slot.close().0))
        };
        let own = spans.find(1).map(|slot| slot.close().0);
        let both = (own, other.join().unwrap());
        assert!(both.0.is_none() || both.1.is_none(), "it was closed twice");
    });
}
