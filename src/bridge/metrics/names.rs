//! Names, keys and values as this crate takes them: `metrics` allows any text.
#![forbid(unsafe_code)]

use crate::export::hash;
use crate::series::{MAX_NAME_BYTES, MAX_VALUE_BYTES, fault_of_value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What is given names for.
#[derive(Clone, Copy)]
pub(super) enum What {
    Metrics,
    Labels,
}

/// Accepted names, each of one given name alone.
///
/// Other characters than letters, digits and `_.-/` become underscores, and a beginning that is no
/// letter gets one in front. Where several names come to the same, as `a b` and `a:b` do, the first
/// keeps it, and the others get eight hexadecimal digits appended that are made from their own; so does
/// what is too long.
pub(super) struct Names {
    what: What,
    accepted: HashMap<Box<str>, Arc<str>>,
    taken: HashSet<Arc<str>>,
}

impl Names {
    pub(super) fn of(what: What) -> Self {
        Self { what, accepted: HashMap::new(), taken: HashSet::new() }
    }

    /// The accepted name for `given`; `told_apart` is told of one that another given name has already.
    pub(super) fn claim(&mut self, given: &str, told_apart: impl FnOnce(&str)) -> Arc<str> {
        if let Some(name) = self.accepted.get(given) {
            return name.clone();
        }
        let wanted = self.what.accepted(given);
        let mut name: Arc<str> = (&*wanted).into();
        let mut round = 0;
        while name.len() > MAX_NAME_BYTES || self.taken.contains(&name) {
            let kept = &wanted[..wanted.len().min(MAX_NAME_BYTES - 9)];
            name = format!("{kept}_{:08x}", hash(given, round)).into();
            round += 1;
        }
        if round != 0 {
            told_apart(&name);
        }
        self.taken.insert(name.clone());
        self.accepted.insert(given.into(), name.clone());
        name
    }
}

impl What {
    /// Of ASCII characters only, if it is not as it was given; of any length.
    fn accepted(self, given: &str) -> Cow<'_, str> {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
        let begins_well = |c: char| match self {
            What::Metrics => c.is_ascii_alphabetic(),
            What::Labels => c.is_ascii_alphabetic() || c == '_',
        };
        let Some(first) = given.chars().next() else {
            return Cow::Borrowed("unnamed");
        };
        if begins_well(first) && given.chars().all(is_fine) {
            return Cow::Borrowed(given);
        }
        let plain = given.chars().map(|c| if is_fine(c) { c } else { '_' });
        let mut accepted: String = plain.collect();
        if !accepted.starts_with(begins_well) {
            accepted.insert_str(0, if matches!(self, What::Metrics) { "m_" } else { "_" });
        }
        Cow::Owned(accepted)
    }
}

/// A label's value without NULs and of the length that is accepted; one that is changed ends in eight
/// hexadecimal digits that are made from the whole.
pub(super) fn accepted_value(given: &str) -> Cow<'_, str> {
    if fault_of_value(given).is_none() {
        return Cow::Borrowed(given);
    }
    let room = MAX_VALUE_BYTES - "..12345678".len();
    let mut accepted = String::new();
    for character in given.chars() {
        let character = if character == '\0' { char::REPLACEMENT_CHARACTER } else { character };
        if accepted.len() + character.len_utf8() > room {
            break;
        }
        accepted.push(character);
    }
    accepted.push_str(&format!("..{:08x}", hash(given, 0)));
    Cow::Owned(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_name_of_its_own() {
        let mut names = Names::of(What::Metrics);
        let mut told = 0;
        let mut claim = |given: &str| names.claim(given, |_| told += 1).to_string();
        assert_eq!(claim("http.requests-total/a_b"), "http.requests-total/a_b");
        assert_eq!(claim("app::requests"), "app__requests");
        assert_eq!(claim("\u{e9}t\u{e9}"), "m__t_");
        assert_eq!(claim("5xx"), "m_5xx");
        assert_eq!(claim(""), "unnamed");
        let other = claim("app:_requests");
        assert!(other.starts_with("app__requests_") && other.len() == 22, "{other}");
        assert_eq!(claim("app:_requests"), other);
        let long = "x".repeat(400);
        assert_eq!((claim(&long).len(), claim(&long[1..]).len()), (255, 255));
        assert_ne!(claim(&long), claim(&long[1..]));
        assert_eq!(told, 3);
    }

    #[test]
    fn keys_may_begin_with_an_underscore() {
        let mut keys = Names::of(What::Labels);
        let mut claim = |given: &str| keys.claim(given, |_| ()).to_string();
        assert_eq!(claim("_a"), "_a");
        assert_eq!(claim("9 b"), "_9_b");
    }

    #[test]
    fn values_that_no_label_can_have_are_changed_and_stay_apart() {
        assert!(matches!(accepted_value("\u{3c0} \"\n"), Cow::Borrowed(_)));
        let long = "\u{3c0}".repeat(3_000);
        for value in ["\0", "a\0\0b", &long, &"\0".repeat(4_096)] {
            let accepted = accepted_value(value);
            assert_eq!(fault_of_value(&accepted), None, "{accepted}");
            assert_ne!(accepted, accepted_value(&format!("{value}\0")));
        }
    }
}
