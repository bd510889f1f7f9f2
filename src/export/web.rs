//! HTTP out: one POST at a time, bounded in time and in size. The only file that names `ureq` and
//! `httpdate`.
//!
//! A request ends by its deadline, whatever the other side does: refuses, hangs, answers a byte a
//! second or for ever. Redirects are not followed, since they would take keys to somebody else. No text
//! that comes out of here has a header's value in it, nor anything of an address but scheme, host and
//! port.
#![forbid(unsafe_code)]

use crate::client::{ExportError, FailureCause};
use std::error::Error;
use std::fmt::{self, Write};
use std::io::{self, Read};
use std::time::{Duration, SystemTime};
use ureq::Agent;
use ureq::http::{HeaderMap, Uri};

/// More of an answer is not read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// How much of an answer goes into a message.
const MAX_SHOWN_CHARS: usize = 200;
/// Shorter values of headers are found in any text.
const SHORTEST_SECRET: usize = 6;

/// Connections to a destination; kept open from one request to the next.
pub(super) struct Web {
    agent: Agent,
}

/// What to send.
pub(super) struct Post<'a> {
    pub(super) url: &'a str,
    /// Names and values.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    pub(super) timeout: Duration,
}

/// What came back.
pub(super) struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Where from, for messages.
    origin: String,
    secrets: Vec<String>,
}

impl Web {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("quipu/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections(1)
            .build();
        Self { agent: config.into() }
    }

    /// Sends, and waits for an answer, whatever it says.
    ///
    /// # Errors
    ///
    /// What kept it from coming.
    pub(super) fn post(&self, post: &Post<'_>) -> Result<Answer, ExportError> {
        let origin = origin(post.url);
        self.answer(post, &origin).map_err(|error| failure(&origin, error))
    }

    fn answer(&self, post: &Post<'_>, origin: &str) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.post(post.url);
        for (name, value) in post.headers {
            request = request.header(*name, *value);
        }
        let request = request.config().timeout_global(Some(post.timeout)).build();
        let (head, body) = request.send(post.body)?.into_parts();
        let mut read = Vec::new();
        body.into_reader().take(MAX_ANSWER_BYTES).read_to_end(&mut read)?;
        let secrets = post.headers.iter().map(|(_, value)| (*value).to_owned());
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: read,
            origin: origin.to_owned(),
            secrets: secrets.filter(|secret| secret.len() >= SHORTEST_SECRET).collect(),
        })
    }
}

impl Answer {
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Its first 64 KiB.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// How long the destination wants to be left alone, by `Retry-After` (RFC 9110, section 10.2.3):
    /// seconds, or a date. Nothing if it is in the past, or no time at all.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        let delay = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            // More digits than a number has are a long time too.
            Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Duration::MAX
            }
            Err(_) => {
                let date = httpdate::parse_http_date(text).ok()?;
                date.duration_since(SystemTime::now()).ok()?
            }
        };
        (!delay.is_zero()).then_some(delay)
    }

    /// The answer if it says that all was taken.
    ///
    /// # Errors
    ///
    /// | status | cause |
    /// |---|---|
    /// | 429, and 503 with `Retry-After` | `RateLimited` |
    /// | 408 and other 5xx | `Unavailable` |
    /// | 401, 403 | `Unauthorized` |
    /// | 400, 413, 415, 422 | `Rejected`: the same again would be refused again |
    /// | all others, among them redirects | `Other` |
    pub(super) fn taken(self) -> Result<Self, ExportError> {
        let retry_after = self.retry_after();
        let cause = match self.status {
            200..=299 => return Ok(self),
            429 => FailureCause::RateLimited,
            503 if retry_after.is_some() => FailureCause::RateLimited,
            408 | 500..=599 => FailureCause::Unavailable,
            401 | 403 => FailureCause::Unauthorized,
            400 | 413 | 415 | 422 => FailureCause::Rejected,
            _ => FailureCause::Other,
        };
        let error = ExportError::new(cause, self.complaint());
        Err(match retry_after.filter(|_| cause == FailureCause::RateLimited) {
            Some(delay) => error.with_retry_after(delay),
            None => error,
        })
    }

    /// What it answered, as a message.
    fn complaint(&self) -> String {
        let mut text = format!("{} answered {}", self.origin, self.status);
        match self.status {
            300..=399 => text += ", a redirect, which is not followed; correct the address",
            401 | 403 => text += "; is the key right?",
            404 | 405 => text += "; is the address right?",
            _ => {}
        }
        let body = String::from_utf8_lossy(&self.body);
        let body = self.secrets.iter().fold(body.into_owned(), |body, secret| {
            if body.contains(&**secret) { body.replace(&**secret, "[secret]") } else { body }
        });
        let mut shown: String = body.trim().chars().take(MAX_SHOWN_CHARS).collect();
        if shown.len() < body.trim().len() {
            shown += " ..";
        }
        if !shown.is_empty() {
            let _ = write!(text, ": {shown}");
        }
        text
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> String {
    let uri = url.parse::<Uri>().unwrap_or_default();
    match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some(scheme), Some(host), Some(port)) => format!("{scheme}://{host}:{port}"),
        (Some(scheme), Some(host), None) => format!("{scheme}://{host}"),
        _ => "the destination".to_owned(),
    }
}

/// What went wrong on the way.
#[derive(Debug)]
struct Failure {
    origin: String,
    what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.what)
    }
}

impl Error for Failure {}

fn failure(origin: &str, error: ureq::Error) -> ExportError {
    let (cause, what) = match error {
        ureq::Error::Io(error) => return io_failure(origin, &error),
        ureq::Error::Timeout(_) => (FailureCause::TimedOut, "no answer in time".to_owned()),
        ureq::Error::HostNotFound => {
            (FailureCause::Unreachable, "there is no host of that name".to_owned())
        }
        ureq::Error::ConnectionFailed => {
            (FailureCause::Unreachable, "no connection can be made".to_owned())
        }
        ureq::Error::Rustls(error) => (FailureCause::Unreachable, format!("TLS: {error}")),
        ureq::Error::Tls(error) => (FailureCause::Unreachable, format!("TLS: {error}")),
        ureq::Error::Protocol(error) => {
            (FailureCause::Unreachable, format!("what answers there is no HTTP server: {error}"))
        }
        ureq::Error::LargeResponseHeader(..) => {
            (FailureCause::Other, "the head of the answer is too large".to_owned())
        }
        // Their texts may have parts of the address or of headers in them.
        _ => (FailureCause::Other, "the request could not be made".to_owned()),
    };
    ExportError::new(cause, Failure { origin: origin.to_owned(), what })
}

fn io_failure(origin: &str, error: &io::Error) -> ExportError {
    let cause = match error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>()) {
        // An error of the body's reader.
        Some(ureq::Error::Timeout(_)) => FailureCause::TimedOut,
        _ => ExportError::from(io::Error::from(error.kind())).cause(),
    };
    let what = match cause {
        FailureCause::TimedOut => "no answer in time".to_owned(),
        _ => error.to_string(),
    };
    // What a file system could say comes from a connection here.
    let cause = match cause {
        FailureCause::Storage | FailureCause::Other => FailureCause::Unreachable,
        cause => cause,
    };
    ExportError::new(cause, Failure { origin: origin.to_owned(), what })
}
