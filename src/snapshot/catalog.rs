//! Which series a snapshot is about.
//!
//! A collector only ever appends: a series keeps its position in every later catalog of its registry,
//! and what a collection pays for new series does not depend on the old ones. Order by name is for
//! readers, and the first one who wants it pays for it.
#![forbid(unsafe_code)]

use crate::series::Descriptor;
use crate::sync;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Descriptors in one allocation; full ones are shared by all later catalogs.
const CHUNK: usize = 1024;

type Chunk = Vec<Arc<Descriptor>>;

/// Series in the order of their registration. Immutable: snapshots between which nothing was
/// registered share one.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    chunks: Vec<Arc<Chunk>>,
    len: usize,
    /// All positions, by name and then by labels.
    sorted: OnceLock<Arc<[u32]>>,
    /// The same for a part that came before, to start from.
    sorted_part: Arc<[u32]>,
}

impl Catalog {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, at: usize) -> &Descriptor {
        self.shared(at)
    }

    fn shared(&self, at: usize) -> &Arc<Descriptor> {
        &self.chunks[at / CHUNK][at % CHUNK]
    }

    /// This catalog and more series.
    pub(super) fn extended(&self, new: impl Iterator<Item = Arc<Descriptor>>) -> Self {
        let mut chunks = self.chunks.clone();
        let mut last = match chunks.last() {
            Some(last) if last.len() < CHUNK => Chunk::clone(last),
            _ => Chunk::new(),
        };
        chunks.truncate(self.len / CHUNK);
        let mut len = self.len;
        for descriptor in new {
            last.push(descriptor);
            len += 1;
            if last.len() == CHUNK {
                chunks.push(Arc::new(std::mem::take(&mut last)));
            }
        }
        chunks.push(Arc::new(last));
        let sorted_part = self.sorted.get().unwrap_or(&self.sorted_part).clone();
        Self { chunks, len, sorted: OnceLock::new(), sorted_part }
    }

    /// All positions, by name and then by labels. Those who ask at the same time for the first time
    /// each put them in order.
    pub(crate) fn sorted(&self) -> &[u32] {
        if let Some(sorted) = self.sorted.get() {
            return sorted;
        }
        let mut positions = self.sorted_part.to_vec();
        positions.extend(positions.len() as u32..self.len as u32);
        // The sort takes sorted runs as they are: old series are merged, not sorted again.
        let (_, new) = positions.split_at_mut(self.sorted_part.len());
        new.sort_by(|&a, &b| self.get(a as usize).order(self.get(b as usize)));
        positions.sort_by(|&a, &b| self.get(a as usize).order(self.get(b as usize)));
        let sorted: &Arc<[u32]> = sync::set_once(&self.sorted, positions.into());
        sorted
    }

    /// Where a series is; `labels` are sorted by key.
    pub(super) fn position(&self, name: &str, labels: &[(&str, &str)]) -> Option<usize> {
        let sorted = self.sorted();
        let found = sorted.binary_search_by(|&at| self.get(at as usize).order_to(name, labels));
        found.ok().map(|found| sorted[found] as usize)
    }

    /// How many positions mean the same series in both: the smaller length, or none if they are of
    /// different registries.
    pub(crate) fn in_common(&self, other: &Self) -> usize {
        let common = self.len.min(other.len);
        let same = common != 0 && Arc::ptr_eq(self.shared(0), other.shared(0));
        if same { common } else { 0 }
    }
}

/// How far somebody who keeps something of each series has followed a registry's catalogs, each of which
/// begins as those before it do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followed {
    newest: Arc<Catalog>,
}

/// Where the next catalog stands to the newest that was followed to.
pub(crate) enum Step {
    /// It has no series that is not known.
    Known,
    /// These positions are new.
    Further(Range<usize>),
    /// It is of another registry, and all of these positions are new.
    Anew(Range<usize>),
}

impl Followed {
    /// Follows to `catalog`. An older one than the newest is a part of that.
    pub(crate) fn follow(&mut self, catalog: &Arc<Catalog>) -> Step {
        let (known, len) = (self.newest.len(), catalog.len());
        if Arc::ptr_eq(&self.newest, catalog) {
            return Step::Known;
        }
        if catalog.in_common(&self.newest) != known.min(len) {
            self.newest = catalog.clone();
            return Step::Anew(0..len);
        }
        if len <= known {
            return Step::Known;
        }
        self.newest = catalog.clone();
        Step::Further(known..len)
    }
}
