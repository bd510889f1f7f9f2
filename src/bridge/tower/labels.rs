//! What tells one series from another, by OpenTelemetry's conventions for HTTP. Everything but a
//! route is of a fixed number of values.
#![forbid(unsafe_code)]

use http::StatusCode;
use http::uri::{self, Uri};
use std::hash::{Hash, Hasher};

/// Stands for all values that are not told apart.
pub(super) const OTHER: &str = "_OTHER";

/// Any request may come with any method, so only those are told apart that the conventions know.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Method(u8);

impl Method {
    const NAMES: [&str; Self::COUNT] =
        ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", OTHER];
    pub(super) const COUNT: usize = 10;

    pub(super) fn of(method: &http::Method) -> Self {
        let name = method.as_str();
        let known = Self::NAMES.iter().position(|known| *known == name);
        Self(known.unwrap_or(Self::COUNT - 1) as u8)
    }

    pub(super) fn index(self) -> usize {
        self.0.into()
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }

    /// Whether a response with this status has no body, whatever the service put into it
    /// (RFC 9110, section 6.4.1).
    pub(super) fn is_answered_without_body(self, status: StatusCode) -> bool {
        self.name() == "HEAD"
            || status.is_informational()
            || status == StatusCode::NO_CONTENT
            || status == StatusCode::NOT_MODIFIED
            || (self.name() == "CONNECT" && status.is_success())
    }
}

/// How the request was addressed, if that is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Unknown,
    Http,
    Https,
    /// Said by the program, for all requests.
    Given,
}

impl Scheme {
    pub(super) const COUNT: usize = 4;

    pub(super) fn of(uri: &Uri) -> Self {
        match uri.scheme() {
            Some(scheme) if *scheme == uri::Scheme::HTTP => Self::Http,
            Some(scheme) if *scheme == uri::Scheme::HTTPS => Self::Https,
            _ => Self::Unknown,
        }
    }
}

/// Which route a request has taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// It matched none.
    Unmatched,
    /// The one with this number.
    Known(u32),
    /// One of those for which there was no number left.
    Beyond,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its response went out to the last byte.
    Answered(StatusCode),
    /// The service failed, or the response's body after a head with this status.
    Failed(Option<StatusCode>),
    /// Nobody waited for the end.
    Cancelled,
    Panicked,
}

impl Outcome {
    fn kind(self) -> u64 {
        match self {
            Self::Answered(_) => 0,
            Self::Failed(_) => 1,
            Self::Cancelled => 2,
            Self::Panicked => 3,
        }
    }

    pub(super) fn status(&self) -> Option<&StatusCode> {
        match self {
            Self::Answered(status) | Self::Failed(Some(status)) => Some(status),
            Self::Failed(None) | Self::Cancelled | Self::Panicked => None,
        }
    }

    pub(super) fn error(&self) -> Option<&str> {
        match self {
            Self::Answered(status) if status.is_server_error() => Some(status.as_str()),
            Self::Answered(_) => None,
            Self::Failed(_) => Some(OTHER),
            Self::Cancelled => Some("cancelled"),
            Self::Panicked => Some("panic"),
        }
    }
}

/// What is known of a request when it begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestLabels {
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    pub(super) route: Route,
}

/// All that tells a request's series from others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) request: RequestLabels,
    pub(super) outcome: Outcome,
}

/// As one word: derived, a hash of each field would take as long as the rest of a request's
/// lookups.
impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let RequestLabels { method, scheme, route } = self.request;
        let route = match route {
            Route::Unmatched => 0,
            Route::Beyond => 1,
            Route::Known(number) => 2 + u64::from(number),
        };
        let status = self.outcome.status().map_or(0, |status| u64::from(status.as_u16()));
        // Statuses are below 1,000.
        let ending = status << 2 | self.outcome.kind();
        state.write_u64(route << 32 | ending << 16 | u64::from(method.0) << 8 | scheme as u64);
    }
}
