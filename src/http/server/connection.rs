//! One connection, from its first byte to its end.
//!
//! | phase | until | deadline |
//! |---|---|---|
//! | idle | the first byte of a request comes | 5 s for the first one, 60 s after a response |
//! | head | the head is complete | 5 s after its first byte |
//! | answering | the response is there, and handed over to be sent | 60 s after the request |
//! | sending | the system has taken all of it | 10 s without progress, 60 s after the request |
//! | closing | the other side has closed, or has sent 64 KiB that nobody reads | 1 s |
//!
//! hyper's own timeout for heads is off: it begins when a response is sent, so that it would either
//! close idle connections early or give heads too long. What is beyond its deadline is dropped.
#![forbid(unsafe_code)]

use super::connections::Connections;
use super::stream::Stream;
use crate::http::endpoint::Endpoint;
use crate::http::measures::Closed;
use crate::http::response::{EndpointBody, EndpointFuture};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
const PROGRESS_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// What hyper reads before it has a head, or gives up: the line of the request and the headers.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// What is read and thrown away of a connection that is being closed.
const MAX_UNREAD_BYTES: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Head,
    Answering,
    Sending,
    Closing,
}

/// What is known of a connection, by its own task and by who may have to close it.
pub(super) struct Connection {
    phase: Cell<Phase>,
    deadline: Cell<Instant>,
    /// When the last complete request came, or the connection itself.
    asked_at: Cell<Instant>,
    /// Where the body is that is being sent, and its length.
    body: Cell<(usize, usize)>,
    /// Told when there is to be no other request.
    pub(super) stop: Notify,
}

impl Connection {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            phase: Cell::new(Phase::Idle),
            deadline: Cell::new(now + HEAD_TIMEOUT),
            asked_at: Cell::new(now),
            body: Cell::new((0, 0)),
            stop: Notify::new(),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn asked_at(&self) -> Instant {
        self.asked_at.get()
    }

    /// The body that is being sent, as its address and its length.
    pub(super) fn body(&self) -> (usize, usize) {
        self.body.get()
    }

    fn enter(&self, phase: Phase, deadline: Instant) {
        self.phase.set(phase);
        self.deadline.set(deadline);
    }

    /// Bytes were read.
    pub(super) fn received(&self) {
        if self.phase() == Phase::Idle {
            self.enter(Phase::Head, Instant::now() + HEAD_TIMEOUT);
        }
    }

    /// Bytes were written.
    pub(super) fn sent(&self) {
        if self.phase() == Phase::Sending {
            self.expect_progress();
        }
    }

    /// All bytes were written.
    pub(super) fn flushed(&self) {
        if self.phase() == Phase::Sending {
            self.body.set((0, 0));
            self.enter(Phase::Idle, Instant::now() + IDLE_TIMEOUT);
        }
    }

    fn asked(&self) {
        let now = Instant::now();
        self.asked_at.set(now);
        self.enter(Phase::Answering, now + RESPONSE_TIMEOUT);
    }

    fn answered(&self) {
        self.phase.set(Phase::Sending);
        self.expect_progress();
    }

    fn expect_progress(&self) {
        let end = self.asked_at() + RESPONSE_TIMEOUT;
        self.deadline.set(end.min(Instant::now() + PROGRESS_TIMEOUT));
    }
}

/// Serves a connection until it ends, and takes it off the list.
pub(super) async fn serve(
    stream: TcpStream,
    connection: Rc<Connection>,
    connections: Rc<Connections>,
    endpoint: Endpoint,
) {
    let service = Questions {
        endpoint: endpoint.clone(),
        connection: connection.clone(),
        connections: connections.clone(),
    };
    let _listed = Listed { connection: connection.clone(), connections };
    let stream = Rc::new(stream);
    let mut timer = pin!(sleep_until(connection.deadline.get()));
    let mut exchange = Box::pin(exchange(stream.clone(), &connection, service));
    let is_in_time = poll_fn(|context| {
        if exchange.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        let deadline = connection.deadline.get();
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context).map(|()| false)
    });
    let is_in_time = is_in_time.await;
    drop(exchange);
    if !is_in_time {
        endpoint.measures().closed(Closed::TimedOut);
        return;
    }
    // What was sent before would be lost if the socket were closed while there is something to read.
    connection.enter(Phase::Closing, Instant::now() + CLOSING_TIMEOUT);
    timer.as_mut().reset(connection.deadline.get());
    let mut closing = pin!(close(stream));
    poll_fn(|context| match closing.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => timer.as_mut().poll(context),
    })
    .await;
}

/// Requests and responses, until either side has had enough.
async fn exchange(stream: Rc<TcpStream>, connection: &Rc<Connection>, service: Questions) {
    let stream = Stream::new(stream, connection.clone());
    let mut http = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            // Who has asked and says no more may still want the answer.
            .half_close(true)
            .max_buf_size(MAX_HEAD_BYTES)
            .max_headers(MAX_HEADERS)
            // Bodies are sent from where they are.
            .writev(true)
            .serve_connection(stream, service)
    );
    let mut stopped = pin!(connection.stop.notified());
    let mut is_stopping = false;
    poll_fn(|context| {
        if !is_stopping && stopped.as_mut().poll(context).is_ready() {
            is_stopping = true;
            http.as_mut().graceful_shutdown();
        }
        // Errors are the other side's: it has gone, or does not speak HTTP, and was told so.
        http.as_mut().poll(context).map(drop)
    })
    .await;
}

/// Says that nothing comes any more, and waits for the other side to say so.
async fn close(stream: Rc<TcpStream>) {
    // hyper's half is gone.
    let Ok(mut stream) = Rc::try_unwrap(stream) else { return };
    let is_shut =
        poll_fn(|context| tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut stream), context));
    if is_shut.await.is_err() {
        return;
    }
    let mut left = MAX_UNREAD_BYTES;
    let mut unread = [0; 4096];
    while left != 0 && stream.readable().await.is_ok() {
        match stream.try_read(&mut unread) {
            Ok(0) => return,
            Ok(length) => left = left.saturating_sub(length),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// A connection is listed for as long as its task lives.
struct Listed {
    connection: Rc<Connection>,
    connections: Rc<Connections>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.connections.remove(&self.connection);
    }
}

/// Passes requests on to the endpoint, and notes when they come.
struct Questions {
    endpoint: Endpoint,
    connection: Rc<Connection>,
    connections: Rc<Connections>,
}

impl Service<Request<Incoming>> for Questions {
    type Response = Response<ObservedBody>;
    type Error = Infallible;
    type Future = ObservedFuture;

    fn call(&self, request: Request<Incoming>) -> ObservedFuture {
        self.connection.asked();
        ObservedFuture {
            response: self.endpoint.answer(&request),
            endpoint: self.endpoint.clone(),
            connection: self.connection.clone(),
            connections: self.connections.clone(),
        }
    }
}

struct ObservedFuture {
    response: EndpointFuture,
    endpoint: Endpoint,
    connection: Rc<Connection>,
    connections: Rc<Connections>,
}

impl Future for ObservedFuture {
    type Output = Result<Response<ObservedBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(Pin::new(&mut self.response).poll(context));
        if let Ok(Some(body)) = response.as_ref().map(|response| response.body().bytes()) {
            self.connection.body.set((body.as_ptr() as usize, body.len()));
            for _ in 0..self.connections.make_room(&self.connection) {
                self.endpoint.measures().closed(Closed::Displaced);
            }
        }
        let connection = self.connection.clone();
        Poll::Ready(response.map(|it| it.map(|body| ObservedBody { body, connection })))
    }
}

/// A body that notes when all of it was handed over: hyper drops it then.
struct ObservedBody {
    body: EndpointBody,
    connection: Rc<Connection>,
}

impl Body for ObservedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ObservedBody {
    fn drop(&mut self) {
        self.connection.answered();
    }
}
