//! Which series a snapshot is about.
//!
//! A collector appends: a series keeps its position in the later catalogs of a line, and what a
//! collection pays for new series does not depend on the old ones. Where series leave, another line
//! begins, with other positions. Order by name is for readers, and the first one who wants it pays for
//! it.
#![forbid(unsafe_code)]

use super::order;
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
    /// The same in all catalogs that begin as this one does.
    line: Arc<()>,
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
        Self { line: self.line.clone(), chunks, len, sorted: OnceLock::new(), sorted_part }
    }

    /// The series that have a new position, in the order of those, and the beginning of another line.
    pub(super) fn without(&self, new_position: impl Fn(u32) -> Option<u32>) -> Self {
        let stays = |&at: &u32| new_position(at).is_some();
        let descriptors = (0..self.len as u32).filter(stays);
        let descriptors = descriptors.map(|at| self.shared(at as usize).clone());
        let sorted = self.sorted().iter().filter_map(|&at| new_position(at));
        let empty = Self { sorted_part: sorted.collect(), ..Self::default() };
        empty.extended(descriptors)
    }

    /// All positions, by name and then by labels. Those who ask at the same time for the first time
    /// each put them in order.
    pub(crate) fn sorted(&self) -> &[u32] {
        if let Some(sorted) = self.sorted.get() {
            return sorted;
        }
        let series = |at: u32| self.get(at as usize);
        let mut new: Vec<u32> = (self.sorted_part.len() as u32..self.len as u32).collect();
        order::sort(&mut new, series);
        let is_before = |old, new| series(old).order(series(new)).is_lt();
        let sorted = order::merge(&self.sorted_part, &new, is_before);
        let sorted: &Arc<[u32]> = sync::set_once(&self.sorted, sorted.into());
        sorted
    }

    /// Where a series is; `labels` are sorted by key.
    pub(super) fn position(&self, name: &str, labels: &[(&str, &str)]) -> Option<usize> {
        let sorted = self.sorted();
        let found = sorted.binary_search_by(|&at| self.get(at as usize).order_to(name, labels));
        found.ok().map(|found| sorted[found] as usize)
    }

    /// How many positions mean the same series in both: the smaller length, or none if they are of
    /// different lines.
    pub(crate) fn in_common(&self, other: &Self) -> usize {
        if Arc::ptr_eq(&self.line, &other.line) { self.len.min(other.len) } else { 0 }
    }

    /// Where the series of this catalog are in `other`, by their positions.
    pub(super) fn positions_in(&self, other: &Self) -> Positions {
        let common = self.in_common(other);
        if common != 0 {
            return Positions::Same(common);
        }
        let mut positions = vec![None; self.len];
        let mut theirs = other.sorted().iter().peekable();
        for &at in self.sorted() {
            let series = self.shared(at as usize);
            let is_before = |theirs: &&u32| other.get(**theirs as usize).order(series).is_lt();
            while theirs.next_if(is_before).is_some() {}
            // One that has left and come back is another series, and counts from zero.
            let is_it = |theirs: &&u32| Arc::ptr_eq(other.shared(**theirs as usize), series);
            positions[at as usize] = theirs.peek().filter(|theirs| is_it(theirs)).map(|&&at| at);
        }
        Positions::Others(positions)
    }
}

/// Where series are in another catalog.
pub(super) enum Positions {
    /// At the same positions, as far as these go.
    Same(usize),
    /// At these, if at all.
    Others(Vec<Option<u32>>),
}

impl Positions {
    pub(super) fn of(&self, at: usize) -> Option<usize> {
        match self {
            Self::Same(common) => (at < *common).then_some(at),
            Self::Others(positions) => positions[at].map(|at| at as usize),
        }
    }
}

/// How far somebody who keeps something of each series has followed a registry's catalogs, each of which
/// begins as those of its line before it do.
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
    /// It is of another registry, or of another line, and all of these positions are new.
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
