//! How a snapshot gets from the flusher to a delivery thread.
//!
//! There is room for one: a newer one replaces it, which loses nothing, since totals only grow and a
//! delta is taken against what was acknowledged.
//!
//! | state | `put` | `close` | `take` | `put_back`, after a failure |
//! |---|---|---|---|---|
//! | empty | waiting | closed, waiting | nothing | waiting |
//! | waiting | waiting, the newer one | closed, waiting, the newer one | empty | the newer one stays |
//! | closed, waiting | refused | refused | closed, empty | the newer one stays |
//! | closed, empty | refused | refused | the end | closed, waiting |
//!
//! Both sides change it under its lock; whoever puts or closes wakes the thread afterwards.
#![forbid(unsafe_code)]

use crate::sync::{self, Mutex};
use std::time::Instant;

pub(crate) struct Handover<T> {
    state: Mutex<State<T>>,
}

struct State<T> {
    waiting: Option<T>,
    is_urgent: bool,
    closed: Option<Instant>,
}

/// What a delivery thread finds.
#[derive(Debug)]
pub(crate) enum Taken<T> {
    Item {
        item: T,
        /// Nothing comes after it.
        is_last: bool,
    },
    /// Something waits, but only what is urgent was to be taken.
    Later,
    Nothing,
    /// Nothing waits, and nothing will come.
    End,
}

impl<T> Handover<T> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { waiting: None, is_urgent: false, closed: None }) }
    }

    /// Makes `item` the one that waits; returns whether another one waited. An urgent one asks for
    /// an attempt at once. Does nothing once closed.
    pub(crate) fn put(&self, item: T, is_urgent: bool) -> bool {
        let mut state = sync::lock(&self.state);
        if state.closed.is_some() {
            return false;
        }
        state.is_urgent |= is_urgent;
        state.waiting.replace(item).is_some()
    }

    /// Returns what could not be delivered; whether it was superseded by a newer one.
    pub(crate) fn put_back(&self, item: T) -> bool {
        let mut state = sync::lock(&self.state);
        let is_superseded = state.waiting.is_some();
        state.waiting.get_or_insert(item);
        is_superseded
    }

    /// Takes what waits; with `only_urgent`, only if it is.
    pub(crate) fn take(&self, only_urgent: bool) -> Taken<T> {
        let mut state = sync::lock(&self.state);
        if state.waiting.is_some() && only_urgent && !state.is_urgent {
            return Taken::Later;
        }
        let is_closed = state.closed.is_some();
        match state.waiting.take() {
            Some(item) => {
                state.is_urgent = false;
                Taken::Item { item, is_last: is_closed }
            }
            None if is_closed => Taken::End,
            None => Taken::Nothing,
        }
    }

    /// Puts the last item, if there is one, and lets nothing more in; returns whether it replaced
    /// one that waited. Deliveries may be tried until `deadline`.
    pub(crate) fn close(&self, last: Option<T>, deadline: Instant) -> bool {
        let mut state = sync::lock(&self.state);
        if state.closed.is_some() {
            return false;
        }
        state.closed = Some(deadline);
        state.is_urgent = true;
        last.and_then(|last| state.waiting.replace(last)).is_some()
    }

    /// Until when deliveries may be tried, once it is closed.
    pub(crate) fn closed(&self) -> Option<Instant> {
        sync::lock(&self.state).closed
    }
}
