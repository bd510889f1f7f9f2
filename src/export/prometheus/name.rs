//! What families are called in Prometheus' formats.
//!
//! A name ends in its base unit, and a counter's samples in `_total`
//! (<https://prometheus.io/docs/practices/naming/>); a last part that says the recorded unit is
//! replaced. So different families may come to the same name, or to names whose samples are the same:
//! the first one keeps it, and later ones get a number that is made from their own name.
#![forbid(unsafe_code)]

use super::PrometheusNames;
use crate::client::tell;
use crate::export::hash::hash;
use crate::export::scale::Scale;
use crate::series::{Descriptor, Kind};
use std::borrow::Cow;
use std::collections::HashSet;

/// What samples of a family are called, after its name; the name itself is taken as well.
fn suffixes(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Counter => &["", "_total", "_created"],
        Kind::UpDownCounter | Kind::Gauge => &[""],
        Kind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
    }
}

/// The names that are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// The name of a new family: with its unit, without the `_total` of counters.
    pub(super) fn claim(&mut self, descriptor: &Descriptor, names: PrometheusNames) -> String {
        let wanted = exported_name(descriptor, names);
        let mut name = wanted.clone();
        let mut attempts = 0;
        while self.is_taken(&name, descriptor.kind()) {
            name = format!("{wanted}_{:08x}", hash(descriptor.name(), attempts));
            attempts += 1;
        }
        if attempts != 0 {
            tell(
                log::Level::Warn,
                format_args!(
                    "{:?} is exported to Prometheus as {name}, since another metric's samples are \
                     called {wanted} already; rename one of them",
                    descriptor.name()
                ),
            );
        }
        let samples = suffixes(descriptor.kind()).iter();
        self.taken.extend(samples.map(|suffix| format!("{name}{suffix}")));
        name
    }

    fn is_taken(&self, name: &str, kind: Kind) -> bool {
        suffixes(kind).iter().any(|suffix| self.taken.contains(&format!("{name}{suffix}")))
    }
}

fn exported_name(descriptor: &Descriptor, names: PrometheusNames) -> String {
    let scale = Scale::of(descriptor.unit());
    let mut stem = descriptor.name();
    if descriptor.kind() == Kind::Counter {
        stem = without_last_part(stem, &["total"]);
    }
    stem = without_last_part(stem, scale.spellings);
    let mut name = match names {
        PrometheusNames::Underscores => identifier(stem).into_owned(),
        PrometheusNames::Utf8 => stem.to_owned(),
    };
    if !scale.unit.is_empty() && stem != scale.unit {
        name.push('_');
        name.push_str(scale.unit);
    }
    name
}

/// `name` without its last part, if that is one of `words`, which no name consists of alone.
fn without_last_part<'a>(name: &'a str, words: &[&str]) -> &'a str {
    match name.rfind(is_separator) {
        Some(at) if at != 0 && words.contains(&&name[at + 1..]) => &name[..at],
        _ => name,
    }
}

fn is_separator(character: char) -> bool {
    matches!(character, '.' | '_' | '-' | '/')
}

/// With underscores for what Prometheus did not accept in names before its version 3.
pub(super) fn identifier(name: &str) -> Cow<'_, str> {
    if is_identifier(name) {
        return Cow::Borrowed(name);
    }
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    Cow::Owned(name.chars().map(plain).collect())
}

/// Whether a name, which does not begin with a digit, needs no quotes.
pub(super) fn is_identifier(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
