//! What stays the same about series from delivery to delivery, rendered once.
//!
//! It follows the catalog of a registry, which only grows: series that were there before are not
//! rendered again. What a format writes of a series is two pieces, with numbers in between.
#![forbid(unsafe_code)]

use super::hash::hash;
use crate::client::tell;
use crate::series::Descriptor;
use crate::snapshot::{Catalog, Followed, Step};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

/// What a format calls series.
pub(super) trait Spelling {
    /// Appends the two pieces of a series that was not seen before; returns where the second
    /// begins.
    fn render(&mut self, descriptor: &Descriptor, pieces: &mut Vec<u8>) -> usize;

    /// Starts anew, for another registry.
    fn forget(&mut self);
}

/// Where the pieces of a series are.
struct Series {
    head: Range<usize>,
    tail: Range<usize>,
}

/// The pieces of one series.
#[derive(Clone, Copy)]
pub(super) struct Pieces<'a> {
    pub(super) head: &'a [u8],
    #[cfg_attr(
        not(any(feature = "datadog", feature = "dogstatsd")),
        allow(dead_code, reason = "nothing follows a value in plain StatsD")
    )]
    pub(super) tail: &'a [u8],
}

#[derive(Default)]
pub(super) struct Rendered {
    followed: Followed,
    /// By their positions in the catalog.
    series: Vec<Series>,
    pieces: Vec<u8>,
}

impl Rendered {
    /// Follows to `catalog`.
    pub(super) fn follow(&mut self, catalog: &Arc<Catalog>, spelling: &mut impl Spelling) {
        let new = match self.followed.follow(catalog) {
            Step::Known => return,
            Step::Further(new) => new,
            Step::Anew(new) => {
                self.series.clear();
                self.pieces.clear();
                spelling.forget();
                new
            }
        };
        for at in new {
            let start = self.pieces.len();
            let middle = spelling.render(catalog.get(at), &mut self.pieces);
            self.series.push(Series { head: start..middle, tail: middle..self.pieces.len() });
        }
    }

    /// The series at a position of a catalog that was followed to.
    pub(super) fn pieces(&self, at: usize) -> Pieces<'_> {
        let Series { head, tail } = &self.series[at];
        Pieces { head: &self.pieces[head.clone()], tail: &self.pieces[tail.clone()] }
    }
}

/// Exported names, each of one registered name alone.
///
/// Where several come to the same, as `a-b` and `a_b` do, the first keeps it, and the others get
/// eight hexadecimal digits appended that are made from their own.
#[derive(Default)]
pub(super) struct Names {
    exported: HashMap<Box<str>, Arc<str>>,
    taken: HashSet<String>,
}

impl Names {
    /// The exported name for `registered`: `wanted`, of at most `max_bytes` ASCII characters, or
    /// one that is told apart. It is taken with these `suffixes`. `format` is for the warning.
    pub(super) fn claim(
        &mut self,
        registered: &str,
        wanted: &str,
        suffixes: &[&str],
        max_bytes: usize,
        format: &str,
    ) -> Arc<str> {
        if let Some(name) = self.exported.get(registered) {
            return name.clone();
        }
        let mut name = wanted.to_owned();
        let mut round = 0;
        let with = |name: &str, suffix: &&str| format!("{name}{suffix}");
        while name.len() > max_bytes
            || suffixes.iter().any(|suffix| self.taken.contains(&with(&name, suffix)))
        {
            let number = hash(registered, round);
            let kept = &wanted[..wanted.len().min(max_bytes - 9)];
            name = format!("{kept}_{number:08x}");
            round += 1;
        }
        if round != 0 {
            tell(
                log::Level::Warn,
                format_args!(
                    "{registered:?} is exported to {format} as {name}, since its own name is too \
                     long there or is another metric's already; rename one of them"
                ),
            );
        }
        let name: Arc<str> = name.into();
        self.taken.extend(suffixes.iter().map(|suffix| with(&name, suffix)));
        self.exported.insert(registered.into(), name.clone());
        name
    }
}
