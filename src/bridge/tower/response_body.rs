//! A response's body, and with its end the end of the request.
//!
//! Servers do not poll a body when they know that nothing more comes: after its announced length,
//! or at all where a response has none. So what is asked after each frame is not whether the body
//! said `None` but whether anything is left.
#![forbid(unsafe_code)]

use super::exchange::{Exchange, within};
use super::labels::Outcome;
use super::request_body::data_bytes;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The body of a response that passed through an [`HttpLayer`](crate::HttpLayer): the same
    /// frames, their bytes counted, and the request recorded at their end.
    ///
    /// If it is dropped before its end, the request is recorded as cancelled.
    ///
    /// Cost: one addition and a look at what is left for each frame.
    #[derive(Debug)]
    pub struct ResponseBody<R> {
        #[pin]
        inner: R,
        // `None` for a request that is measured elsewhere, and after the end.
        exchange: Option<Exchange>,
        status: StatusCode,
        // What `Content-Length` says, where the body itself does not know.
        length: Option<u64>,
    }
}

impl<R: Body> ResponseBody<R> {
    /// Hands the exchange on to the body, or ends it if there is nothing to be sent.
    pub(super) fn wrap(response: Response<R>, mut exchange: Option<Exchange>) -> Response<Self> {
        let (parts, inner) = response.into_parts();
        let (status, length) = (parts.status, content_length(&parts.headers));
        if let Some(begun) = exchange.take() {
            let method = begun.labels().method;
            if method.is_answered_without_body(status) || is_sent(&inner, 0, length) {
                begun.end(Outcome::Answered(status));
            } else {
                exchange = Some(begun);
            }
        }
        Response::from_parts(parts, Self { inner, exchange, status, length })
    }
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let mut this = self.project();
        let frame = ready!(within(this.exchange, || this.inner.as_mut().poll_frame(context)));
        let Some(mut exchange) = this.exchange.take() else {
            return Poll::Ready(frame);
        };
        match &frame {
            None => exchange.end(Outcome::Answered(*this.status)),
            Some(Err(_)) => exchange.end(Outcome::Failed(Some(*this.status))),
            Some(Ok(frame)) => {
                exchange.add_response_bytes(data_bytes(frame));
                if is_sent(&*this.inner, exchange.response_bytes(), *this.length) {
                    exchange.end(Outcome::Answered(*this.status));
                } else {
                    *this.exchange = Some(exchange);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Whether a server that has taken `bytes` of `body` will ask for no more.
fn is_sent(body: &impl Body, bytes: u64, length: Option<u64>) -> bool {
    body.is_end_stream()
        || body.size_hint().exact() == Some(0)
        || length.is_some_and(|length| bytes >= length)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
