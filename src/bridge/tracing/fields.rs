//! Fields of spans as labels: texts become numbers when they are recorded, so that nothing of a
//! text has to be kept with its span, and a span's series is found by numbers alone.
#![forbid(unsafe_code)]

use super::growing::Growing;
use super::open::MAX_FIELDS;
use crate::client::{contained, cut};
use crate::series::{HashKey, fault_of_value};
use std::fmt::{self, Write};
use tracing_core::field::{Field, FieldSet, Visit};

/// Of a longer value the beginning is the label.
const MAX_VALUE_BYTES: usize = 128;

/// A field that a span does not have, or that is empty, which is the same to many destinations.
pub(super) const ABSENT: u64 = 0;
/// A value for which there was no number left, or that no label can have.
pub(super) const OVERFLOW: u64 = 1;
const FIRST: u64 = 2;

/// Texts, by the order in which they came.
pub(super) struct Texts {
    key: HashKey,
    known: Growing<Text>,
}

struct Text {
    text: Box<str>,
    number: u64,
}

impl Texts {
    pub(super) fn new(limit: usize) -> Self {
        Self { key: HashKey::random(), known: Growing::new(limit) }
    }

    #[inline]
    pub(super) fn number(&self, text: &str) -> u64 {
        if text.is_empty() {
            return ABSENT;
        }
        let hash = self.key.hash([text]);
        let is = |known: &Text| *known.text == *text;
        match self.known.find(hash, is) {
            Some(known) => known.number,
            None => self.add(hash, text),
        }
    }

    #[cold]
    fn add(&self, hash: u64, text: &str) -> u64 {
        if fault_of_value(text).is_some() {
            return OVERFLOW;
        }
        let make = |count| Some(Text { text: text.into(), number: FIRST + count as u64 });
        let known = self.known.find_or_add(hash, |known| *known.text == *text, make);
        known.map_or(OVERFLOW, |known| known.number)
    }

    /// The text with this number, looked for among all.
    pub(super) fn text(&self, number: u64) -> Option<&str> {
        self.known.iter().find(|known| known.number == number).map(|known| &*known.text)
    }
}

/// The fields that are labels, and the values that they have had.
pub(super) struct Fields(Box<[(&'static str, Texts)]>);

/// Where a call site has these fields.
#[derive(Clone, Copy)]
pub(super) struct Positions([Option<usize>; MAX_FIELDS]);

impl Fields {
    pub(super) fn new(names: &[&'static str], max_values: usize) -> Self {
        Self(names.iter().map(|&name| (name, Texts::new(max_values))).collect())
    }

    pub(super) fn positions(&self, fields: &FieldSet) -> Positions {
        let mut positions = [None; MAX_FIELDS];
        for (position, (name, _)) in positions.iter_mut().zip(&self.0) {
            *position = fields.field(name).map(|field| field.index());
        }
        Positions(positions)
    }

    /// The number of values that the field with most of them has had.
    pub(super) fn most_values(&self) -> usize {
        self.0.iter().map(|(_, texts)| texts.known.len()).max().unwrap_or(0)
    }

    /// Names and values of the fields that a span has.
    pub(super) fn labels(
        &self,
        values: [u64; MAX_FIELDS],
    ) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = self.0.iter().zip(values);
        fields.filter_map(|((name, texts), number)| Some((*name, texts.text(number)?)))
    }
}

impl Positions {
    #[inline]
    pub(super) fn are_empty(&self) -> bool {
        self.0 == [None; MAX_FIELDS]
    }
}

/// Passes on the values of fields that are labels, as numbers.
pub(super) struct Visitor<'a, N> {
    fields: &'a Fields,
    positions: &'a Positions,
    note: N,
}

impl<'a, N: FnMut(usize, u64)> Visitor<'a, N> {
    pub(super) fn new(fields: &'a Fields, positions: &'a Positions, note: N) -> Self {
        Self { fields, positions, note }
    }

    fn position(&self, field: &Field) -> Option<usize> {
        self.positions.0.iter().position(|position| *position == Some(field.index()))
    }

    fn note(&mut self, at: usize, text: &str) {
        let number = self.fields.0[at].1.number(cut(text, MAX_VALUE_BYTES));
        (self.note)(at, number);
    }
}

impl<N: FnMut(usize, u64)> Visit for Visitor<'_, N> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(at) = self.position(field) {
            self.note(at, value);
        }
    }

    /// Numbers, truth values and errors come here as well.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let Some(at) = self.position(field) else { return };
        let mut shown = Shown { bytes: [0; MAX_VALUE_BYTES], len: 0, is_cut: false };
        // An error means that the value is cut, or that it gave up. One that panics is the
        // program's code, and must not end what would not have shown it without this layer.
        if contained(|| write!(shown, "{value:?}")).is_ok() {
            self.note(at, shown.text());
        }
    }
}

/// The beginning of what a value shows.
struct Shown {
    bytes: [u8; MAX_VALUE_BYTES],
    len: usize,
    is_cut: bool,
}

impl Shown {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).expect("it is made of whole characters")
    }
}

impl Write for Shown {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.is_cut {
            // The value goes on all the same.
            return Err(fmt::Error);
        }
        let kept = cut(text, MAX_VALUE_BYTES - self.len);
        self.bytes[self.len..][..kept.len()].copy_from_slice(kept.as_bytes());
        self.len += kept.len();
        self.is_cut = kept.len() < text.len();
        if self.is_cut { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_the_same_number_each_time_and_is_found_by_it() {
        let texts = Texts::new(100);
        let numbers: Vec<_> = (0..100).map(|text| texts.number(&format!("{text}"))).collect();
        assert_eq!(numbers, Vec::from_iter(FIRST..FIRST + 100));
        assert_eq!(texts.number("17"), FIRST + 17);
        assert_eq!(texts.text(FIRST + 17), Some("17"));
        assert_eq!(texts.number("one more"), OVERFLOW);
        assert_eq!((texts.text(ABSENT), texts.text(OVERFLOW)), (None, None));
    }

    #[test]
    fn no_text_is_no_value_and_what_no_label_can_have_is_refused() {
        let texts = Texts::new(100);
        assert_eq!(texts.number(""), ABSENT);
        assert_eq!(texts.number("a\0b"), OVERFLOW);
        assert_eq!(texts.number("a"), FIRST);
    }

    #[test]
    fn long_values_are_cut_at_the_end_of_a_character() {
        let mut shown = Shown { bytes: [0; MAX_VALUE_BYTES], len: 0, is_cut: false };
        let long = format!("a{}", "\u{e9}".repeat(100));
        assert!(write!(shown, "{long}b").is_err());
        assert!(write!(shown, "c").is_err());
        assert_eq!(shown.text(), format!("a{}", "\u{e9}".repeat(63)));
    }
}
