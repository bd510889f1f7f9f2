//! Adding up a histogram's buckets over the shards.
//!
//! What a collection waits for is memory: a shard's part of a histogram is a few kilobytes in pages of
//! its own, over before a processor has learnt to fetch ahead. So the parts of all shards are gone
//! through side by side, a block of buckets at a time:
//!
//! ```text
//! blocks    |       |       |       |       |       |
//! shard 1   [==================]                      a part: from the bucket of the shard's min
//! shard 2       [=====]                               to that of its max
//! shard 3          [======================]
//! ```
//!
//! Nothing is read outside of the parts, so no page is faulted in that nobody wrote. A block's sums
//! are used up before the next block begins.
//!
//! All headers, which say where the parts are, are read before the first bucket. As every cell is
//! loaded once and Relaxed (see [`Cell`]), the order promises nothing: a bucket may be seen without
//! its part, in which case it waits for the next collection, and a part without its buckets.
#![forbid(unsafe_code)]

use super::Shard;
use super::cell::Cell;
use crate::buckets::Layout;
use std::cmp::Reverse;

/// Buckets that are added up at once: a few cache lines of each shard.
const BLOCK: usize = 64;

/// Shards whose cells are added to each other before they are added to the sums, so that memory is
/// asked for several lines at once, and the sums are loaded and stored less often.
const ABREAST: usize = 4;

/// Buckets that are left out together if all are empty.
const GROUP: usize = 16;

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

/// A shard's buckets that may hold something: from `first`, and before `end`.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) shard: Shard,
    pub(super) first: usize,
    pub(super) end: usize,
}

/// Adds histograms up, one after the other; it keeps its lists, and so allocates only while they
/// grow.
#[derive(Default)]
pub(crate) struct Reader {
    /// Parts that begin after the block in work, the next one last.
    ahead: Vec<Part>,
    /// Parts with buckets in the block in work.
    open: Vec<Part>,
}

impl Reader {
    /// Adds up `parts`, of which `cells` has the cells, and appends the buckets that hold something
    /// to `buckets`: index and count, in order. Returns the sum of all.
    pub(super) fn add_up<'a>(
        &mut self,
        parts: impl Iterator<Item = Part>,
        cells: impl Fn(Shard) -> &'a [Cell],
        buckets: &mut Vec<(u32, u64)>,
    ) -> u64 {
        let Self { ahead, open } = self;
        ahead.extend(parts);
        ahead.sort_unstable_by_key(|part| Reverse(part.first));
        let mut count = 0_u64;
        let mut block = 0;
        loop {
            if open.is_empty() {
                // Between two parts there may be a long way.
                match ahead.last() {
                    Some(next) => block = next.first,
                    None => return count,
                }
            }
            let end = block + BLOCK;
            while ahead.last().is_some_and(|next| next.first < end) {
                open.extend(ahead.pop());
            }
            let mut sums = [0; BLOCK];
            add_block(&mut sums, block, open, &cells);
            count = count.wrapping_add(append(&sums, block, buckets));
            open.retain(|part| part.end > end);
            block = end;
        }
    }
}

/// Adds the buckets of `parts` in the block that begins at `block` to `sums`.
fn add_block<'a>(
    sums: &mut [u64; BLOCK],
    block: usize,
    parts: &[Part],
    cells: &impl Fn(Shard) -> &'a [Cell],
) {
    let end = block + BLOCK;
    for parts in parts.chunks(ABREAST) {
        let whole = parts.iter().all(|part| part.first <= block && end <= part.end);
        match <[Part; ABREAST]>::try_from(parts) {
            Ok(parts) if whole => {
                let cells = parts.map(|part| {
                    let block = cells(part.shard)[block..end].try_into();
                    block.expect("as long as a block")
                });
                add_abreast(sums, cells);
            }
            _ => {
                for part in parts {
                    let (from, to) = (part.first.max(block), part.end.min(end));
                    let cells = &cells(part.shard)[from..to];
                    for (sum, cell) in sums[from - block..].iter_mut().zip(cells) {
                        *sum = sum.wrapping_add(cell.load());
                    }
                }
            }
        }
    }
}

fn add_abreast(sums: &mut [u64; BLOCK], cells: [&[Cell; BLOCK]; ABREAST]) {
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum = cells.iter().fold(*sum, |sum, cells| sum.wrapping_add(cells[at].load()));
    }
}

/// Appends the sums that are not 0, with their index, to `buckets`; returns the sum of all.
fn append(sums: &[u64; BLOCK], block: usize, buckets: &mut Vec<(u32, u64)>) -> u64 {
    let mut count = 0_u64;
    for (first, sums) in (block..).step_by(GROUP).zip(sums.chunks_exact(GROUP)) {
        if sums.iter().fold(0, |any, sum| any | sum) == 0 {
            continue;
        }
        // Without a branch for each: which ones are empty cannot be foreseen.
        let mut kept = [(0, 0); GROUP];
        let mut len = 0;
        for (index, &sum) in (first..).zip(sums) {
            count = count.wrapping_add(sum);
            kept[len % GROUP] = (index as u32, sum);
            len += usize::from(sum != 0);
        }
        buckets.extend_from_slice(&kept[..len]);
    }
    count
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEN: usize = 6 * BLOCK + 5;

    /// Parts that share some blocks and not others, many as long as a few blocks.
    fn part() -> impl Strategy<Value = (usize, usize)> {
        let near_an_end = (0..=5_usize, 0..5_usize).prop_map(|(block, by)| block * BLOCK + by);
        let bucket = prop_oneof![2 => near_an_end, 1 => 0..LEN];
        (bucket.clone(), bucket).prop_map(|(one, other)| (one.min(other), one.max(other)))
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 8 } else { 2_000 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn parts_are_added_up_wherever_they_begin_and_end(
            parts in prop::collection::vec(part(), 0..12),
            empty in 1..40_usize,
        ) {
            // There is something outside of the parts too, which must not be read.
            let held = |shard: usize, bucket: usize| {
                if (bucket / empty) % 2 == 0 { 1_u64 << (5 * shard) } else { 0 }
            };
            let cells: Vec<Vec<_>> = (0..parts.len())
                .map(|shard| (0..LEN).map(|bucket| Cell::new(held(shard, bucket))).collect())
                .collect();
            let mut expected = Vec::new();
            for bucket in 0..LEN {
                let shards = (0..parts.len()).filter(|&shard| {
                    (parts[shard].0..=parts[shard].1).contains(&bucket)
                });
                let sum = shards.map(|shard| held(shard, bucket)).sum();
                if sum != 0 {
                    expected.push((bucket as u32, sum));
                }
            }

            let mut reader = Reader::default();
            // Twice, since the lists are used again.
            for _ in 0..2 {
                let mut buckets = vec![(7, 7)];
                let parts = parts.iter().enumerate().map(|(shard, &(first, last))| {
                    Part { shard: Shard(shard), first, end: last + 1 }
                });
                let count = reader.add_up(parts, |shard| &cells[shard.0], &mut buckets);
                prop_assert_eq!(buckets.remove(0), (7, 7));
                prop_assert_eq!(count, expected.iter().map(|(_, sum)| sum).sum::<u64>());
                prop_assert_eq!(&buckets, &expected);
            }
        }
    }

    #[test]
    fn sums_wrap_at_the_end_of_u64() {
        let cells: Vec<_> = (0..2 * BLOCK).map(|_| Cell::new(u64::MAX)).collect();
        let parts =
            (0..ABREAST + 1).map(|shard| Part { shard: Shard(shard), first: 0, end: BLOCK + 1 });
        let mut buckets = Vec::new();
        let count = Reader::default().add_up(parts, |_| &cells, &mut buckets);
        let sum = (ABREAST as u64 + 1).wrapping_neg();
        assert_eq!(buckets, (0..=BLOCK as u32).map(|index| (index, sum)).collect::<Vec<_>>());
        assert_eq!(count, sum.wrapping_mul(BLOCK as u64 + 1));
    }
}
