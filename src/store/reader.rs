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
//! faulted in. Sums are used up before the next ones are made.
//!
//! So that tails, where few shards have something, and the first rows need not be waited for either,
//! a histogram is announced while the one before is in work, and fetched meanwhile.
//!
//! All headers, which say where the parts are, are read before the first bucket. As every cell is
//! loaded once and Relaxed (see [`Cell`]), the order promises nothing: a bucket may be seen without
//! its part, in which case it waits for the next collection, and a part without its buckets.
#![forbid(unsafe_code)]

use super::Shard;
use super::cell::{Cells, add_rows, loads_pairs, prefetch};
use crate::buckets::{Layout, Row};
use std::cmp::Reverse;

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
pub(super) struct Part {
    shard: Shard,
    first: usize,
    end: usize,
}

impl Part {
    /// The rows from the bucket `first` to the bucket `last`.
    pub(super) fn new(shard: Shard, first: usize, last: usize) -> Self {
        Self { shard, first: first / Row::LEN, end: last / Row::LEN + 1 }
    }
}

/// Adds histograms up, one after the other; it keeps its lists, and so allocates only while they
/// grow.
#[derive(Default)]
pub(crate) struct Reader {
    /// Parts that begin later than the stretch in work, the next one last.
    ahead: Vec<Part>,
    /// Parts that the stretch in work is of.
    open: Vec<Part>,
    /// Where the parts of the next histogram lie: address, and how many rows.
    next: Vec<(usize, usize)>,
}

impl Reader {
    /// Has the first rows of `parts` fetched while the histogram before them is added up.
    pub(super) fn announce<'a>(
        &mut self,
        parts: impl Iterator<Item = Part>,
        cells: impl Fn(Shard) -> &'a [Cells],
    ) {
        let place = |part: Part| {
            let rows = &cells(part.shard)[part.first..part.end];
            (rows.as_ptr().addr(), rows.len())
        };
        self.next.clear();
        self.next.extend(parts.map(place));
    }

    /// Adds up `parts`, of which `cells` has the cells, and appends the rows that hold something to
    /// `rows`, in order. Returns the sum of all.
    pub(super) fn add_up<'a>(
        &mut self,
        parts: impl Iterator<Item = Part>,
        cells: impl Fn(Shard) -> &'a [Cells],
        rows: &mut Vec<Row>,
    ) -> u64 {
        let Self { ahead, open, next: announced } = self;
        ahead.extend(parts);
        ahead.sort_unstable_by_key(|part| Reverse(part.first));
        let mut sums = [[0; Row::LEN]; BLOCK];
        let mut count = 0_u64;
        let mut at = 0;
        loop {
            if open.is_empty() {
                // Between two parts there may be a long way.
                match ahead.last() {
                    Some(next) => at = next.first,
                    None => return count,
                }
            }
            while ahead.last().is_some_and(|next| next.first == at) {
                open.extend(ahead.pop());
            }
            let next = ahead.last().map_or(usize::MAX, |next| next.first);
            let end = open.iter().map(|part| part.end).fold(next, usize::min);
            while at < end {
                let block = at..end.min(at + BLOCK);
                let sums = &mut sums[..block.len()];
                add_block(sums, open, |part| &cells(part.shard)[block.clone()]);
                count = count.wrapping_add(append(sums, at, rows));
                at = block.end;
                announced.iter_mut().for_each(prefetch_some);
            }
            open.retain(|part| part.end > end);
        }
    }
}

/// Has some more of a part's rows fetched, a few more than are added up meanwhile.
fn prefetch_some((address, left): &mut (usize, usize)) {
    let some = (*left).min(BLOCK + 1);
    for _ in 0..some {
        prefetch(*address);
        *address += size_of::<Cells>();
    }
    *left -= some;
}

/// Adds the cells of `parts`, of each as many rows as there are sums.
fn add_block<'a>(
    sums: &mut [[u64; Row::LEN]],
    parts: &[Part],
    cells: impl Fn(&Part) -> &'a [Cells],
) {
    let mut parts = parts;
    while let Some((eight, others)) = parts.split_first_chunk::<8>() {
        add_abreast(sums, eight.each_ref().map(&cells));
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
fn add_abreast<const N: usize>(sums: &mut [[u64; Row::LEN]], cells: [&[Cells]; N]) {
    // Said once, it is not checked for each row.
    assert!(cells.iter().all(|cells| cells.len() == sums.len()));
    let in_pairs = loads_pairs();
    for (row, sums) in sums.iter_mut().enumerate() {
        add_rows(sums, cells.map(|cells| &cells[row]), in_pairs);
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
    use super::super::cell::Cell;
    use super::*;
    use proptest::prelude::*;

    const ROWS: usize = 53;
    const LEN: usize = ROWS * Row::LEN;

    /// Parts that share some blocks and not others, many as long as a few blocks.
    fn part() -> impl Strategy<Value = (usize, usize)> {
        let near_an_end =
            (0..=5_usize, 0..5_usize).prop_map(|(block, by)| 8 * block * Row::LEN + by);
        let bucket = prop_oneof![2 => near_an_end, 1 => 0..LEN];
        (bucket.clone(), bucket).prop_map(|(one, other)| (one.min(other), one.max(other)))
    }

    fn cells(held: impl Fn(usize) -> u64) -> Vec<Cells> {
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
            parts in prop::collection::vec(part(), 0..18),
            empty in 1..40_usize,
        ) {
            // There is something outside of the parts too, of which only what shares their rows
            // may be read.
            let in_shard = |shard: usize, bucket: usize| {
                if (bucket / empty) % 2 == 0 { 1_u64 << (3 * shard) } else { 0 }
            };
            let shards: Vec<_> =
                (0..parts.len()).map(|shard| cells(|bucket| in_shard(shard, bucket))).collect();
            let mut expected = Vec::new();
            for bucket in 0..LEN {
                let row = bucket / Row::LEN;
                let shards = (0..parts.len()).filter(|&shard| {
                    let (first, last) = parts[shard];
                    (first / Row::LEN..=last / Row::LEN).contains(&row)
                });
                let sum = shards.map(|shard| in_shard(shard, bucket)).sum();
                if sum != 0 {
                    expected.push((bucket, sum));
                }
            }

            let mut reader = Reader::default();
            // Twice, since the lists are used again.
            for _ in 0..2 {
                let before = Row { number: 7, counts: [7; Row::LEN] };
                let mut rows = vec![before];
                let parts = parts.iter().enumerate();
                let parts = parts.map(|(shard, &(first, last))| Part::new(Shard(shard), first, last));
                let count = reader.add_up(parts, |shard| &shards[shard.0], &mut rows);
                prop_assert_eq!(rows.remove(0), before);
                prop_assert!(rows.iter().all(|row| row.counts != [0; Row::LEN]));
                prop_assert_eq!(count, expected.iter().map(|(_, sum)| sum).sum::<u64>());
                prop_assert_eq!(&held(&rows), &expected);
            }
        }
    }

    #[test]
    fn sums_wrap_at_the_end_of_u64() {
        const SHARDS: usize = 13;
        let cells = cells(|_| u64::MAX);
        let parts = (0..SHARDS).map(|shard| Part::new(Shard(shard), 0, LEN - 1));
        let mut rows = Vec::new();
        let count = Reader::default().add_up(parts, |_| &cells, &mut rows);
        let sum = (SHARDS as u64).wrapping_neg();
        assert_eq!(held(&rows), (0..LEN).map(|index| (index, sum)).collect::<Vec<_>>());
        assert_eq!(count, sum.wrapping_mul(LEN as u64));
    }
}
