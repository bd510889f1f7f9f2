//! What formats write of series ahead, in the order in which it is copied later.
#![forbid(unsafe_code)]

use crate::snapshot::Catalog;

/// A piece for each series of a catalog, by name and then by labels, since memory that is read in its
/// order is read much faster.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    ordered: Run,
    /// In the order of the catalog's positions, until they are put in order.
    new: Run,
}

/// Pieces that lie one after the other.
#[derive(Clone, Debug, Default)]
struct Run {
    series: Vec<Series>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct Series {
    /// Its position in the catalog.
    at: u32,
    family: u32,
    /// Where its piece ends, and the next one begins.
    end: usize,
}

/// A series and its piece.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    /// The series' position in the catalog.
    pub(super) at: usize,
    /// The number of its family.
    pub(super) family: u32,
    pub(super) bytes: &'a [u8],
}

impl Pieces {
    #[cfg(all(feature = "otlp", not(loom)))]
    pub(super) fn len(&self) -> usize {
        self.ordered.series.len()
    }

    /// Adds the piece that `render` appends, of a series that comes last in the catalog so far.
    pub(super) fn add(&mut self, at: usize, family: u32, render: impl FnOnce(&mut Vec<u8>)) {
        render(&mut self.new.bytes);
        self.new.series.push(Series { at: at as u32, family, end: self.new.bytes.len() });
    }

    /// Brings all pieces into the order of `catalog`, which has just these series.
    ///
    /// The old ones stay in the order in which they are. So they are moved towards the end, in place
    /// and as many at once as stay together, to make room for the new ones, from the last one on.
    pub(super) fn put_in_order(&mut self, catalog: &Catalog) {
        let new = std::mem::take(&mut self.new);
        let Run { series, bytes } = &mut self.ordered;
        // Both of old ones that are yet to be moved; `room` is for new ones that are yet to be put in.
        let (mut old, mut old_end) = (series.len(), bytes.len());
        let mut room = new.bytes.len();
        let first_new = old as u32;
        series.reserve_exact(new.series.len());
        series.resize(old + new.series.len(), Series::default());
        bytes.reserve_exact(room);
        bytes.resize(old_end + room, 0);
        for (place, &at) in catalog.sorted().iter().enumerate().rev() {
            if place + 1 == old {
                // No new one is before these.
                break;
            }
            if at < first_new {
                old -= 1;
                let moved = series[old].clone();
                series[place] = Series { end: moved.end + room, ..moved };
                continue;
            }
            let start = if old == 0 { 0 } else { series[old - 1].end };
            bytes.copy_within(start..old_end, start + room);
            old_end = start;
            let number = (at - first_new) as usize;
            let piece = new.piece(number);
            series[place] = Series { end: start + room, ..new.series[number] };
            room -= piece.len();
            bytes[start + room..][..piece.len()].copy_from_slice(piece);
        }
    }

    /// All pieces, in order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Piece<'_>> {
        self.ordered.series.iter().enumerate().map(|(number, series)| Piece {
            at: series.at as usize,
            family: series.family,
            bytes: self.ordered.piece(number),
        })
    }
}

impl Run {
    fn piece(&self, number: usize) -> &[u8] {
        let start = if number == 0 { 0 } else { self.series[number - 1].end };
        &self.bytes[start..self.series[number].end]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn pieces_lie_in_the_order_of_the_catalog_however_series_come(
            batches in prop::collection::vec(prop::collection::vec((0..40_u32, 0..9_usize), 0..8), 1..8)
        ) {
            let registry = Registry::new();
            let (mut pieces, mut texts) = (Pieces::default(), Vec::new());
            for batch in batches {
                for (number, len) in batch {
                    let before = registry.snapshot().catalog().len();
                    registry.gauge(&format!("g{number}")).register().unwrap();
                    if registry.snapshot().catalog().len() != before {
                        texts.push(number.to_string().repeat(len));
                    }
                }
                let snapshot = registry.snapshot();
                let catalog = snapshot.catalog();
                let known = pieces.iter().len();
                for (at, text) in texts.iter().enumerate().skip(known) {
                    pieces.add(at, at as u32 + 7, |piece| piece.extend_from_slice(text.as_bytes()));
                }
                pieces.put_in_order(catalog);
                let expected = catalog.sorted().iter().map(|&at| {
                    (at as usize, at + 7, texts[at as usize].as_bytes())
                });
                let found = pieces.iter().map(|piece| (piece.at, piece.family, piece.bytes));
                prop_assert!(found.eq(expected));
            }
        }
    }
}
