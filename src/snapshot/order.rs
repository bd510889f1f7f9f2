//! Putting series in order, by name and then by labels.
//!
//! Most of what a comparison of two series costs is waiting for their texts, which lie anywhere, and most
//! of what they say is the same. So series are sorted by eight bytes at a time, behind what all of them
//! begin with: these are fetched once, and lie beside the positions that are moved. What is equal in them
//! is sorted again, by the next eight.
#![forbid(unsafe_code)]

use crate::series::Descriptor;
use std::ops::Range;

/// As few are compared as they are.
const FEW: usize = 8;

/// The bytes that series are sorted by at once.
const KEY_BYTES: usize = size_of::<u64>();

/// Series that are equal so far.
struct Run {
    range: Range<usize>,
    text: Text,
    /// So many of its bytes are equal.
    equal: usize,
}

/// What series are sorted by.
#[derive(Clone, Copy)]
enum Text {
    Name,
    Labels,
}

impl Text {
    fn of(self, series: &Descriptor, from: usize) -> &[u8] {
        let text = match self {
            Text::Name => series.name(),
            Text::Labels => series.label_text(),
        };
        &text.as_bytes()[from.min(text.len())..]
    }
}

/// Sorts the positions of series.
pub(super) fn sort<'a>(positions: &mut [u32], series: impl Fn(u32) -> &'a Descriptor) {
    let mut keyed: Vec<(u64, u32)> = positions.iter().map(|&at| (0, at)).collect();
    let mut runs = vec![Run { range: 0..keyed.len(), text: Text::Name, equal: 0 }];
    while let Some(Run { range, text, equal }) = runs.pop() {
        let start = range.start;
        let run = &mut keyed[range.clone()];
        if run.len() <= FEW {
            run.sort_unstable_by(|&(_, a), &(_, b)| series(a).order(series(b)));
            continue;
        }
        let rests = run.iter().map(|&(_, at)| text.of(series(at), equal));
        let Some(common) = differ_after(rests) else {
            if let Text::Name = text {
                runs.push(Run { range, text: Text::Labels, equal: 0 });
            }
            continue;
        };
        let equal = equal + common;
        for (key, at) in run.iter_mut() {
            *key = first_bytes(text.of(series(*at), equal));
        }
        run.sort_unstable_by_key(|&(key, _)| key);
        let mut end = start;
        for same in run.chunk_by(|(key, _), (other, _)| key == other) {
            let range = end..end + same.len();
            end = range.end;
            if same.len() > 1 {
                runs.push(Run { range, text, equal: equal + KEY_BYTES });
            }
        }
    }
    positions.iter_mut().zip(keyed).for_each(|(position, (_, at))| *position = at);
}

/// How many bytes all texts begin with, of at least one; `None` if they are equal.
fn differ_after<'a>(mut texts: impl Iterator<Item = &'a [u8]>) -> Option<usize> {
    let first = texts.next()?;
    let (mut common, mut are_equal) = (first, true);
    for text in texts {
        if std::ptr::eq(text, first) {
            continue;
        }
        are_equal &= text.len() == first.len();
        if !text.starts_with(common) {
            let len = text.iter().zip(common).take_while(|(a, b)| a == b).count();
            (common, are_equal) = (&common[..len], false);
        }
    }
    (!are_equal).then_some(common.len())
}

/// The bytes that a text begins with, in the order of texts. One that ends before is filled up with
/// zeros, which no text of a series goes on with where another one ends.
fn first_bytes(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; KEY_BYTES];
            first[..text.len()].copy_from_slice(text);
            u64::from_be_bytes(first)
        }
    }
}

/// Merges positions that are in order each; `is_before` compares one of `many` to one of `few`. For each
/// of `few` it looks at some of `many`, most of which it never looks at.
pub(super) fn merge(many: &[u32], few: &[u32], is_before: impl Fn(u32, u32) -> bool) -> Vec<u32> {
    let mut merged = Vec::with_capacity(many.len() + few.len());
    let mut rest = many;
    for &at in few {
        let mut bound = 1;
        while bound < rest.len() && is_before(rest[bound - 1], at) {
            bound *= 2;
        }
        // Those up to half the bound are before it.
        let (low, high) = (bound / 2, bound.min(rest.len()));
        let before = low + rest[low..high].partition_point(|&other| is_before(other, at));
        let (passed, others) = rest.split_at(before);
        merged.extend_from_slice(passed);
        merged.push(at);
        rest = others;
    }
    merged.extend_from_slice(rest);
    merged
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use crate::snapshot::Snapshot;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn snapshot_of(series: &[(String, Vec<(String, String)>)]) -> Arc<Snapshot> {
        let registry = Registry::new();
        for (name, labels) in series {
            let counter = registry.counter(name);
            let with = labels.iter().fold(counter, |it, (key, value)| it.label(key, value));
            // One of two labels with one key is refused, and is not needed.
            drop(with.register());
        }
        registry.snapshot()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn series_are_in_the_order_that_comparing_them_gives(
            series in prop::collection::vec(
                (
                    "n[ab.]{0,10}",
                    prop::collection::vec(("k[ab]{0,9}", "[ab\u{e9}]{0,12}"), 0..3),
                ),
                0..200,
            ),
            cut in any::<prop::sample::Index>(),
        ) {
            let snapshot = snapshot_of(&series);
            let catalog = snapshot.catalog();
            let get = |at: u32| catalog.get(at as usize);
            let mut expected: Vec<u32> = (0..catalog.len() as u32).collect();
            let mut positions = expected.clone();
            expected.sort_by(|&a, &b| get(a).order(get(b)));
            sort(&mut positions, get);
            prop_assert_eq!(&positions, &expected);

            let cut = cut.index(positions.len() + 1) as u32;
            let (many, few): (Vec<_>, Vec<_>) = expected.iter().partition(|&&at| at < cut);
            let is_before = |a, b| get(a).order(get(b)).is_lt();
            prop_assert_eq!(&merge(&many, &few, is_before), &expected);
            prop_assert_eq!(&merge(&few, &many, is_before), &expected);
        }
    }
}
