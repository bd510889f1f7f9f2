//! Which rows of a histogram's buckets hold something in a shard: a bit for every so many of them, the same
//! number of bits for each layout.
//!
//! | digits | buckets | rows for a bit | bits |
//! |---|---|---|---|
//! | 1 | 976 | 2 | 61 |
//! | 2 | 7,424 | 4 | 232 |
//! | 3 | 56,320 | 32 | 220 |
//!
//! Bits are only ever set, by whoever records, with the record's other stores and without an order among
//! them: a reader that sees a count without its mark leaves it for the next collection.
#![forbid(unsafe_code)]

use super::Shard;
use crate::buckets::{Layout, Row};
use std::ops::Range;

/// Words of a shard's marks.
pub(super) const MARK_WORDS: usize = if cfg!(all(loom, test)) { 2 } else { 4 };

const BITS: usize = u64::BITS as usize;

/// A cache line of narrow cells: a mark for less would save nothing.
const FEWEST_ROWS: usize = if cfg!(all(loom, test)) { 1 } else { 2 };

/// A shard's marks as they were read, or those of several shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks([u64; MARK_WORDS]);

/// What a shard has of a histogram.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) shard: Shard,
    pub(super) marks: Marks,
    pub(super) has_narrow: bool,
    /// The rows of wide cells that may hold something.
    pub(super) wide: Range<usize>,
}

impl Marks {
    /// The word and the bit of the bucket of `value`.
    #[inline]
    pub(super) fn place(layout: Layout, value: u64) -> (usize, u64) {
        let mark = layout.index(value) / (Row::LEN * rows_of_a_mark(layout));
        (mark / BITS, 1 << (mark % BITS))
    }

    /// Those that `load` has of the values from `min` to `max`, in words that have one of these.
    pub(super) fn between(layout: Layout, min: u64, max: u64, load: impl Fn(usize) -> u64) -> Self {
        let (first, last) = (Self::place(layout, min).0, Self::place(layout, max).0);
        let mut marks = Self::default();
        for word in first..=last {
            marks.0[word] = load(word);
        }
        marks
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    #[inline]
    pub(super) fn has(self, mark: usize) -> bool {
        self.0[mark / BITS] >> (mark % BITS) & 1 != 0
    }

    /// In order.
    pub(super) fn iter(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(word, bits)| {
            let after = |bits: &u64| Some(bits & (bits - 1)).filter(|bits| *bits != 0);
            let rest = std::iter::successors(Some(bits).filter(|bits| *bits != 0), after);
            rest.map(move |bits| word * BITS + bits.trailing_zeros() as usize)
        })
    }

    /// The rows that a mark is of.
    pub(super) fn rows(layout: Layout, mark: usize) -> Range<usize> {
        let each = rows_of_a_mark(layout);
        mark * each..((mark + 1) * each).min(layout.rows())
    }
}

const fn rows_of_a_mark(layout: Layout) -> usize {
    let rows = layout.rows().div_ceil(MARK_WORDS * BITS).next_power_of_two();
    if rows < FEWEST_ROWS { FEWEST_ROWS } else { rows }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_is_in_the_rows_of_its_mark() {
        for (digits, rows, marks) in [(1, 2, 61), (2, 4, 232), (3, 32, 220)] {
            let layout = Layout::new(digits);
            assert_eq!(rows_of_a_mark(layout), rows);
            for index in 0..layout.len() {
                let (word, bit) = Marks::place(layout, layout.low(index));
                assert_eq!((word, bit), Marks::place(layout, layout.high(index)));
                let mark = word * BITS + bit.trailing_zeros() as usize;
                assert!(mark < marks && Marks::rows(layout, mark).contains(&(index / Row::LEN)));
            }
            assert_eq!(Marks::rows(layout, marks - 1).end, layout.rows());
        }
    }

    #[test]
    fn marks_are_listed_in_order() {
        let marks = Marks([1 << 63 | 1, 0, 6, 1]);
        assert_eq!(marks.iter().collect::<Vec<_>>(), [0, 63, 129, 130, 192]);
        assert!((0..256).all(|mark| marks.has(mark) == marks.iter().any(|one| one == mark)));
        assert_eq!(Marks::default().iter().next(), None);
        assert_eq!(marks.with(Marks([2, 0, 0, 0])), Marks([1 << 63 | 3, 0, 6, 1]));
    }
}
