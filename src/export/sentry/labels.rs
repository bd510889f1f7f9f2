//! The labels of series as attributes, rendered once; follows the catalog of a registry, which only
//! grows.
#![forbid(unsafe_code)]

use super::metrics::{SHARED_KEYS, push_attribute};
use crate::series::Descriptor;
use crate::snapshot::Catalog;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct Labels {
    catalog: Arc<Catalog>,
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
        if Arc::ptr_eq(&self.catalog, catalog) {
            return;
        }
        // An older catalog of the same registry is a part of this one; another registry's is not.
        if catalog.in_common(&self.catalog) != self.ends.len().min(catalog.len()) {
            *self = Self::default();
        }
        if self.ends.len() < catalog.len() {
            for at in self.ends.len()..catalog.len() {
                self.add(catalog.get(at));
            }
            self.catalog = catalog.clone();
        }
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
