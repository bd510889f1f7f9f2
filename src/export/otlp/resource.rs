//! Who is speaking: the attributes of this process
//! (<https://opentelemetry.io/docs/specs/semconv/resource/>).
#![forbid(unsafe_code)]

use super::field::{resource, resource_metrics, value};
use super::plan::{push_attribute, push_pair};
use crate::export::wire::{push_bytes, push_varint_field};
use crate::sync::set_once;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// By the system's chance.
static KEYS: OnceLock<RandomState> = OnceLock::new();

/// The resource of a process, rendered once for it.
#[derive(Default)]
pub(super) struct Resource {
    process: Option<u32>,
    rendered: Vec<u8>,
}

impl Resource {
    /// Its message, with key and length; `attributes` are of the user, and win.
    pub(super) fn rendered(&mut self, attributes: &[(String, String)]) -> &[u8] {
        let process = std::process::id();
        if self.process != Some(process) {
            self.process = Some(process);
            self.rendered.clear();
            render(process, attributes, &mut self.rendered);
        }
        &self.rendered
    }

    /// The attributes are others from now on.
    pub(super) fn forget(&mut self) {
        self.process = None;
    }
}

fn render(process: u32, attributes: &[(String, String)], out: &mut Vec<u8>) {
    let own = [
        ("service.name", service_name()),
        ("service.instance.id", instance_id(process)),
        ("telemetry.sdk.name", "quipu".to_owned()),
        ("telemetry.sdk.language", "rust".to_owned()),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let is_given = |own: &str| attributes.iter().any(|(key, _)| key == own);
    let mut message = Vec::new();
    for (key, text) in own.iter().filter(|(key, _)| !is_given(key)) {
        push_attribute(&mut message, resource::ATTRIBUTES, key, text);
    }
    if !is_given("process.pid") {
        let mut pid = Vec::new();
        push_varint_field(&mut pid, value::INT, u64::from(process));
        push_pair(&mut message, resource::ATTRIBUTES, "process.pid", &pid);
    }
    for (key, text) in attributes {
        push_attribute(&mut message, resource::ATTRIBUTES, key, text);
    }
    push_bytes(out, resource_metrics::RESOURCE, &message);
}

/// What a service is called that nobody gave a name.
fn service_name() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    match path.file_name() {
        Some(name) => format!("unknown_service:{}", name.to_string_lossy()),
        None => "unknown_service".to_owned(),
    }
}

/// A random UUID (RFC 9562, version 4) for a process, the same whenever it is asked for, and another
/// one in a forked child, which has a copy of the keys.
fn instance_id(process: u32) -> String {
    let keys = set_once(&KEYS, RandomState::new());
    let [high, low] = [0_u8, 1].map(|half| keys.hash_one((process, half)));
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let (time, clock) = (high >> 32, low >> 48);
    let (middle, version) = ((high >> 16) & 0xffff, high & 0xffff);
    let node = low & 0xffff_ffff_ffff;
    format!("{time:08x}-{middle:04x}-{version:04x}-{clock:04x}-{node:012x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_has_one_random_uuid() {
        let id = instance_id(1);
        assert_eq!(id, instance_id(1));
        assert_ne!(id, instance_id(2), "a forked child is another instance");
        let groups: Vec<_> = id.split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(groups.iter().all(|group| group.bytes().all(|b| b.is_ascii_hexdigit())), "{id}");
        assert!(groups[2].starts_with('4') && groups[3].starts_with(['8', '9', 'a', 'b']), "{id}");
    }

    #[test]
    fn attributes_that_are_given_replace_the_own_ones() {
        let mut resource = Resource::default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let own = text(resource.rendered(&[]));
        assert!(own.contains("unknown_service:") && own.contains("process.pid"), "{own}");
        let given = [("service.name", "shop"), ("process.pid", "none"), ("zone", "a")];
        let given = given.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(text(resource.rendered(&given)), own, "it was rendered before");
        resource.forget();
        let rendered = text(resource.rendered(&given));
        assert!(!rendered.contains("unknown_service"), "{rendered}");
        for part in ["service.name", "shop", "process.pid", "none", "zone"] {
            assert_eq!(rendered.matches(part).count(), 1, "{part} in {rendered}");
        }
    }
}
