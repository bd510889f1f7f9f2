//! Captured traces: how long something took, with its circumstances.
#![forbid(unsafe_code)]

use super::cut::cut;
use std::time::{Duration, SystemTime};

const MAX_ATTRIBUTES: usize = 64;
const MAX_TEXT_BYTES: usize = 1024;

/// A timed piece of work, such as the answer to a request, for exporters that show single ones; from
/// [`Client::capture_trace`](crate::Client::capture_trace).
///
/// Its size is bounded: texts are cut at 1 KiB each, and attributes beyond 64 are left out.
#[derive(Clone, Debug)]
pub struct CapturedTrace {
    name: String,
    operation: String,
    start: SystemTime,
    duration: Duration,
    attributes: Vec<(String, String)>,
    is_ok: bool,
}

impl CapturedTrace {
    /// Something that began at `start` and took `duration`. Traces of one `name`, which is
    /// something like `GET /users/{id}`, are compared with each other: it must not have a part that is
    /// different each time. `operation` says what kind of work it is: `http.server`, `db.query`.
    pub fn new(name: &str, operation: &str, start: SystemTime, duration: Duration) -> Self {
        Self {
            name: bounded(name),
            operation: bounded(operation),
            start,
            duration,
            attributes: Vec::new(),
            is_ok: true,
        }
    }

    /// Adds what else is known of it.
    #[must_use]
    pub fn attribute(mut self, key: &str, value: &str) -> Self {
        if self.attributes.len() < MAX_ATTRIBUTES {
            self.attributes.push((bounded(key), bounded(value)));
        }
        self
    }

    /// Says that it failed.
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.is_ok = false;
        self
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of work it was.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// When it began.
    pub fn start(&self) -> SystemTime {
        self.start
    }

    /// How long it took.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// What else is known of it: keys and values.
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Whether it went well.
    pub fn is_ok(&self) -> bool {
        self.is_ok
    }
}

fn bounded(text: &str) -> String {
    cut(text, MAX_TEXT_BYTES).to_owned()
}
