//! What is mounted and served: questions in, answers out.
#![forbid(unsafe_code)]

use super::builder::EndpointBuilder;
use super::exposition::{Exposed, Scrape};
use super::job_thread::JobThread;
use super::measures::Measures;
use super::negotiation::{Format, accepts_gzip};
use super::readiness::{Readiness, Verdict};
use super::response::{Answer, Awaited, EndpointBody, EndpointFuture, Question};
use super::route::Route;
use super::server::{self, EndpointServer, ServeError};
use crate::client::{Client, Health, tell};
use http::{Method, Request, Response};
use std::convert::Infallible;
use std::fmt;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tower_service::Service;

/// Metrics, health and a page over HTTP: a handler to mount into a service, or a server of its own.
///
/// | path | answer |
/// |---|---|
/// | `/` | a page for people, which reads the others |
/// | `/metrics` | all series, in the format that `Accept` asks for: Prometheus' text, OpenMetrics, protobuf, JSON; in doubt, text |
/// | `/metrics.json` | all series, as [`JsonEncoder`](crate::JsonEncoder) writes them |
/// | `/health` | 200, or 503 if the client is dead or the application is not ready, and why, as JSON |
/// | `/health/live` | 503 only if the client is dead: for a probe that restarts the process |
/// | `/health/ready` | as `/health`: for a probe that decides about traffic |
///
/// Paths are relative to where it is mounted. GET and HEAD are answered; request bodies are not read.
/// Metrics come compressed to who takes gzip, if they are longer than 1 KiB.
///
/// # Freshness
///
/// A response holds all that was recorded before its request came. Collections begin at least
/// [`min_interval`](EndpointBuilder::min_interval) apart, and all who have asked by then share one: a
/// hundred scrapes at once cost two collections at most. No recording thread is delayed.
///
/// # Cost
///
/// A thread named `quipu-endpoint`, started by the first scrape, which ends when the last clone is
/// dropped: there snapshots are taken, encoded and compressed, so that the caller's runtime is not held
/// up, and any runtime will do. Bodies are shared by all who get the same, and their buffers are used
/// again; what is allocated for each response is its head and the few words that bring body and
/// request together.
///
/// # Mounted
///
/// ```
/// use axum::{Router, routing::get};
///
/// let endpoint = quipu::Endpoint::new();
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .nest_service("/observe", endpoint.clone());
/// ```
///
/// It answers whoever can reach the service, so a service that faces the internet mounts it behind
/// its authentication, or [serves](Self::serve) it on a port of its own.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) client: Option<Client>,
    pub(super) readiness: Readiness,
    pub(super) exposition: JobThread<Scrape>,
    pub(super) measures: Arc<Measures>,
    pub(super) max_connections: usize,
}

impl Endpoint {
    /// An endpoint of the process's [`registry()`](crate::registry()), without a client.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Describes an endpoint.
    pub fn builder() -> EndpointBuilder {
        EndpointBuilder::new()
    }

    pub(super) fn with(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Says that the application is ready for work, as it is by default; its checks have a say still.
    pub fn set_ready(&self) {
        self.shared.readiness.refuse(None);
    }

    /// Says that the application is not ready for work, such as while it starts or drains, and why:
    /// `/health` and `/health/ready` answer 503, and checks are not asked.
    pub fn set_unready(&self, reason: impl Into<String>) {
        self.shared.readiness.refuse(Some(reason.into()));
    }

    /// Answers a request: for frameworks that do not take a [`Service`].
    ///
    /// Only the method, the path and the headers are looked at.
    pub fn respond<B>(
        &self,
        request: &Request<B>,
    ) -> impl Future<Output = Response<EndpointBody>> + Send + use<B> {
        let response = self.answer(request);
        async move {
            match response.await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        }
    }

    /// Serves from a thread of its own, named `quipu-http`, until the server is stopped or dropped.
    ///
    /// `address` is an address with a port, such as `"127.0.0.1:9464"`. Who can reach it can read every
    /// metric and its labels, unencrypted: `127.0.0.1` means this machine, `0.0.0.0` everybody who can
    /// reach it. Port 0 lets the system choose; [`EndpointServer::local_addr`] tells what it chose. Of a
    /// name with several addresses the first that is free is taken.
    ///
    /// The port is bound when this returns.
    ///
    /// ```
    /// let server = quipu::Endpoint::new().serve("127.0.0.1:0")?;
    /// println!("http://{}/metrics", server.local_addr().unwrap());
    /// # Ok::<(), quipu::ServeError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServeError`] names the address and says what to do.
    ///
    /// # Misuse by clients
    ///
    /// A request head has 5 seconds and 16 KiB, an idle connection 60 seconds, a response 60 seconds, of
    /// which 10 without progress. There are at most 256 connections, or
    /// [`max_connections`](EndpointBuilder::max_connections); when one more comes, the one that has been
    /// without a request for longest is closed. So whoever opens thousands and says nothing does not
    /// keep a scraper out.
    pub fn serve(
        &self,
        address: impl ToSocketAddrs + fmt::Debug,
    ) -> Result<EndpointServer, ServeError> {
        server::start(self.clone(), &address)
    }

    /// Serves as [`serve`](Self::serve) does, or, if that fails, logs why and returns a server that does
    /// nothing, so that the program runs on.
    pub fn serve_or_disabled(&self, address: impl ToSocketAddrs + fmt::Debug) -> EndpointServer {
        self.serve(address).unwrap_or_else(|error| {
            tell(log::Level::Error, format_args!("metrics are not served: {error}"));
            EndpointServer::disabled()
        })
    }

    pub(super) fn measures(&self) -> &Measures {
        &self.shared.measures
    }

    pub(super) fn max_connections(&self) -> usize {
        self.shared.max_connections
    }

    pub(super) fn answer<B>(&self, request: &Request<B>) -> EndpointFuture {
        let route = Route::of(request.uri().path());
        let is_head = request.method() == Method::HEAD;
        let awaited = match route {
            None => Awaited::Nothing(Answer::NotFound),
            Some(_) if !is_head && request.method() != Method::GET => {
                Awaited::Nothing(Answer::MethodNotAllowed)
            }
            Some(Route::Page) => Awaited::Nothing(Answer::Page),
            Some(Route::Metrics) => self.scrape(Format::accepted(request.headers()), request),
            Some(Route::MetricsJson) => self.scrape(Format::Json, request),
            Some(Route::Live) => Awaited::Nothing(Answer::Live(self.health())),
            Some(Route::Health | Route::Ready) => match self.shared.readiness.examine() {
                Verdict::Now(reasons) => Awaited::Nothing(Answer::Ready(self.health(), reasons)),
                Verdict::Later(reply) => Awaited::Checks(self.health(), reply),
            },
        };
        EndpointFuture::new(self.shared.clone(), Question { route, is_head }, awaited)
    }

    fn scrape<B>(&self, format: Format, request: &Request<B>) -> Awaited {
        let takes_gzip = accepts_gzip(request.headers());
        let (reply, exposed) = oneshot::channel::<Exposed>();
        match self.shared.exposition.send(Scrape { format, takes_gzip, reply }) {
            Ok(()) => Awaited::Exposition(format, exposed),
            Err(error) => Awaited::Nothing(Answer::Unavailable(format!(
                "the system refuses a thread for the metrics: {error}"
            ))),
        }
    }

    fn health(&self) -> Health {
        self.shared.client.as_ref().map_or_else(Health::live, Client::health)
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Service<Request<B>> for Endpoint {
    type Response = Response<EndpointBody>;
    type Error = Infallible;
    type Future = EndpointFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> EndpointFuture {
        self.answer(&request)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("client", &self.shared.client).finish_non_exhaustive()
    }
}
