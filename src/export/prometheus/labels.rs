//! What labels are called in Prometheus' formats, and that no two series of a family have the same.
//!
//! | the series of a family so far | what is kept | a new one |
//! |---|---|---|
//! | plain: none has an empty value, and those with other keys have other exported keys | the few lists of keys that there are | differs from all others in a key or a value, if the family stays plain with it |
//! | mixed: all others | the labels of each series, as a hash | is looked up, and gets another label if it is found |
//!
//! A family that is mixed stays so.
#![forbid(unsafe_code)]

use super::PrometheusNames;
use super::name::identifier;
use crate::series::{Descriptor, Kind};
use crate::snapshot::Catalog;
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Lists of keys in a plain family, which are searched one by one.
const MAX_LISTS: usize = 8;

/// What is known of the labels of all series.
#[derive(Clone, Debug)]
pub(super) struct LabelSets {
    spelling: PrometheusNames,
    families: Vec<Family>,
    /// Hashes of the labels of all series of mixed families. Under secrets that nobody knows, two sets of
    /// labels have the same hash by chance alone, one pair in 2^64; the later one then has a label that it
    /// does not need.
    seen: HashSet<u64>,
    hasher: RandomState,
}

#[derive(Clone, Debug, Default)]
struct Family {
    /// Those that a plain family has.
    lists: Vec<Keys>,
    is_mixed: bool,
}

/// The keys of some series of a family.
#[derive(Clone, Debug)]
struct Keys(Box<[Key]>);

#[derive(Clone, Debug)]
struct Key {
    registered: Box<str>,
    exported: Box<str>,
}

impl LabelSets {
    pub(super) fn new(spelling: PrometheusNames) -> Self {
        Self { spelling, families: Vec::new(), seen: HashSet::new(), hasher: RandomState::new() }
    }

    /// The labels of the series at a position of `catalog`. They are asked for in the order of positions;
    /// families have numbers in the order of their first series.
    pub(super) fn add<'a>(
        &'a mut self,
        family: u32,
        at: usize,
        catalog: &'a Catalog,
    ) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
        let number = family as usize;
        if number == self.families.len() {
            self.families.push(Family::default());
        }
        let descriptor = catalog.get(at);
        let Some(list) = self.families[number].list_of(descriptor, self.spelling) else {
            if !std::mem::replace(&mut self.families[number].is_mixed, true) {
                self.insert_earlier(family, at, catalog);
            }
            let mut labels = exported_labels(descriptor, self.spelling);
            self.tell_apart(family, descriptor, &mut labels);
            return labels;
        };
        let keys = self.families[number].lists[list].0.iter().map(|key| Cow::from(&*key.exported));
        let values = descriptor.labels().map(|label| Cow::from(label.value()));
        keys.zip(values).collect()
    }

    /// Enters the series of a family that was plain up to the one at this position.
    fn insert_earlier(&mut self, family: u32, at: usize, catalog: &Catalog) {
        let name = catalog.get(at).name();
        let name_of = |other: u32| catalog.get(other as usize).name();
        let sorted = catalog.sorted();
        let first = sorted.partition_point(|&other| name_of(other) < name);
        for &other in sorted[first..].iter().take_while(|&&other| name_of(other) == name) {
            if (other as usize) < at {
                let labels = exported_labels(catalog.get(other as usize), self.spelling);
                self.insert(family, &labels);
            }
        }
    }

    /// Adds a label to those of a new series if another one of the family has the same: their keys
    /// differ in what exported keys do not show, or in some whose values are empty.
    fn tell_apart<'a>(
        &mut self,
        family: u32,
        descriptor: &'a Descriptor,
        labels: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
    ) {
        let mut key = Cow::from("quipu_keys");
        while !self.insert(family, labels) {
            // Of the last round, after which a series was seen that has such a label of its own.
            labels.truncate(descriptor.labels().len());
            while labels.iter().any(|(other, _)| *other == key) {
                key.to_mut().push('_');
            }
            let keys: Vec<_> = descriptor.labels().map(|label| label.key()).collect();
            // An empty value would tell nothing apart; no key begins like this one.
            let keys = if keys.is_empty() { "-".to_owned() } else { keys.join(",") };
            labels.push((key.clone(), Cow::Owned(keys)));
            key.to_mut().push('_');
        }
    }

    /// Whether no series of the family has these labels; to Prometheus, an empty value is none.
    fn insert(&mut self, family: u32, labels: &[(Cow<'_, str>, Cow<'_, str>)]) -> bool {
        let mut sorted: Vec<_> = labels.iter().filter(|(_, value)| !value.is_empty()).collect();
        sorted.sort_unstable();
        self.seen.insert(self.hasher.hash_one((family, sorted)))
    }
}

impl Family {
    /// Which list has the keys of a new series, if the family is plain and stays so with it.
    fn list_of(&mut self, descriptor: &Descriptor, spelling: PrometheusNames) -> Option<usize> {
        if self.is_mixed || descriptor.labels().any(|label| label.value().is_empty()) {
            return None;
        }
        let known = self.lists.iter().position(|keys| keys.are_of(descriptor));
        if known.is_some() || self.lists.len() == MAX_LISTS {
            return known;
        }
        let keys = Keys::new(descriptor, spelling);
        if self.lists.iter().any(|others| others.exported() == keys.exported()) {
            return None;
        }
        self.lists.push(keys);
        Some(self.lists.len() - 1)
    }
}

impl Keys {
    fn new(descriptor: &Descriptor, spelling: PrometheusNames) -> Self {
        let exported = exported_labels(descriptor, spelling).into_iter().map(|(key, _)| key);
        let keys = descriptor.labels().zip(exported).map(|(label, exported)| Key {
            registered: label.key().into(),
            exported: exported.into(),
        });
        Self(keys.collect())
    }

    fn are_of(&self, descriptor: &Descriptor) -> bool {
        let keys = descriptor.labels().map(|label| label.key());
        keys.eq(self.0.iter().map(|key| &*key.registered))
    }

    /// The exported ones, whatever the order of the registered ones.
    fn exported(&self) -> Vec<&str> {
        let mut exported: Vec<_> = self.0.iter().map(|key| &*key.exported).collect();
        exported.sort_unstable();
        exported
    }
}

/// The labels of a series, under keys that are told apart.
fn exported_labels(
    descriptor: &Descriptor,
    spelling: PrometheusNames,
) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let is_histogram = descriptor.kind() == Kind::Histogram;
    let mut labels: Vec<(Cow<'_, str>, _)> = Vec::with_capacity(descriptor.labels().len() + 1);
    for label in descriptor.labels() {
        let mut key = match spelling {
            PrometheusNames::Underscores => identifier(label.key()),
            PrometheusNames::Utf8 => Cow::Borrowed(label.key()),
        };
        // Two underscores are Prometheus' own, and `le` is what buckets are told apart by.
        if key.starts_with("__") || (is_histogram && key == "le") {
            key = Cow::Owned(format!("exported_{key}"));
        }
        // Of `a.b` and `a_b` in one series the second keeps its key.
        while key != label.key()
            && (descriptor.label(&key).is_some() || labels.iter().any(|(other, _)| *other == key))
        {
            key.to_mut().push('_');
        }
        labels.push((key, Cow::Borrowed(label.value())));
    }
    labels
}

#[cfg(all(test, not(loom)))]
mod tests;
