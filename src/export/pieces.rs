//! What formats write of series ahead, in the order in which it is copied later.
#![forbid(unsafe_code)]

use crate::snapshot::Catalog;
use std::ops::Range;

/// A piece for each series of a catalog, by name and then by labels, since memory that is read in its
/// order is read much faster.
#[derive(Clone, Debug, Default)]
pub(super) struct Pieces {
    series: Vec<Series>,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Series {
    /// Its position in the catalog.
    at: u32,
    family: u32,
    piece: Range<usize>,
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
        self.series.len()
    }

    /// Adds the piece that `render` appends, of a series that comes last in the catalog so far.
    pub(super) fn add(&mut self, at: usize, family: u32, render: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        render(&mut self.bytes);
        self.series.push(Series { at: at as u32, family, piece: start..self.bytes.len() });
    }

    /// Brings all pieces into the order of `catalog`, which has just these series.
    pub(super) fn put_in_order(&mut self, catalog: &Catalog) {
        let mut by_position = vec![0; self.series.len()];
        for (number, series) in self.series.iter().enumerate() {
            by_position[series.at as usize] = number;
        }
        let mut bytes = Vec::with_capacity(self.bytes.len());
        let ordered = catalog.sorted().iter().map(|&at| {
            let series = &self.series[by_position[at as usize]];
            let start = bytes.len();
            bytes.extend_from_slice(&self.bytes[series.piece.clone()]);
            Series { piece: start..bytes.len(), ..*series }
        });
        self.series = ordered.collect();
        self.bytes = bytes;
    }

    /// All pieces, in order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Piece<'_>> {
        self.series.iter().map(|series| Piece {
            at: series.at as usize,
            family: series.family,
            bytes: &self.bytes[series.piece.clone()],
        })
    }
}
