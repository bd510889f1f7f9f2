//! The way to a collector: requests by HTTP, and what it makes of them
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).
#![forbid(unsafe_code)]

use super::answer::{PartialSuccess, partial_success};
use super::settings::Settings;
use crate::client::{ExportError, FailureCause};
use crate::export::gzip::Gzip;
use crate::export::web::{Answer, Post, Web};
use std::time::Duration;

pub(super) struct Collector {
    web: Web,
    gzip: Option<Gzip>,
    compressed: Vec<u8>,
}

/// What became of a request that was taken.
pub(super) struct Taken {
    /// How long it was on the way.
    pub(super) bytes: usize,
    pub(super) partial: Option<PartialSuccess>,
    /// Who took it, for messages.
    pub(super) origin: String,
}

impl Collector {
    pub(super) fn new() -> Self {
        Self { web: Web::new(), gzip: None, compressed: Vec::new() }
    }

    /// Sends a request.
    ///
    /// # Errors
    ///
    /// That it did not get there; that it may be sent again; and else with the cause `Rejected`, or
    /// `Unauthorized`, which are for good.
    pub(super) fn send(
        &mut self,
        settings: &Settings,
        request: &[u8],
        time_left: Duration,
    ) -> Result<Taken, ExportError> {
        let mut headers = vec![("content-type", "application/x-protobuf")];
        let given = settings.headers.iter();
        headers.extend(given.map(|(name, value)| (name.as_str(), value.as_str())));
        let body = if settings.is_compressed {
            headers.push(("content-encoding", "gzip"));
            self.compressed.clear();
            self.gzip.get_or_insert_with(Gzip::new).compress(request, &mut self.compressed);
            &self.compressed
        } else {
            request
        };
        let timeout = match settings.timeout {
            Duration::ZERO => time_left,
            timeout => timeout.min(time_left),
        };
        let post = Post { url: &settings.url, headers: &headers, body, timeout };
        let answer = judged(self.web.post(&post)?)?;
        let partial = partial_success(answer.body());
        let partial = partial
            .map(|partial| PartialSuccess { message: answer.shown(&partial.message), ..partial });
        Ok(Taken { bytes: body.len(), partial, origin: answer.origin().to_owned() })
    }
}

/// Four statuses invite to send the same again, and all others forbid it.
fn judged(answer: Answer) -> Result<Answer, ExportError> {
    let may_be_repeated = matches!(answer.status(), 429 | 502 | 503 | 504);
    answer.taken().map_err(|error| match error.cause() {
        _ if may_be_repeated => error,
        FailureCause::Unauthorized => error,
        _ => rejected(&error),
    })
}

/// The failure as one that is for good.
pub(super) fn rejected(error: &ExportError) -> ExportError {
    ExportError::new(FailureCause::Rejected, error.to_string())
}
