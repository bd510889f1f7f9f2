//! HTTP out: one POST at a time, bounded in time and in size. The only file that names `ureq` and
//! `httpdate`.
//!
//! A request ends by its deadline, whatever the other side does: refuses, hangs, answers a byte a
//! second or for ever. What the head of an answer says counts, whatever becomes of its body: what was
//! taken must not be sent again. Redirects are not followed, since they would take keys to somebody
//! else. A proxy that the environment names is used, but not for this machine's own addresses. No text
//! that comes out of here has a secret in it that a header or an address was sent with.
#![forbid(unsafe_code)]

mod secrets;

use crate::client::{ExportError, FailureCause};
use secrets::secrets;
use std::error::Error;
use std::fmt::{self, Write};
use std::io::{self, Read};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use ureq::Agent;
use ureq::http::{HeaderMap, Uri};
#[cfg(feature = "otlp")]
use ureq::http::{HeaderName, HeaderValue};

/// More of an answer is not read.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// How much of an answer goes into a message.
const MAX_SHOWN_CHARS: usize = 200;

/// Connections to a destination; kept open from one request to the next.
pub(super) struct Web {
    agent: Agent,
    /// For addresses of this machine, which a proxy would take for its own.
    direct: Agent,
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
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("quipu/", env!("CARGO_PKG_VERSION")))
                .max_idle_connections(1)
        };
        Self { agent: config().build().into(), direct: config().proxy(None).build().into() }
    }

    /// Sends, and waits for an answer, whatever it says.
    ///
    /// # Errors
    ///
    /// What kept it from coming.
    pub(super) fn post(&self, post: &Post<'_>) -> Result<Answer, ExportError> {
        let uri = post.url.parse::<Uri>().unwrap_or_default();
        let origin = origin_of(&uri);
        self.answer(post, &uri, &origin).map_err(|error| failure(&origin, error))
    }

    fn answer(&self, post: &Post<'_>, uri: &Uri, origin: &str) -> Result<Answer, ureq::Error> {
        let agent = if is_of_this_machine(uri) { &self.direct } else { &self.agent };
        let mut request = agent.post(post.url);
        for (name, value) in post.headers {
            request = request.header(*name, *value);
        }
        let request = request.config().timeout_global(Some(post.timeout)).build();
        let (head, body) = request.send(post.body)?.into_parts();
        let mut read = Vec::new();
        // Its head has said what matters.
        let _ = body.into_reader().take(MAX_ANSWER_BYTES).read_to_end(&mut read);
        let (user, query) = closed_parts(uri);
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: read,
            origin: origin.to_owned(),
            secrets: secrets(post.headers, user, query),
        })
    }
}

impl Answer {
    /// Keeps a part of a header's value out of messages as well: what refuses a key may name it.
    #[cfg(feature = "sentry")]
    pub(super) fn hide(&mut self, secret: &str) {
        self.secrets.push(secret.to_owned());
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Its first 64 KiB, or what came of them in time.
    #[cfg(any(feature = "datadog", feature = "otlp"))]
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// How long the destination wants to be left alone, by `Retry-After` (RFC 9110, section 10.2.3):
    /// seconds, or a date. Nothing if it is in the past, or no time at all.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("retry-after")?, SystemTime::now())
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
        let shown = self.shown(&String::from_utf8_lossy(&self.body));
        if !shown.is_empty() {
            let _ = write!(text, ": {shown}");
        }
        text
    }

    /// The beginning of a text of the answer, for a message: without the values of headers that were
    /// sent, which some servers repeat.
    pub(super) fn shown(&self, text: &str) -> String {
        let text = self.secrets.iter().fold(text.to_owned(), |text, secret| {
            if text.contains(&**secret) { text.replace(&**secret, "[secret]") } else { text }
        });
        let mut shown: String = text.trim().chars().take(MAX_SHOWN_CHARS).collect();
        if shown.len() < text.trim().len() {
            shown += " ..";
        }
        shown
    }

    /// Where it came from, for messages: scheme, host and port.
    #[cfg(feature = "otlp")]
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }
}

/// Why nothing can be sent to an address.
#[cfg(feature = "otlp")]
pub(super) fn fault_of_url(url: &str) -> Option<&'static str> {
    if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Some("it does not begin with http:// or https://");
    }
    let uri = url.parse::<Uri>().unwrap_or_default();
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Some("it is no URL with a host");
    };
    let place = authority.as_str().rsplit('@').next().unwrap_or_default();
    match (place.strip_prefix(authority.host()), authority.port_u16()) {
        (Some(""), None) | (_, Some(_)) => None,
        _ => Some("its port is no number from 0 to 65535"),
    }
}

/// Why a header cannot be sent.
#[cfg(feature = "otlp")]
pub(super) fn fault_of_header(name: &str, value: &str) -> Option<&'static str> {
    if HeaderName::try_from(name).is_err() {
        Some("its name is empty, or has a character that HTTP does not allow there")
    } else if HeaderValue::try_from(value).is_err() {
        Some("its value has a character other than visible ASCII and spaces")
    } else {
        None
    }
}

fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let delay = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has are a long time too.
        text.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?
    };
    (!delay.is_zero()).then_some(delay)
}

/// Whether its host is this machine, by its name or as a loopback address.
fn is_of_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = |address: IpAddr| address.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

/// The user, and perhaps the password, of an address, and its query.
fn closed_parts(uri: &Uri) -> (Option<&str>, Option<&str>) {
    let user = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@'));
    (user.map(|(user, _)| user), uri.query())
}

/// Whether a URL leads to this machine.
#[cfg(feature = "datadog")]
pub(super) fn leads_to_this_machine(url: &str) -> bool {
    url.parse().is_ok_and(|uri| is_of_this_machine(&uri))
}

/// Scheme, host and port of a URL, for messages.
#[cfg(feature = "otlp")]
pub(super) fn origin(url: &str) -> String {
    origin_of(&url.parse().unwrap_or_default())
}

fn origin_of(uri: &Uri) -> String {
    let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
    match (scheme, uri.host(), uri.port_u16()) {
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
    let cause = ExportError::from(io::Error::from(error.kind())).cause();
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

#[cfg(test)]
mod tests;
