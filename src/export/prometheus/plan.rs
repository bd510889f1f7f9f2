//! What stays the same about series from scrape to scrape, rendered once.
//!
//! A plan follows the catalog of a registry, which only grows: families and series that were there
//! before are not rendered again. Encoding is copying pieces then, with numbers in between. The pieces
//! lie in the order in which they are copied, since memory is read much faster that way.
#![forbid(unsafe_code)]

use super::PrometheusNames;
use super::bounds::Bounds;
use super::labels::LabelSets;
use super::name::Names;
use crate::export::pieces::Pieces;
use crate::export::scale::Scale;
use crate::series::{Descriptor, Kind};
use crate::snapshot::{Catalog, Followed, Step};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

/// What a format writes of families and series ahead.
pub(super) trait Syntax {
    type Family: Clone + Debug;

    fn family(new: &NewFamily<'_>) -> Self::Family;

    /// Appends the piece of a series to `pieces`.
    fn series(family: &Self::Family, labels: &[(Cow<'_, str>, Cow<'_, str>)], pieces: &mut Vec<u8>);
}

/// A family that a plan has not seen before.
pub(super) struct NewFamily<'a> {
    pub(super) descriptor: &'a Descriptor,
    /// With its unit, without the `_total` of counters.
    pub(super) name: String,
    pub(super) scale: Scale,
    /// Of classic buckets, in exported units.
    pub(super) bounds: &'a [f64],
}

impl NewFamily<'_> {
    /// Prometheus' linter wants a text for each; the registered name says more than none.
    pub(super) fn help(&self) -> &str {
        if self.descriptor.help().is_empty() {
            self.descriptor.name()
        } else {
            self.descriptor.help()
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Family<T> {
    pub(super) kind: Kind,
    pub(super) scale: Scale,
    pub(super) rendered: T,
}

/// A series and what was rendered for it.
pub(super) struct Rendered<'a, T> {
    /// Its position in the catalog.
    pub(super) at: usize,
    pub(super) number: u32,
    pub(super) family: &'a Family<T>,
    pub(super) piece: &'a [u8],
}

#[derive(Debug)]
pub(super) struct Plan<S: Syntax> {
    spelling: PrometheusNames,
    followed: Followed,
    names: Names,
    label_sets: LabelSets,
    by_name: HashMap<Box<str>, u32>,
    families: Vec<Family<S::Family>>,
    pieces: Pieces,
}

impl<S: Syntax> Plan<S> {
    pub(super) fn new(spelling: PrometheusNames) -> Self {
        Self {
            spelling,
            followed: Followed::default(),
            names: Names::default(),
            label_sets: LabelSets::new(spelling),
            by_name: HashMap::new(),
            families: Vec::new(),
            pieces: Pieces::default(),
        }
    }

    /// Follows to `catalog`.
    pub(super) fn follow(&mut self, catalog: &Arc<Catalog>, bounds: &Bounds) {
        let new = match self.followed.follow(catalog) {
            Step::Known => return,
            Step::Further(new) => new,
            Step::Anew(new) => {
                let followed = std::mem::take(&mut self.followed);
                *self = Self { followed, ..Self::new(self.spelling) };
                new
            }
        };
        // Series of one name are often registered one after the other.
        let mut last: Option<(&Descriptor, u32)> = None;
        for at in new {
            let descriptor = catalog.get(at);
            let family = match last {
                Some((last, family)) if descriptor.is_of_same_name(last) => family,
                _ => self.family(descriptor, bounds),
            };
            last = Some((descriptor, family));
            let labels = self.label_sets.add(family, at, catalog);
            let rendered = &self.families[family as usize].rendered;
            self.pieces.add(at, family, |piece| S::series(rendered, &labels, piece));
        }
        self.pieces.put_in_order(catalog);
    }

    fn family(&mut self, descriptor: &Descriptor, bounds: &Bounds) -> u32 {
        match self.by_name.get(descriptor.name()) {
            Some(&family) => family,
            None => self.add_family(descriptor, bounds),
        }
    }

    fn add_family(&mut self, descriptor: &Descriptor, bounds: &Bounds) -> u32 {
        let scale = Scale::of(descriptor.unit());
        let rendered = S::family(&NewFamily {
            descriptor,
            name: self.names.claim(descriptor, self.spelling),
            scale,
            bounds: bounds.of(descriptor.name(), descriptor.unit()),
        });
        let family = self.families.len() as u32;
        self.families.push(Family { kind: descriptor.kind(), scale, rendered });
        self.by_name.insert(descriptor.name().into(), family);
        family
    }

    /// The series of a snapshot whose catalog has `len` of them.
    pub(super) fn series(&self, len: usize) -> impl Iterator<Item = Rendered<'_, S::Family>> {
        let pieces = self.pieces.iter().filter(move |piece| piece.at < len);
        pieces.map(|piece| Rendered {
            at: piece.at,
            number: piece.family,
            family: &self.families[piece.family as usize],
            piece: piece.bytes,
        })
    }
}
