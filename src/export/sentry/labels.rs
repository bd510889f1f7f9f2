//! The labels of series as attributes, rendered once; follows the catalog of a registry, which only
//! grows.
#![forbid(unsafe_code)]

use crate::export::json::quote;
use crate::series::Descriptor;
use crate::snapshot::{Catalog, Followed, Step};
use std::sync::Arc;

/// Attributes of every metric. A label of the same name takes the place of one.
pub(super) const SHARED_KEYS: [&str; 5] = [
    "sentry.release",
    "sentry.environment",
    "server.address",
    "sentry.sdk.name",
    "sentry.sdk.version",
];

#[derive(Default)]
pub(super) struct Labels {
    followed: Followed,
    /// By position in the catalog; each begins where the one before it ends.
    ends: Vec<End>,
    text: Vec<u8>,
}

struct End {
    text: usize,
    replaces: Replaced,
}

/// Which of the shared attributes a series has labels of its own for, a bit each.
pub(super) type Replaced = u8;

impl Labels {
    /// Follows to `catalog`.
    pub(super) fn follow(&mut self, catalog: &Arc<Catalog>) {
        let new = match self.followed.follow(catalog) {
            Step::Known => return,
            Step::Further(new) => new,
            Step::Anew(new) => {
                self.ends.clear();
                self.text.clear();
                new
            }
        };
        new.for_each(|at| self.add(catalog.get(at)));
    }

    fn add(&mut self, descriptor: &Descriptor) {
        let mut replaces = 0;
        for label in descriptor.labels() {
            push_attribute(&mut self.text, label.key(), label.value());
            if let Some(shared) = SHARED_KEYS.iter().position(|key| *key == label.key()) {
                replaces |= 1 << shared;
            }
        }
        self.ends.push(End { text: self.text.len(), replaces });
    }

    /// Those of the series at a position, each after a comma.
    pub(super) fn of(&self, at: usize) -> (&[u8], Replaced) {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before].text);
        let End { text, replaces } = self.ends[at];
        (&self.text[start..text], replaces)
    }
}

/// Appends an attribute after a comma.
pub(super) fn push_attribute(out: &mut Vec<u8>, key: &str, value: &str) {
    out.push(b',');
    quote(out, key);
    out.extend_from_slice(b":{\"value\":");
    quote(out, value);
    out.extend_from_slice(b",\"type\":\"string\"}");
}
