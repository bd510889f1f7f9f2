//! What stays the same about series from request to request, rendered once.
//!
//! A plan follows the catalog of a registry, which only grows: what was there before is not rendered
//! again. Series, and their pieces, lie in the order of a snapshot: by name, then by labels.
#![forbid(unsafe_code)]

use super::field::{attribute, exponential_point, metric, number_point, value};
use crate::export::pieces::Pieces;
use crate::export::scale::Scale;
use crate::export::wire::push_bytes;
use crate::series::{Descriptor, Kind};
use crate::snapshot::Catalog;
use std::collections::HashMap;
use std::sync::Arc;

/// All series of one name.
pub(super) struct Family {
    pub(super) kind: Kind,
    pub(super) scale: Scale,
    /// The metric's message up to its points.
    pub(super) head: Vec<u8>,
}

/// A series and what was rendered for it.
pub(super) struct Rendered<'a> {
    pub(super) place: usize,
    /// Its position in the catalog.
    pub(super) at: usize,
    pub(super) number: u32,
    pub(super) family: &'a Family,
    /// Its labels, as attributes of a point.
    pub(super) attributes: &'a [u8],
}

#[derive(Default)]
pub(super) struct Plan {
    catalog: Arc<Catalog>,
    by_name: HashMap<Box<str>, u32>,
    families: Vec<Family>,
    pieces: Pieces,
}

impl Plan {
    /// Follows to `catalog`.
    pub(super) fn follow(&mut self, catalog: &Arc<Catalog>) {
        if Arc::ptr_eq(&self.catalog, catalog) {
            return;
        }
        if catalog.in_common(&self.catalog) != self.pieces.len() {
            // Of another registry, or an older one, whose series have other places.
            *self = Self::default();
        }
        for at in self.pieces.len()..catalog.len() {
            self.add(at, catalog.get(at));
        }
        self.pieces.put_in_order(catalog);
        self.catalog = catalog.clone();
    }

    fn add(&mut self, at: usize, descriptor: &Descriptor) {
        let family = match self.by_name.get(descriptor.name()) {
            Some(&family) => family,
            None => self.add_family(descriptor),
        };
        let field = match descriptor.kind() {
            Kind::Histogram => exponential_point::ATTRIBUTES,
            _ => number_point::ATTRIBUTES,
        };
        self.pieces.add(at, family, |piece| {
            for label in descriptor.labels() {
                push_attribute(piece, field, label.key(), label.value());
            }
        });
    }

    fn add_family(&mut self, descriptor: &Descriptor) -> u32 {
        let scale = Scale::of(descriptor.unit());
        let mut head = Vec::new();
        push_bytes(&mut head, metric::NAME, descriptor.name().as_bytes());
        for (field, text) in
            [(metric::DESCRIPTION, descriptor.help()), (metric::UNIT, symbol(scale))]
        {
            if !text.is_empty() {
                push_bytes(&mut head, field, text.as_bytes());
            }
        }
        let family = self.families.len() as u32;
        self.families.push(Family { kind: descriptor.kind(), scale, head });
        self.by_name.insert(descriptor.name().into(), family);
        family
    }

    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The series from a place on.
    pub(super) fn series(&self, from: usize) -> impl Iterator<Item = Rendered<'_>> {
        self.pieces.iter().enumerate().skip(from).map(|(place, piece)| Rendered {
            place,
            at: piece.at,
            number: piece.family,
            family: self.family(piece.family),
            attributes: piece.bytes,
        })
    }

    pub(super) fn family(&self, number: u32) -> &Family {
        &self.families[number as usize]
    }
}

/// The base unit by UCUM, as OpenTelemetry wants it
/// (<https://opentelemetry.io/docs/specs/semconv/general/metrics/#instrument-units>).
fn symbol(scale: Scale) -> &'static str {
    match scale.unit {
        "seconds" => "s",
        "bytes" => "By",
        "ratio" => "1",
        _ => "",
    }
}

/// Appends an attribute that is a text.
pub(super) fn push_attribute(out: &mut Vec<u8>, field: u32, key: &str, text: &str) {
    let mut any_value = Vec::with_capacity(text.len() + 6);
    push_bytes(&mut any_value, value::STRING, text.as_bytes());
    push_pair(out, field, key, &any_value);
}

/// Appends an attribute whose value is a message that was put together.
pub(super) fn push_pair(out: &mut Vec<u8>, field: u32, key: &str, any_value: &[u8]) {
    let mut pair = Vec::with_capacity(key.len() + any_value.len() + 12);
    push_bytes(&mut pair, attribute::KEY, key.as_bytes());
    push_bytes(&mut pair, attribute::VALUE, any_value);
    push_bytes(out, field, &pair);
}
