//! What series are called at a StatsD server.
#![forbid(unsafe_code)]

use super::StatsdTags;
use crate::export::rendered::{Names, Spelling};
use crate::series::Descriptor;

/// Graphite keeps metrics in files whose names are parts of theirs; no server asks for fewer.
const MAX_NAME_BYTES: usize = 1_024;

/// `name:`, and nothing after the value.
#[derive(Default)]
pub(super) struct NameSpelling {
    prefix: String,
    tags: StatsdTags,
    names: Names,
}

impl NameSpelling {
    pub(super) fn set_prefix(&mut self, prefix: &str) {
        self.prefix = prefix.chars().map(|c| plain(c, true)).collect();
        if !prefix.is_empty() && !prefix.ends_with('.') {
            self.prefix.push('.');
        }
    }

    pub(super) fn set_tags(&mut self, tags: StatsdTags) {
        self.tags = tags;
    }

    fn wanted(&self, descriptor: &Descriptor) -> String {
        let mut name = self.prefix.clone();
        name.extend(descriptor.name().chars().map(|c| plain(c, true)));
        for label in descriptor.labels() {
            let value = if label.value().is_empty() { "_" } else { label.value() };
            match self.tags {
                StatsdTags::NameParts => name.push('.'),
                StatsdTags::Graphite => {
                    name.push(';');
                    name.extend(label.key().chars().map(|c| plain(c, false)));
                    name.push('=');
                }
            }
            name.extend(value.chars().map(|c| plain(c, false)));
        }
        name
    }
}

fn plain(c: char, is_name: bool) -> char {
    let is_plain = c.is_ascii_alphanumeric() || c == '_' || c == '-' || (is_name && c == '.');
    if is_plain { c } else { '_' }
}

impl Spelling for NameSpelling {
    fn render(&mut self, descriptor: &Descriptor, pieces: &mut Vec<u8>) -> usize {
        let wanted = self.wanted(descriptor);
        let own = descriptor.to_string();
        let name = self.names.claim(&own, &wanted, &[""], MAX_NAME_BYTES, "StatsD");
        pieces.extend_from_slice(name.as_bytes());
        pieces.push(b':');
        pieces.len()
    }

    fn forget(&mut self) {
        self.names = Names::default();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::Registry;

    fn names(registry: &Registry, spelling: &mut NameSpelling) -> Vec<String> {
        let snapshot = registry.snapshot();
        let catalog = snapshot.catalog();
        let name = |at| {
            let mut pieces = Vec::new();
            spelling.render(catalog.get(at), &mut pieces);
            String::from_utf8(pieces).unwrap()
        };
        (0..catalog.len()).map(name).collect()
    }

    #[test]
    fn labels_are_parts_of_the_name_by_their_keys() {
        let registry = Registry::new();
        let counter = registry.counter("http/requests-x.y").label("z", "1.5 ms").label("a", "");
        counter.register().unwrap();
        registry.counter("plain").label("k", "GET:1|c\n#@").register().unwrap();
        let mut spelling = NameSpelling::default();
        spelling.set_prefix("my app");
        let parts = ["my_app.http_requests-x.y._.1_5_ms:", "my_app.plain.GET_1_c___:"];
        assert_eq!(names(&registry, &mut spelling), parts);
        let mut spelling = NameSpelling::default();
        spelling.set_tags(StatsdTags::Graphite);
        let tagged = ["http_requests-x.y;a=_;z=1_5_ms:", "plain;k=GET_1_c___:"];
        assert_eq!(names(&registry, &mut spelling), tagged);
    }

    #[test]
    fn names_that_come_to_the_same_are_told_apart() {
        let registry = Registry::new();
        registry.counter("a.b").register().unwrap();
        registry.counter("a").label("k", "b").register().unwrap();
        registry.counter("a").label("l", "b").register().unwrap();
        let names = names(&registry, &mut NameSpelling::default());
        assert_eq!(names[0], "a.b:");
        assert!(names[1].starts_with("a.b_") && names[2].starts_with("a.b_"), "{names:?}");
        assert_ne!(names[1], names[2]);
    }
}
