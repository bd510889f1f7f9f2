//! Labels: as they are given, as a series keeps them, and as they are read.
//!
//! A series keeps its labels as one text, sorted by key: each key and each value with a NUL behind it.
//! NUL is in neither, and less than all that may be there, so that texts are equal and in order where
//! lists of pairs are, and a set of labels is compared, hashed and kept as one piece of memory.
#![forbid(unsafe_code)]

use super::error::{RegisterError, excerpt};
use super::name::{MAX_LABELS, fault_of_key, fault_of_value};
use std::fmt;
use std::iter::FusedIterator;

/// A key and its value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Label<'a> {
    /// The key.
    pub fn key(&self) -> &'a str {
        self.key
    }

    /// The value: any text without NUL.
    pub fn value(&self) -> &'a str {
        self.value
    }

    /// What it takes in a text.
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len() + 2
    }
}

impl fmt::Debug for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.key, self.value)
    }
}

/// The labels of a series, sorted by key; from [`Descriptor::labels`](crate::Descriptor::labels).
#[derive(Clone)]
pub struct Labels<'a> {
    rest: &'a str,
}

impl Labels<'_> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = Label<'a>;

    #[inline]
    fn next(&mut self) -> Option<Label<'a>> {
        let (key, rest) = cut(self.rest)?;
        let (value, rest) = cut(rest)?;
        self.rest = rest;
        Some(Label { key, value })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.rest.bytes().filter(|&byte| byte == 0).count() / 2;
        (len, Some(len))
    }
}

/// What is before the first NUL, and what is behind it.
#[inline]
fn cut(text: &str) -> Option<(&str, &str)> {
    // Texts are short: a search by words takes longer.
    let end = text.bytes().position(|byte| byte == 0)?;
    Some((&text[..end], &text[end + 1..]))
}

impl ExactSizeIterator for Labels<'_> {}

impl FusedIterator for Labels<'_> {}

impl fmt::Debug for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The labels of a series.
#[derive(Clone, Debug, Default, Eq, PartialOrd, Ord)]
pub(crate) struct LabelSet(Box<str>);

impl PartialEq for LabelSet {
    fn eq(&self, other: &Self) -> bool {
        // Where an empty text lies there is nothing, and to compare it by vectors costs as much as ten
        // comparisons of a few bytes.
        let (one, other) = (&*self.0, &*other.0);
        one.len() == other.len() && (one.is_empty() || one == other)
    }
}

impl LabelSet {
    pub(super) fn iter(&self) -> Labels<'_> {
        Labels { rest: &self.0 }
    }

    /// Equal and in order where labels are.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// What most labels of a series fit into.
const USUAL_BYTES: usize = 64;

/// Labels as they are given, in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelList {
    /// Those that were accepted, as a series keeps them.
    text: String,
    /// Where the last one begins.
    last: usize,
    given: usize,
    /// Why the first that was not accepted was not.
    refused: Option<RegisterError>,
}

impl LabelList {
    /// Adds one.
    pub(crate) fn push(&mut self, key: &str, value: &str) {
        self.given += 1;
        if self.refused.is_some() || self.given > MAX_LABELS {
            return;
        }
        if let Some(fault) = fault_of_key(key) {
            self.refused = Some(RegisterError::InvalidLabelKey { key: excerpt(key), fault });
        } else if let Some(fault) = fault_of_value(value) {
            self.refused = Some(RegisterError::InvalidLabelValue { key: excerpt(key), fault });
        } else {
            self.insert(Label { key, value });
        }
    }

    fn insert(&mut self, label: Label<'_>) {
        let from = |at| Labels { rest: &self.text[at..] };
        let mut at = self.text.len();
        if from(self.last).next().is_some_and(|last| label.key <= last.key) {
            let before = from(0).take_while(|other| other.key < label.key);
            at = before.map(|other| other.bytes()).sum();
            if from(at).next().is_some_and(|next| label.key == next.key) {
                self.refused = Some(RegisterError::DuplicateLabel { key: excerpt(label.key) });
                return;
            }
            self.last += label.bytes();
        } else {
            self.last = at;
        }
        let bytes = if at == 0 { label.bytes().max(USUAL_BYTES) } else { label.bytes() };
        self.text.reserve(bytes);
        for part in [label.key, "\0", label.value, "\0"] {
            self.text.insert_str(at, part);
            at += part.len();
        }
    }

    /// Adds those of another list.
    pub(crate) fn append(&mut self, other: &Self) {
        self.refused = self.refused.take().or_else(|| other.refused.clone());
        self.given += other.given - Labels { rest: &other.text }.len();
        Labels { rest: &other.text }.for_each(|label| self.push(label.key, label.value));
    }

    /// Those that were accepted.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The labels of a series.
    pub(super) fn into_set(self) -> Result<LabelSet, RegisterError> {
        match self.refused {
            Some(refused) => Err(refused),
            None if self.given > MAX_LABELS => {
                Err(RegisterError::TooManyLabels { labels: self.given, limit: MAX_LABELS })
            }
            None => Ok(LabelSet(self.text.into_boxed_str())),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> LabelList {
        let mut list = LabelList::default();
        labels.into_iter().for_each(|(key, value)| list.push(key, value));
        list
    }

    #[test]
    fn no_label_and_an_empty_value_are_told_apart() {
        let none = list([]).into_set().unwrap();
        let empty = list([("k", "")]).into_set().unwrap();
        assert!(none.iter().is_empty() && none.iter().next().is_none() && none != empty);
        assert_eq!(empty.iter().map(|label| (label.key(), label.value())).next(), Some(("k", "")));
        assert_eq!(empty.iter().len(), 1);
    }

    #[test]
    fn the_first_fault_is_told() {
        let fault = |list: LabelList| list.into_set().unwrap_err();
        assert!(matches!(
            fault(list([("a", "\0"), ("", "")])),
            RegisterError::InvalidLabelValue { .. }
        ));
        assert!(matches!(
            fault(list([("a\0", ""), ("b", "")])),
            RegisterError::InvalidLabelKey { .. }
        ));
        let twice = RegisterError::DuplicateLabel { key: "a".into() };
        assert_eq!(fault(list([("a", "2"), ("b", ""), ("a", "1")])), twice);
        assert_eq!(fault(list([("a", "1"), ("a", "1")])), twice);
        let keys: Vec<_> = (0..100).map(|at| format!("k{at:03}")).collect();
        let many = list(keys.iter().map(|key| (&**key, "")));
        assert_eq!(fault(many), RegisterError::TooManyLabels { labels: 100, limit: MAX_LABELS });
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn sets_are_read_and_compared_as_lists_of_pairs_are(
            sets in prop::collection::vec(
                prop::collection::btree_map("[a-c._-]{0,3}", "[ab\u{1}\u{e9}]{0,3}", 0..5), 2
            ),
            turn in any::<usize>(),
        ) {
            let sets = sets.into_iter().map(|set| {
                let pairs = set.into_iter().map(|(key, value)| (format!("k{key}"), value));
                pairs.collect::<Vec<_>>()
            });
            let sets: Vec<_> = sets.collect();
            let made: Vec<_> = sets.iter().map(|set| {
                let mut given: Vec<_> = set.iter().map(|(key, value)| (&**key, &**value)).collect();
                let len = given.len().max(1);
                given.rotate_left(turn % len);
                let (first, rest) = given.split_at(given.len() / 2);
                let mut made = list(rest.iter().rev().copied());
                made.append(&list(first.iter().copied()));
                made.into_set().unwrap()
            }).collect();
            for (set, made) in sets.iter().zip(&made) {
                let read = made.iter().map(|it| (it.key().to_owned(), it.value().to_owned()));
                prop_assert!(read.eq(set.iter().cloned()));
                prop_assert_eq!(made.iter().len(), set.len());
            }
            prop_assert_eq!(made[0].cmp(&made[1]), sets[0].cmp(&sets[1]));
        }
    }
}
