//! Call sites: what all spans, or all events, of one place in the program have in common. They are
//! known by the addresses of their metadata, so that no text is looked at twice.
#![forbid(unsafe_code)]

use super::fields::{OVERFLOW, Positions};
use super::series::{Count, Durations};
use crate::metric::UpDownCounter;
use std::sync::OnceLock;
use tracing_core::{Level, Metadata};

/// A hash of words that nobody chooses from outside: addresses, and numbers in the order of their
/// coming.
#[inline]
pub(super) fn hash<const N: usize>(words: [u64; N]) -> u64 {
    words.into_iter().fold(0, |state, word| {
        let mixed = (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    })
}

/// A call site, by the address of its metadata.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Address(u64);

pub(super) struct SpanSite {
    pub(super) address: Address,
    pub(super) kind: Kind,
    pub(super) positions: Positions,
    pub(super) active: UpDownCounter,
    /// Of spans without a field that is a label, once one has closed.
    pub(super) durations: OnceLock<Durations>,
}

pub(super) struct EventSite {
    pub(super) address: Address,
    pub(super) count: Count,
}

/// The number of a span's name or an event's target, and a level.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    name: u64,
    level: Level,
}

impl Address {
    pub(super) fn of(metadata: &'static Metadata<'static>) -> Self {
        Self(std::ptr::from_ref(metadata).addr() as u64)
    }

    /// From what a span keeps of it.
    pub(super) fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) fn hash(self) -> u64 {
        hash([self.0])
    }
}

impl Kind {
    pub(super) fn new(name: u64, level: Level) -> Self {
        Self { name, level }
    }

    pub(super) fn name(self) -> u64 {
        self.name
    }

    pub(super) fn level(self) -> &'static str {
        self.level.as_str()
    }

    /// No label can have its name.
    pub(super) fn is_refused(self) -> bool {
        self.name == OVERFLOW
    }

    /// Another one for each.
    #[inline]
    pub(super) fn word(self) -> u64 {
        let level = match self.level {
            Level::ERROR => 0,
            Level::WARN => 1,
            Level::INFO => 2,
            Level::DEBUG => 3,
            _ => 4,
        };
        self.name << 3 | level
    }

    #[inline]
    pub(super) fn hash(self) -> u64 {
        hash([self.word()])
    }
}
