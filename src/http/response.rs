//! Answers: their heads, their bodies, and the future that becomes one.
#![forbid(unsafe_code)]

use super::endpoint::Shared;
use super::exposition::Exposed;
use super::negotiation::Format;
use super::readiness::Reasons;
use super::route::{NOT_FOUND, Route};
use crate::client::{Health, Liveness};
use crate::export::Object;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::oneshot;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";

/// The page brings everything with it, and talks to where it came from only.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                           connect-src 'self'; img-src data:";
const PAGE: &[u8] = include_bytes!("page.html");

/// The body of an [`Endpoint`](crate::Endpoint)'s response: nothing, or one piece that is shared with
/// other responses and not copied.
#[derive(Clone, Debug, Default)]
pub struct EndpointBody(Option<Bytes>);

impl EndpointBody {
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        self.0.as_ref()
    }
}

impl Body for EndpointBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// A response of an [`Endpoint`](crate::Endpoint), soon. It does not fail, needs no certain runtime,
/// and may be dropped at any time.
#[must_use = "futures do nothing unless polled"]
pub struct EndpointFuture {
    endpoint: Arc<Shared>,
    question: Question,
    awaited: Awaited,
}

/// What the response has to suit.
#[derive(Clone, Copy)]
pub(super) struct Question {
    /// `None` for an unknown path.
    pub(super) route: Option<Route>,
    pub(super) is_head: bool,
}

/// What a response still needs.
pub(super) enum Awaited {
    /// What all need: nothing but to be written down.
    Nothing(Answer),
    Exposition(Format, oneshot::Receiver<Exposed>),
    Checks(Health, oneshot::Receiver<Reasons>),
}

/// What a response says.
pub(super) enum Answer {
    Page,
    Exposed(Format, Exposed),
    Live(Health),
    Ready(Health, Reasons),
    NotFound,
    MethodNotAllowed,
    /// It cannot be answered now, for this reason.
    Unavailable(String),
}

impl EndpointFuture {
    pub(super) fn new(endpoint: Arc<Shared>, question: Question, awaited: Awaited) -> Self {
        Self { endpoint, question, awaited }
    }
}

impl Future for EndpointFuture {
    type Output = Result<Response<EndpointBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.awaited {
            Awaited::Nothing(answer) => std::mem::replace(answer, Answer::NotFound),
            Awaited::Exposition(format, reply) => match ready!(Pin::new(reply).poll(context)) {
                Ok(exposed) => Answer::Exposed(*format, exposed),
                Err(_) => Answer::Unavailable("the encoder panicked; see the log".into()),
            },
            Awaited::Checks(health, reply) => {
                let reasons = ready!(Pin::new(reply).poll(context));
                let reasons = reasons.unwrap_or_else(|_| vec!["the checks were ended".into()]);
                Answer::Ready(health.clone(), reasons)
            }
        };
        if let Answer::Exposed(format, _) = &answer {
            self.endpoint.measures.exposed(*format);
        }
        let response = answer.into_response(self.question.is_head);
        self.endpoint.measures.responded(self.question.route, response.status());
        Poll::Ready(Ok(response))
    }
}

impl std::fmt::Debug for EndpointFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointFuture").finish_non_exhaustive()
    }
}

impl Answer {
    fn into_response(self, is_head: bool) -> Response<EndpointBody> {
        let (status, content_type, body) = match &self {
            Self::Page => (StatusCode::OK, HTML, Bytes::from_static(PAGE)),
            Self::Exposed(format, exposed) => {
                (StatusCode::OK, format.content_type(), exposed.body.clone())
            }
            Self::Live(health) => {
                (status_of(health.liveness != Liveness::Dead), JSON, health_document(health, None))
            }
            Self::Ready(health, reasons) => {
                let is_ready = health.liveness != Liveness::Dead && reasons.is_empty();
                (status_of(is_ready), JSON, health_document(health, Some((is_ready, reasons))))
            }
            Self::NotFound => {
                (StatusCode::NOT_FOUND, TEXT, Bytes::from_static(NOT_FOUND.as_bytes()))
            }
            Self::MethodNotAllowed => {
                let text = "Only GET and HEAD are answered here.\n";
                (StatusCode::METHOD_NOT_ALLOWED, TEXT, Bytes::from_static(text.as_bytes()))
            }
            Self::Unavailable(reason) => {
                (StatusCode::SERVICE_UNAVAILABLE, TEXT, Bytes::from(format!("{reason}\n")))
            }
        };
        let length = body.len();
        let mut response = Response::new(EndpointBody((!is_head && length != 0).then_some(body)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        let mut set = |name: HeaderName, value| {
            headers.insert(name, HeaderValue::from_static(value));
        };
        set(header::CONTENT_TYPE, content_type);
        set(header::CACHE_CONTROL, "no-store");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        match &self {
            Self::Page => {
                set(header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
                set(header::REFERRER_POLICY, "no-referrer");
            }
            Self::Exposed(_, exposed) => {
                set(header::VARY, "Accept, Accept-Encoding");
                if exposed.is_gzip {
                    set(header::CONTENT_ENCODING, "gzip");
                }
            }
            Self::MethodNotAllowed => set(header::ALLOW, "GET, HEAD"),
            _ => {}
        }
        response
    }
}

fn status_of(is_well: bool) -> StatusCode {
    if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// `{"status":"late","ready":false,"reasons":["console failed 3 in a row: ..","database: .."]}`
fn health_document(health: &Health, readiness: Option<(bool, &Reasons)>) -> Bytes {
    let mut text = Vec::new();
    let mut document = Object::begin(&mut text);
    document.string("status", health.liveness.name());
    if let Some((is_ready, _)) = readiness {
        document.raw("ready", if is_ready { "true" } else { "false" });
    }
    let against = readiness.into_iter().flat_map(|(_, reasons)| reasons);
    document.strings("reasons", health.reasons.iter().chain(against).map(String::as_str));
    document.end().push(b'\n');
    Bytes::from(text)
}
