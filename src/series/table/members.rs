//! The series of one name, found by their labels.
#![forbid(unsafe_code)]

use super::Series;
use crate::series::labels::LabelSet;
use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

/// Each with the hash of its labels beside it, so that a table that grows looks at no labels.
#[derive(Default)]
pub(super) struct Members(HashSet<Member, BuildHasherDefault<Given>>);

struct Member {
    hash: u64,
    series: Arc<Series>,
}

impl Members {
    pub(super) fn get(&self, hash: u64, labels: &LabelSet) -> Option<&Arc<Series>> {
        let wanted: &dyn ByLabels = &Wanted { hash, labels };
        self.0.get(wanted).map(|member| &member.series)
    }

    /// Adds a series that is not there.
    pub(super) fn add(&mut self, hash: u64, series: Arc<Series>) {
        self.0.insert(Member { hash, series });
    }

    pub(super) fn remove(&mut self, hash: u64, labels: &LabelSet) {
        let wanted: &dyn ByLabels = &Wanted { hash, labels };
        self.0.remove(wanted);
    }
}

/// What is looked for.
struct Wanted<'a> {
    hash: u64,
    labels: &'a LabelSet,
}

/// What a member is found by.
trait ByLabels {
    fn by_labels(&self) -> (u64, &LabelSet);
}

impl ByLabels for Member {
    fn by_labels(&self) -> (u64, &LabelSet) {
        (self.hash, &self.series.descriptor.labels)
    }
}

impl ByLabels for Wanted<'_> {
    fn by_labels(&self) -> (u64, &LabelSet) {
        (self.hash, self.labels)
    }
}

impl Hash for dyn ByLabels + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.by_labels().0);
    }
}

impl PartialEq for dyn ByLabels + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.by_labels() == other.by_labels()
    }
}

impl Eq for dyn ByLabels + '_ {}

impl<'a> Borrow<dyn ByLabels + 'a> for Member {
    fn borrow(&self) -> &(dyn ByLabels + 'a) {
        self
    }
}

impl Hash for Member {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for Member {
    fn eq(&self, other: &Self) -> bool {
        self.by_labels() == other.by_labels()
    }
}

impl Eq for Member {}

/// Takes what is hashed, which is a hash already, for the hash.
#[derive(Default)]
struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("members hash as one word")
    }
}
