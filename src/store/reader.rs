//! Adding up a histogram's buckets over the shards.
//!
//! What a collection waits for is memory: a shard's part of a histogram is a few kilobytes in pages of
//! its own, over before a processor has learnt to fetch ahead. So the parts of all shards are gone
//! through side by side:
//!
//! ```text
//! shard 1   [==================]                      a part: from the row of the shard's min
//! shard 2       [=====]                               to that of its max
//! shard 3          [======================]
//! stretches |   |  |   |       |          |           the same shards from end to end of each
//! ```
//!
//! Nothing is read outside of the parts' rows, which lie in pages that somebody wrote to: no page is
//! faulted in. Sums are used up before the next ones are made. Wide cells (see `Narrow` in `cell.rs`),
//! of which there are few, are parts of their own.
//!
//! So that the first rows of each part need not be waited for either, a histogram is announced before
//! the one that comes first is added up.
//!
//! All headers, which say where the parts are, are read before the first bucket. As every cell is
//! loaded once and Relaxed (see [`Cell`](super::cell::Cell)), the order promises nothing: a bucket may
//! be seen without its part, in which case it waits for the next collection, and a part without its
//! buckets.
#![forbid(unsafe_code)]

use super::Shard;
use super::cell::{ABREAST, NarrowRow, WideRow, add_narrow, add_wide, loads_fours, prefetch};
use crate::buckets::{Layout, Row};
use std::cmp::Reverse;
use std::ops::Range;

/// Rows that are added up at once: their sums stay in the nearest cache.
const BLOCK: usize = 8;

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

/// A shard's rows that may hold something: from `first`, and before `end`.
#[derive(Clone, Copy)]
struct Part {
    shard: Shard,
    first: usize,
    end: usize,
}

/// Parts of cells of one width, taken from the first row to the last.
#[derive(Default)]
pub(super) struct Parts {
    /// Those that begin later than the stretch in work, the next one last.
    ahead: Vec<Part>,
    /// Those that the stretch in work is of.
    open: Vec<Part>,
}

impl Parts {
    pub(super) fn push(&mut self, shard: Shard, rows: Range<usize>) {
        if !rows.is_empty() {
            self.ahead.push(Part { shard, first: rows.start, end: rows.end });
        }
    }

    fn put_in_order(&mut self) {
        self.ahead.sort_unstable_by_key(|part| Reverse(part.first));
    }

    /// Where the next stretch begins that has something, if it has nothing at `row`.
    fn next_after(&self, row: usize) -> Option<usize> {
        if self.open.is_empty() { self.ahead.last().map(|next| next.first) } else { Some(row) }
    }

    /// Opens what begins at `row`; returns where that changes.
    fn open_at(&mut self, row: usize) -> usize {
        while self.ahead.last().is_some_and(|next| next.first == row) {
            self.open.extend(self.ahead.pop());
        }
        let next = self.ahead.last().map_or(usize::MAX, |next| next.first);
        self.open.iter().map(|part| part.end).fold(next, usize::min)
    }

    fn close_at(&mut self, row: usize) {
        self.open.retain(|part| part.end > row);
    }
}

/// Adds histograms up, one after the other; it keeps its lists, and so allocates only while they
/// grow.
#[derive(Default)]
pub(crate) struct Reader {
    pub(super) narrow: Parts,
    pub(super) wide: Parts,
}

impl Reader {
    /// Adds up all parts, of which `narrow` and `wide` have the cells, and appends the rows that hold
    /// something to `rows`, in order. Returns the sum of all.
    pub(super) fn add_up<'a>(
        &mut self,
        narrow: impl Fn(Shard) -> &'a [NarrowRow],
        wide: impl Fn(Shard) -> &'a [WideRow],
        rows: &mut Vec<Row>,
    ) -> u64 {
        self.narrow.put_in_order();
        self.wide.put_in_order();
        let mut sums = [[0; Row::LEN]; BLOCK];
        let mut count = 0_u64;
        let mut at = 0;
        loop {
            // Between two parts there may be a long way.
            let next = [self.narrow.next_after(at), self.wide.next_after(at)];
            match next.into_iter().flatten().min() {
                Some(next) => at = next,
                None => return count,
            }
            let end = self.narrow.open_at(at).min(self.wide.open_at(at));
            while at < end {
                let block = at..end.min(at + BLOCK);
                let sums = &mut sums[..block.len()];
                add_block(sums, &self.narrow.open, |part| &narrow(part.shard)[block.clone()]);
                for part in &self.wide.open {
                    let rows = &wide(part.shard)[block.clone()];
                    rows.iter().zip(&mut *sums).for_each(|(row, sums)| add_wide(sums, row));
                }
                count = count.wrapping_add(append(sums, at, rows));
                at = block.end;
            }
            self.narrow.close_at(at);
            self.wide.close_at(at);
        }
    }
}

/// Has the first rows of a part fetched, as many lines as a processor takes to see by itself where
/// this leads. More would be in the way of what is in work.
pub(super) fn announce(part: &[NarrowRow]) {
    const LINES: usize = 6;
    let one_of_each_line = part.iter().step_by(64 / size_of::<NarrowRow>());
    one_of_each_line.take(LINES).for_each(|row| prefetch(std::ptr::from_ref(row).addr()));
}

/// Adds the narrow cells of `parts`, of each as many rows as there are sums.
fn add_block<'a>(
    sums: &mut [[u64; Row::LEN]],
    parts: &[Part],
    cells: impl Fn(&Part) -> &'a [NarrowRow],
) {
    let mut parts = parts;
    while let Some((many, others)) = parts.split_first_chunk::<ABREAST>() {
        add_abreast(sums, many.each_ref().map(&cells));
        parts = others;
    }
    if let Some((four, others)) = parts.split_first_chunk::<4>() {
        add_abreast(sums, four.each_ref().map(&cells));
        parts = others;
    }
    if let Some((two, others)) = parts.split_first_chunk::<2>() {
        add_abreast(sums, two.each_ref().map(&cells));
        parts = others;
    }
    for part in parts {
        add_abreast(sums, [cells(part)]);
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

    const ROWS: usize = 53;
    const LEN: usize = ROWS * Row::LEN;

    /// Parts that share some blocks and not others, many as long as a few blocks.
    fn part() -> impl Strategy<Value = Range<usize>> {
        let near_an_end = (0..=5_usize, 0..3_usize).prop_map(|(block, by)| BLOCK * block + by);
        let row = prop_oneof![2 => near_an_end, 1 => 0..=ROWS];
        (row.clone(), row).prop_map(|(one, other)| one.min(other)..one.max(other))
    }

    fn narrow(held: impl Fn(usize) -> u64) -> Vec<NarrowRow> {
        let row = |row| std::array::from_fn(|at| Narrow::holding(held(row * Row::LEN + at)));
        (0..ROWS).map(row).collect()
    }

    fn wide(held: impl Fn(usize) -> u64) -> Vec<WideRow> {
        let row = |row| std::array::from_fn(|at| Cell::new(held(row * Row::LEN + at)));
        (0..ROWS).map(row).collect()
    }

    fn held(rows: &[Row]) -> Vec<(usize, u64)> {
        rows.iter().flat_map(Row::held).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 2_000 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn parts_are_added_up_wherever_they_begin_and_end(
            narrow_parts in prop::collection::vec(part(), 0..18),
            wide_parts in prop::collection::vec(part(), 0..4),
            empty in 1..40_usize,
        ) {
            // There is something outside of the parts too, which may not be read.
            let is_held = |bucket: usize| (bucket / empty) % 2 == 0;
            let in_narrow = |shard: usize, bucket: usize| {
                if is_held(bucket) { Narrow::LIMIT - shard as u64 } else { 0 }
            };
            let in_wide = |shard: usize, bucket: usize| {
                if is_held(bucket) { u64::MAX >> shard } else { 0 }
            };
            let narrow_cells: Vec<_> = (0..narrow_parts.len())
                .map(|shard| narrow(|bucket| in_narrow(shard, bucket)))
                .collect();
            let wide_cells: Vec<_> = (0..wide_parts.len())
                .map(|shard| wide(|bucket| in_wide(shard, bucket)))
                .collect();
            let mut expected = Vec::new();
            for bucket in 0..LEN {
                let of = |parts: &[Range<usize>], held: &dyn Fn(usize, usize) -> u64| {
                    let parts = parts.iter().enumerate();
                    let parts = parts.filter(|(_, rows)| rows.contains(&(bucket / Row::LEN)));
                    parts.fold(0, |sum: u64, (shard, _)| sum.wrapping_add(held(shard, bucket)))
                };
                let sum = of(&narrow_parts, &in_narrow).wrapping_add(of(&wide_parts, &in_wide));
                if sum != 0 {
                    expected.push((bucket, sum));
                }
            }

            let mut reader = Reader::default();
            // Twice, since the lists are used again.
            for _ in 0..2 {
                let before = Row { number: 7, counts: [7; Row::LEN] };
                let mut rows = vec![before];
                for (shard, part) in narrow_parts.iter().enumerate() {
                    reader.narrow.push(Shard(shard), part.clone());
                }
                for (shard, part) in wide_parts.iter().enumerate() {
                    reader.wide.push(Shard(shard), part.clone());
                }
                let count = reader.add_up(
                    |shard| &narrow_cells[shard.0],
                    |shard| &wide_cells[shard.0],
                    &mut rows,
                );
                prop_assert_eq!(rows.remove(0), before);
                prop_assert!(rows.iter().all(|row| row.counts != [0; Row::LEN]));
                let sum = expected.iter().fold(0, |sum: u64, (_, count)| sum.wrapping_add(*count));
                prop_assert_eq!(count, sum);
                prop_assert_eq!(&held(&rows), &expected);
            }
        }
    }

    #[test]
    fn sums_wrap_at_the_end_of_u64() {
        const SHARDS: usize = 13;
        let (narrow, wide) = (narrow(|_| Narrow::LIMIT), wide(|_| u64::MAX));
        let mut reader = Reader::default();
        for shard in (0..SHARDS).map(Shard) {
            reader.narrow.push(shard, 0..ROWS);
            reader.wide.push(shard, 0..ROWS);
        }
        let mut rows = Vec::new();
        let count = reader.add_up(|_| &narrow, |_| &wide, &mut rows);
        let sum = (SHARDS as u64).wrapping_mul(u64::MAX.wrapping_add(Narrow::LIMIT));
        assert_eq!(held(&rows), (0..LEN).map(|index| (index, sum)).collect::<Vec<_>>());
        assert_eq!(count, sum.wrapping_mul(LEN as u64));
    }
}
