//! Requests to the API, one after the other.
#![forbid(unsafe_code)]

use super::body::Body;
use crate::client::{Delivery, DropCause, ExportError, FailureCause, Secret, tell};
use crate::export::batches::{Batch, Rest};
use crate::export::datadog::seconds::Seconds;
use crate::export::gzip::Gzip;
use crate::export::rendered::Rendered;
use crate::export::web::{Answer, Post, Web};
use std::time::Duration;

/// Below the API's limits, which are 5 MiB and 500 KiB.
const MAX_PLAIN_BYTES: usize = 3 << 20;
const MAX_COMPRESSED_BYTES: usize = 480 << 10;
/// So far points may be ahead of their time before deliveries are slowed down.
const MAX_AHEAD_S: u64 = 10;

/// Where series go, and the room that their requests take.
pub(super) struct Intake {
    web: Web,
    pub(super) key: Secret,
    pub(super) url: String,
    seconds: Seconds,
    body: Body,
    /// How large a body may be; smaller where it did not shrink enough, or was too large for the server.
    max_bytes: usize,
    gzip: Gzip,
    compressed: Vec<u8>,
}

impl Intake {
    pub(super) fn new(key: Secret) -> Self {
        Self {
            web: Web::new(),
            key,
            url: String::new(),
            seconds: Seconds::default(),
            body: Body::default(),
            max_bytes: MAX_PLAIN_BYTES,
            gzip: Gzip::new(),
            compressed: Vec::new(),
        }
    }

    /// Before the first request of a delivery.
    pub(super) fn begin(&mut self, delivery: &Delivery<'_>) {
        // Deliveries of less than a second's distance each have a second of their own all the same.
        if self.seconds.ahead_of(delivery.snapshot().time()) > MAX_AHEAD_S && !delivery.is_last() {
            std::thread::sleep(Duration::from_secs(1).min(delivery.time_left() / 2));
        }
        self.max_bytes = (self.max_bytes * 2).min(MAX_PLAIN_BYTES);
    }

    /// Sends one request, with as many series as fit.
    pub(super) fn send(
        &mut self,
        rest: Rest<'_>,
        rendered: &Rendered,
        delivery: &Delivery<'_>,
    ) -> Batch {
        let second = self.seconds.of(rest.delta, delivery);
        loop {
            let filled = self.body.fill(rest, rendered, second, self.max_bytes);
            let end = filled.end;
            let done = |outcome| Batch { end, values: filled.values, outcome };
            if filled.values == 0 {
                delivery.count_dropped(DropCause::Unrepresentable, filled.unrepresentable);
                return done(Ok(()));
            }
            self.compressed.clear();
            self.gzip.compress(self.body.text(), &mut self.compressed);
            let can_shrink = filled.values > 1;
            if self.compressed.len() > MAX_COMPRESSED_BYTES && can_shrink {
                self.max_bytes = self.body.text().len() / 2;
                continue;
            }
            let answer = match self.post(delivery.time_left()) {
                Ok(answer) if answer.status() == 413 && can_shrink => {
                    self.max_bytes = self.body.text().len() / 2;
                    continue;
                }
                answer => answer.and_then(Answer::taken),
            };
            let is_done = match &answer {
                Ok(_) => true,
                Err(error) => error.cause() == FailureCause::Rejected,
            };
            if is_done {
                delivery.count_dropped(DropCause::Unrepresentable, filled.unrepresentable);
            }
            return match answer {
                Ok(answer) => {
                    delivery.count_bytes(self.compressed.len());
                    count_errors(&answer, &self.key, delivery);
                    done(Ok(()))
                }
                Err(error) => done(Err(error)),
            };
        }
    }

    fn post(&self, timeout: Duration) -> Result<Answer, ExportError> {
        self.web.post(&Post {
            url: &self.url,
            headers: &[
                ("dd-api-key", self.key.expose()),
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
            ],
            body: &self.compressed,
            timeout,
        })
    }
}

/// What Datadog says about series that it did not take, in an answer that it took the others. They would
/// be refused again.
fn count_errors(answer: &Answer, key: &Secret, delivery: &Delivery<'_>) {
    let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let Some(errors) = answer.get("errors").and_then(|errors| errors.as_array()) else { return };
    if let Some(first) = errors.first() {
        delivery.count_dropped(DropCause::Refused, errors.len());
        let first = first.to_string().replace(key.expose(), "[secret]");
        let first: String = first.chars().take(200).collect();
        tell(
            log::Level::Warn,
            format_args!(
                "datadog took a request but for {} errors, the first of which is {first}",
                errors.len()
            ),
        );
    }
}
