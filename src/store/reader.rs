//! Adding up a histogram's buckets over the shards.
//!
//! What a collection waits for is memory: a shard's part of a histogram is a few kilobytes in pages of
//! its own, over before a processor has learnt to fetch ahead. So the parts of some shards are gone
//! through side by side, from mark to mark (see `marks.rs`), and only what is marked:
//!
//! ```text
//! marks     0    1    2    3    4    5
//! shard 1   [====]    [====][====]
//! shard 2   [====]         [====]
//! shard 3                  [====]    [====]
//! at once   1, 2       1    1,2,3      3
//! ```
//!
//! Nothing is read outside of marked rows, which lie in pages that somebody wrote to: no page is
//! faulted in. Wide cells (see `Narrow` in `cell.rs`), of which there are few, are read where a mark and
//! the header's range of them meet.
//!
//! So that the first rows of each part need not be waited for either, a histogram is announced before
//! the one that comes first is added up, and so are the parts of a histogram that come next.
//!
//! All headers, which say where the parts are, are read before the first bucket. As every cell is
//! loaded once and Relaxed (see [`Cell`](super::cell::Cell)), the order promises nothing: a bucket may
//! be seen without its part, in which case it waits for the next collection, and a part without its
//! buckets.
#![forbid(unsafe_code)]

use super::Shard;
use super::cell::{ABREAST, NarrowRow, WideRow, add_narrow, add_wide, loads_fours, prefetch};
use super::marks::{Marks, Part};
use crate::buckets::{Layout, Row};

/// What a histogram held, its buckets aside.
pub(crate) struct Totals {
    pub(crate) layout: Layout,
    /// The sum of the buckets.
    pub(crate) count: u64,
    pub(crate) sum: u64,
    /// More than `max` if there was nothing.
    pub(crate) min: u64,
    pub(crate) max: u64,
}

/// Adds histograms up, one after the other; it keeps its lists, and so allocates only while they
/// grow.
#[derive(Default)]
pub(crate) struct Reader {
    /// Those of the next histogram.
    pub(super) parts: Vec<Part>,
    /// For each row; all zero from one histogram to the next.
    sums: Vec<[u64; Row::LEN]>,
}

impl Reader {
    /// Adds up all parts, of which `narrow` and `wide` have the cells, and appends the rows that hold
    /// something to `rows`, in order. Returns the sum of all.
    pub(super) fn add_up<'a>(
        &mut self,
        layout: Layout,
        narrow: impl Fn(Shard) -> &'a [NarrowRow],
        wide: impl Fn(Shard) -> &'a [WideRow],
        rows: &mut Vec<Row>,
    ) -> u64 {
        if self.sums.len() < layout.rows() {
            self.sums.resize(layout.rows(), [0; Row::LEN]);
        }
        let mut seen = Marks::default();
        let mut groups = self.parts.chunks(ABREAST);
        let mut group = groups.next();
        while let Some(parts) = group {
            group = groups.next();
            for part in group.unwrap_or_default().iter().filter(|part| part.has_narrow) {
                announce(layout, part.marks, narrow(part.shard));
            }
            let marks = parts.iter().fold(Marks::default(), |all, part| all.with(part.marks));
            seen = seen.with(marks);
            for mark in marks.iter() {
                let block = Marks::rows(layout, mark);
                let sums = &mut self.sums[block.clone()];
                let marked = || parts.iter().filter(|part| part.marks.has(mark));
                let mut cells: [&[NarrowRow]; ABREAST] = [&[]; ABREAST];
                let mut count = 0;
                for part in marked().filter(|part| part.has_narrow) {
                    cells[count] = &narrow(part.shard)[block.clone()];
                    count += 1;
                }
                add_block(sums, &cells[..count]);
                for part in marked() {
                    let first = part.wide.start.clamp(block.start, block.end);
                    let end = part.wide.end.clamp(first, block.end);
                    if first < end {
                        let sums = &mut sums[first - block.start..end - block.start];
                        let rows = &wide(part.shard)[first..end];
                        rows.iter().zip(sums).for_each(|(row, sums)| add_wide(sums, row));
                    }
                }
            }
        }
        self.parts.clear();
        let blocks = seen.iter().map(|mark| Marks::rows(layout, mark));
        blocks.fold(0, |count, block| {
            let first = block.start;
            count.wrapping_add(append(&mut self.sums[block], first, rows))
        })
    }
}

/// Has the first marked rows of a part fetched, as many lines as a processor takes to see by itself where
/// this leads. More would be in the way of what is in work.
pub(super) fn announce(layout: Layout, marks: Marks, part: &[NarrowRow]) {
    const LINES: usize = 6;
    let lines = marks.iter().flat_map(|mark| {
        let rows = &part[Marks::rows(layout, mark)];
        rows.iter().step_by(64 / size_of::<NarrowRow>())
    });
    lines.take(LINES).for_each(|row| prefetch(std::ptr::from_ref(row).addr()));
}

/// Adds narrow cells, of each part as many rows as there are sums.
fn add_block(sums: &mut [[u64; Row::LEN]], parts: &[&[NarrowRow]]) {
    let mut parts = parts;
    while let Some((many, others)) = parts.split_first_chunk::<ABREAST>() {
        add_abreast(sums, *many);
        parts = others;
    }
    if let Some((four, others)) = parts.split_first_chunk::<4>() {
        add_abreast(sums, *four);
        parts = others;
    }
    if let Some((two, others)) = parts.split_first_chunk::<2>() {
        add_abreast(sums, *two);
        parts = others;
    }
    for part in parts {
        add_abreast(sums, [*part]);
    }
}

/// Adds cells to each other before they are added to the sums, so that memory is asked for several
/// lines at once, and the sums are loaded and stored less often.
fn add_abreast<const N: usize>(sums: &mut [[u64; Row::LEN]], cells: [&[NarrowRow]; N]) {
    // Said once, it is not checked for each row.
    assert!(cells.iter().all(|cells| cells.len() == sums.len()));
    let in_fours = loads_fours();
    for (row, sums) in sums.iter_mut().enumerate() {
        add_narrow(sums, cells.map(|cells| &cells[row]), in_fours);
    }
}

/// Moves the rows of sums that hold something to `rows`, the first of which has the number `first`,
/// and leaves zeros; returns the sum of all.
fn append(sums: &mut [[u64; Row::LEN]], first: usize, rows: &mut Vec<Row>) -> u64 {
    let mut count = 0_u64;
    for (number, sums) in (first..).zip(sums) {
        let counts = std::mem::take(sums);
        count = counts.iter().fold(count, |sum, &count| sum.wrapping_add(count));
        let is_empty = counts.iter().fold(0, |any, count| any | count) == 0;
        rows.push(Row { number: number as u32, counts });
        // Without a branch: which ones are empty cannot be foreseen.
        rows.truncate(rows.len() - usize::from(is_empty));
    }
    count
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::cell::{Cell, Narrow};
    use super::*;
    use proptest::prelude::*;
    use std::ops::Range;

    /// Two rows for a mark, and with 3 digits many.
    const DIGITS: [u8; 3] = [1, 2, 3];

    /// Marks one by one and in runs, as values leave them that are far apart or all over a range.
    fn marks(layout: Layout) -> impl Strategy<Value = Marks> {
        let value = 0..64_u32;
        let values = prop::collection::vec((value.clone(), any::<u64>()), 0..8);
        let run = (value, any::<u64>(), 0..40_usize);
        (values, run).prop_map(move |(values, (bits, value, len))| {
            let all_ones = |bits: u32| u64::MAX >> bits;
            let scattered = values.into_iter().map(|(bits, value)| value & all_ones(bits));
            let from = layout.index(value & all_ones(bits));
            let run = (from..layout.len()).step_by(layout.len() / 200).take(len);
            let values = scattered.chain(run.map(|index| layout.low(index)));
            values.fold(Marks::default(), |marks, value| {
                let (word, bit) = Marks::place(layout, value);
                let at_word = |at| if at == word { bit } else { 0 };
                marks.with(Marks::between(layout, 0, u64::MAX, at_word))
            })
        })
    }

    fn rows_of_wide(layout: Layout) -> impl Strategy<Value = Range<usize>> {
        let row = 0..=layout.rows();
        (row.clone(), row).prop_map(|(one, other)| one.min(other)..one.max(other))
    }

    /// A part with narrow cells and some wide ones, or one of a shared histogram.
    fn part(layout: Layout) -> impl Strategy<Value = Part> {
        let kind = prop_oneof![
            4 => Just((true, 0..0)),
            2 => rows_of_wide(layout).prop_map(|wide| (true, wide)),
            1 => Just((false, 0..layout.rows())),
        ];
        (marks(layout), kind).prop_map(|(marks, (has_narrow, wide))| Part {
            shard: Shard(0),
            marks,
            has_narrow,
            wide,
        })
    }

    fn parts() -> impl Strategy<Value = (Layout, Vec<Part>)> {
        prop::sample::select(&DIGITS[..]).prop_flat_map(|digits| {
            let layout = Layout::new(digits);
            prop::collection::vec(part(layout), 0..18).prop_map(move |mut parts| {
                for (number, part) in parts.iter_mut().enumerate() {
                    part.shard = Shard(number);
                }
                (layout, parts)
            })
        })
    }

    fn narrow(layout: Layout, held: impl Fn(usize) -> u64) -> Vec<NarrowRow> {
        let row = |row| std::array::from_fn(|at| Narrow::holding(held(row * Row::LEN + at)));
        (0..layout.rows()).map(row).collect()
    }

    fn wide(layout: Layout, held: impl Fn(usize) -> u64) -> Vec<WideRow> {
        let row = |row| std::array::from_fn(|at| Cell::new(held(row * Row::LEN + at)));
        (0..layout.rows()).map(row).collect()
    }

    fn held(rows: &[Row]) -> Vec<(usize, u64)> {
        rows.iter().flat_map(Row::held).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 4 } else { 200 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn marked_rows_are_added_up_and_no_other(
            (layout, parts) in parts(),
            empty in 1..40_usize,
        ) {
            // There is something outside of marked rows too, which may not be read.
            let is_held = |bucket: usize| (bucket / empty) % 2 == 0;
            let in_narrow = |shard: usize, bucket: usize| {
                if is_held(bucket) { Narrow::LIMIT - shard as u64 } else { 0 }
            };
            let in_wide = |shard: usize, bucket: usize| {
                if is_held(bucket) { u64::MAX >> shard } else { 0 }
            };
            let shards = 0..parts.len();
            let narrow_cells: Vec<_> = shards
                .clone()
                .map(|shard| narrow(layout, |bucket| in_narrow(shard, bucket)))
                .collect();
            let wide_cells: Vec<_> =
                shards.map(|shard| wide(layout, |bucket| in_wide(shard, bucket))).collect();
            let mut expected = vec![0_u64; layout.len()];
            for part in &parts {
                for row in part.marks.iter().flat_map(|mark| Marks::rows(layout, mark)) {
                    for (bucket, sum) in
                        expected.iter_mut().enumerate().skip(row * Row::LEN).take(Row::LEN)
                    {
                        if part.has_narrow {
                            *sum = sum.wrapping_add(in_narrow(part.shard.0, bucket));
                        }
                        if part.wide.contains(&row) {
                            *sum = sum.wrapping_add(in_wide(part.shard.0, bucket));
                        }
                    }
                }
            }
            let total = expected.iter().fold(0, |sum: u64, count| sum.wrapping_add(*count));
            let expected = expected.into_iter().enumerate().filter(|(_, count)| *count != 0);
            let expected: Vec<_> = expected.collect();

            let mut reader = Reader::default();
            // Twice, since the lists are used again.
            for _ in 0..2 {
                let before = Row { number: 7, counts: [7; Row::LEN] };
                let mut rows = vec![before];
                reader.parts.extend(parts.iter().cloned());
                let count = reader.add_up(
                    layout,
                    |shard| &narrow_cells[shard.0],
                    |shard| &wide_cells[shard.0],
                    &mut rows,
                );
                prop_assert_eq!(rows.remove(0), before);
                prop_assert!(rows.iter().all(|row| row.counts != [0; Row::LEN]));
                prop_assert_eq!(count, total);
                prop_assert_eq!(&held(&rows), &expected);
            }
        }
    }

    #[test]
    fn sums_wrap_at_the_end_of_u64() {
        const SHARDS: usize = 13;
        let layout = Layout::new(1);
        let (narrow, wide) = (narrow(layout, |_| Narrow::LIMIT), wide(layout, |_| u64::MAX));
        let mut reader = Reader::default();
        let marks = Marks::between(layout, 0, u64::MAX, |_| (1 << 61) - 1);
        for shard in (0..SHARDS).map(Shard) {
            let wide = 0..layout.rows();
            reader.parts.push(Part { shard, marks, has_narrow: true, wide });
        }
        let mut rows = Vec::new();
        let count = reader.add_up(layout, |_| &narrow, |_| &wide, &mut rows);
        let sum = (SHARDS as u64).wrapping_mul(u64::MAX.wrapping_add(Narrow::LIMIT));
        assert_eq!(held(&rows), (0..layout.len()).map(|index| (index, sum)).collect::<Vec<_>>());
        assert_eq!(count, sum.wrapping_mul(layout.len() as u64));
    }
}
