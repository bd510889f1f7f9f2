//! What callers ask of the flusher.
//!
//! A flush is known by its number. One that had begun before a caller asked may miss what the caller
//! recorded, so a request is for the next number. An order to stop is for a last flush, which begins
//! after it: it holds everything that was recorded before.
#![forbid(unsafe_code)]

use crate::sync::{self, Mutex};
use std::time::Instant;

pub(crate) struct Orders {
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    begun: u64,
    wanted: u64,
    /// Until when deliveries may take after the last flush.
    stop: Option<Instant>,
}

/// What the flusher is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Flush {
        number: u64,
        /// Somebody waits for it.
        is_urgent: bool,
    },
    /// One last flush; deliveries have until then.
    Last { number: u64, deadline: Instant },
}

impl Orders {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::default()) }
    }

    /// Asks for a flush that begins after this call; returns its number.
    pub(crate) fn request(&self) -> u64 {
        let mut state = sync::lock(&self.state);
        state.wanted = state.begun + 1;
        state.wanted
    }

    /// Asks for the last flush. What an earlier call said about the deadline stands.
    pub(crate) fn stop(&self, deadline: Instant) {
        sync::lock(&self.state).stop.get_or_insert(deadline);
    }

    /// Begins what is to be done, if there is something; `is_due` says that a tick is.
    pub(crate) fn begin(&self, is_due: bool) -> Option<Order> {
        let mut state = sync::lock(&self.state);
        let number = state.begun + 1;
        let is_urgent = state.wanted == number;
        let order = match state.stop {
            Some(deadline) => Order::Last { number, deadline },
            None if is_urgent || is_due => Order::Flush { number, is_urgent },
            None => return None,
        };
        state.begun = number;
        Some(order)
    }
}
