//! Names and tags by Datadog's rules
//! (<https://docs.datadoghq.com/metrics/custom_metrics/#naming-custom-metrics>,
//! <https://docs.datadoghq.com/getting_started/tagging/#define-tags>).
#![forbid(unsafe_code)]

use crate::export::hash::hash;
use crate::export::rendered::Names;
use crate::series::Descriptor;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

pub(super) const MAX_NAME_BYTES: usize = 200;
const MAX_TAG_CHARS: usize = 200;
/// Tells series apart that would be one to Datadog.
const APART: &str = "quipu_series";

/// Variables, and the tags that their values are
/// (<https://docs.datadoghq.com/getting_started/tagging/unified_service_tagging/>).
pub(super) const SERVICE_TAGS: [(&str, &str); 3] =
    [("DD_ENV", "env"), ("DD_SERVICE", "service"), ("DD_VERSION", "version")];

/// Tags of every series, by key.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags(Vec<(String, String)>);

impl Tags {
    /// Those that the environment has.
    pub(super) fn from_variables(
        variables: &[(&str, &str)],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let mut tags = Self::default();
        for (name, key) in variables {
            if let Some(value) = variable(name) {
                tags.set(key, &value);
            }
        }
        tags
    }

    /// Adds a tag, in place of an earlier one with its key.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.0.retain(|(other, _)| other != key);
        self.0.push((key.to_owned(), value.to_owned()));
    }

    /// All, as they are written.
    #[cfg(feature = "dogstatsd")]
    pub(super) fn written(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(key, value)| tag(key, value))
    }
}

/// What series are called at Datadog.
#[derive(Default)]
pub(super) struct Naming {
    pub(super) tags: Tags,
    prefix: String,
    names: Names,
    seen: HashSet<u64>,
    hasher: RandomState,
}

/// A series as Datadog knows it.
pub(super) struct Named {
    pub(super) name: Arc<str>,
    pub(super) tags: Vec<String>,
}

impl Naming {
    pub(super) fn new(tags: Tags) -> Self {
        Self { tags, ..Self::default() }
    }

    pub(super) fn set_prefix(&mut self, prefix: &str) {
        self.prefix.clear();
        self.prefix.push_str(prefix);
        if !prefix.is_empty() && !prefix.ends_with('.') {
            self.prefix.push('.');
        }
    }

    /// Name and tags of a series that was not seen before. The name is written with these
    /// `suffixes`, and without any of them has at most `max_bytes`.
    pub(super) fn name(
        &mut self,
        descriptor: &Descriptor,
        suffixes: &[&str],
        max_bytes: usize,
    ) -> Named {
        let wanted = plain_name(&format!("{}{}", self.prefix, descriptor.name()));
        let name = self.names.claim(descriptor.name(), &wanted, suffixes, max_bytes, "Datadog");
        let global = self.tags.0.iter().filter(|(key, _)| descriptor.label(key).is_none());
        let mut tags: Vec<String> = global.map(|(key, value)| tag(key, value)).collect();
        tags.extend(descriptor.labels().map(|label| tag(label.key(), label.value())));
        let mut round = 0;
        while !self.is_new(&name, &tags) {
            let text = descriptor.label_text();
            // What tells apart stays what it was, from release to release: keys and values with NULs between.
            let number = hash(text.strip_suffix('\0').unwrap_or(text), round);
            // Of the last round.
            tags.retain(|tag| !tag.starts_with(APART));
            tags.push(format!("{APART}:{number:08x}"));
            round += 1;
        }
        Named { name, tags }
    }

    /// Whether no other series has this name and these tags, in which Datadog sees no difference
    /// between capital and small letters.
    fn is_new(&mut self, name: &str, tags: &[String]) -> bool {
        let mut tags: Vec<String> = tags.iter().map(|tag| tag.to_lowercase()).collect();
        tags.sort_unstable();
        self.seen.insert(self.hasher.hash_one((name, tags)))
    }

    pub(super) fn forget(&mut self) {
        self.names = Names::default();
        self.seen.clear();
    }
}

/// Letters and digits of ASCII, underscores and periods; underscores for all others.
pub(super) fn plain_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    // A prefix may begin with anything.
    match plain.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => plain,
        false => format!("x{plain}"),
    }
}

/// `key:value`, of 200 characters at most, with underscores for what would end it, a line or a
/// field, and for white space. Datadog replaces more, and makes letters small.
pub(super) fn tag(key: &str, value: &str) -> String {
    let is_apart = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ',' | '|' | '#');
    let replaced = |c: char| if is_apart(c) { '_' } else { c };
    let separator = if value.is_empty() { "" } else { ":" };
    let all = key.chars().chain(separator.chars()).chain(value.chars());
    all.map(replaced).take(MAX_TAG_CHARS).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::Registry;

    fn named(registry: &Registry, naming: &mut Naming) -> Vec<(String, String)> {
        let snapshot = registry.snapshot();
        let catalog = snapshot.catalog();
        let all = (0..catalog.len()).map(|at| {
            let named = naming.name(catalog.get(at), &[""], MAX_NAME_BYTES);
            (named.name.to_string(), named.tags.join(","))
        });
        all.collect()
    }

    #[test]
    fn names_have_no_other_characters_and_are_told_apart() {
        let registry = Registry::new();
        for name in ["a-b", "a_b", "a/b", "c.d"] {
            registry.counter(name).register().unwrap();
        }
        registry.gauge(&"l".repeat(255)).register().unwrap();
        registry.gauge(&format!("{}m", "l".repeat(250))).register().unwrap();
        let mut naming = Naming::default();
        naming.set_prefix("my app");
        let names: Vec<_> = named(&registry, &mut naming).into_iter().map(|it| it.0).collect();
        assert_eq!(names[0], "my_app.a_b");
        assert_eq!(names[3], "my_app.c.d");
        let distinct: HashSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{names:?}");
        for name in &names {
            assert!(name.len() <= 200 && name.starts_with("my_app."), "{name}");
            assert_eq!(*name, plain_name(name));
        }
    }

    #[test]
    fn tags_hold_nothing_that_ends_them() {
        assert_eq!(tag("k", "v"), "k:v");
        assert_eq!(tag("k", ""), "k");
        assert_eq!(tag("k", "a|b,c#d\ne\0f g\u{85}h"), "k:a_b_c_d_e_f_g_h");
        assert_eq!(tag("k", &"\u{e9}".repeat(300)).chars().count(), 200);
    }

    #[test]
    fn series_that_only_differ_in_what_datadog_does_not_see_are_told_apart() {
        let registry = Registry::new();
        let long = "x".repeat(300);
        for value in ["a b", "a|b", "A_B", "a_b", &format!("{long}1"), &format!("{long}2")] {
            registry.gauge("g").label("k", value).register().unwrap();
        }
        let all = named(&registry, &mut Naming::default());
        let distinct: HashSet<_> = all.iter().map(|(_, tags)| tags.to_lowercase()).collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
        assert_eq!(all[0].1, "k:a_b");
        assert!(all[1].1.starts_with("k:a_b,quipu_series:"), "{}", all[1].1);
    }

    #[test]
    fn a_label_wins_over_a_tag_of_all_series() {
        let registry = Registry::new();
        registry.gauge("g").label("env", "own").register().unwrap();
        registry.gauge("h").register().unwrap();
        let variable = |name: &str| (name == "DD_ENV").then(|| "prod".to_owned());
        let mut naming = Naming::new(Tags::from_variables(&SERVICE_TAGS, variable));
        naming.tags.set("team", "a");
        naming.tags.set("team", "b");
        let all = named(&registry, &mut naming);
        assert_eq!(all[0].1, "team:b,env:own");
        assert_eq!(all[1].1, "env:prod,team:b");
    }
}
