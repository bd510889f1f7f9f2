//! Waiting for a response's head.
#![forbid(unsafe_code)]

use super::exchange::{Exchange, within};
use super::labels::Outcome;
use super::response_body::ResponseBody;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The future of an [`HttpService`](crate::HttpService).
    ///
    /// If it is dropped before it is ready, the request is recorded as cancelled.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // `None` for a request that is measured elsewhere, and after the end.
        exchange: Option<Exchange>,
    }
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, exchange: Option<Exchange>) -> Self {
        Self { inner, exchange }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(within(this.exchange, || this.inner.poll(context)));
        let exchange = this.exchange.take();
        Poll::Ready(match answer {
            Ok(response) => Ok(ResponseBody::wrap(response, exchange)),
            Err(error) => {
                if let Some(exchange) = exchange {
                    exchange.end(Outcome::Failed(None));
                }
                Err(error)
            }
        })
    }
}
