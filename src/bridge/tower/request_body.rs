//! A request's body, counted as the service reads it.
#![forbid(unsafe_code)]

use super::tally::Tally;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The body of a request that passed through an [`HttpLayer`](crate::HttpLayer): the same
    /// frames, and their bytes counted as the service takes them.
    ///
    /// Cost: one addition for each frame.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        inner: B,
        // `None` for a body that is empty or counted elsewhere.
        tally: Option<Tally>,
    }
}

impl<B> RequestBody<B> {
    pub(super) fn new(inner: B, tally: Option<Tally>) -> Self {
        Self { inner, tally }
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(context));
        if let (Some(Ok(frame)), Some(tally)) = (&frame, this.tally) {
            tally.add(data_bytes(frame));
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

/// Bytes of data in a frame; trailers have none.
pub(super) fn data_bytes<D: Buf>(frame: &Frame<D>) -> u64 {
    frame.data_ref().map_or(0, |data| data.remaining() as u64)
}
