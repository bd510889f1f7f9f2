//! The layer, and the service that it makes.
#![forbid(unsafe_code)]

use super::exchange::{Exchange, within};
use super::future::ResponseFuture;
use super::metrics::{Metrics, Settings};
use super::request_body::RequestBody;
use super::tally::Tally;
use crate::client::Client;
use crate::metric::{Beginning, start_clock};
use crate::registry::{Registry, registry};
use http::request::Parts;
use http::{Request, Response, uri};
use http_body::Body;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

const DEFAULT_MAX_ROUTES: usize = 512;

/// A [`tower_layer::Layer`] that measures the requests of an HTTP server.
///
/// Names and labels are those of OpenTelemetry's
/// [conventions](https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#http-server):
///
/// | metric | kind, unit | |
/// |---|---|---|
/// | `http.server.request.duration` | histogram, nanoseconds | until its response has ended |
/// | `http.server.active_requests` | up-down counter | those that have not ended |
/// | `http.server.request.body.size` | histogram, bytes | what the service read of it |
/// | `http.server.response.body.size` | histogram, bytes | what was sent of it |
///
/// | label | |
/// |---|---|
/// | `http.request.method` | one of the nine known ones, otherwise `_OTHER` |
/// | `http.route` | the template that matched, `/users/{id}`; absent if none did |
/// | `http.response.status_code` | absent if there was no answer |
/// | `error.type` | the code of a 5xx, `cancelled`, `panic`, `_OTHER`; absent if all went well |
/// | `url.scheme` | what the request says, as it does in HTTP/2, or [`scheme`](Self::scheme) |
///
/// Active requests have the method and the scheme only.
///
/// ```
/// use axum::{Router, routing::get};
///
/// let app: Router = Router::new()
///     .route("/users/{id}", get(async || "somebody"))
///     // After all routes and the fallback: it measures those that are there.
///     .layer(quipu::HttpLayer::new());
/// ```
///
/// # Where it goes
///
/// With axum, and the feature `axum`, into `Router::layer` of the outermost router, after
/// everything else: there a request has been routed, and those that matched no route pass through
/// as well. `Router::route_layer` leaves those out. Around the whole router (`ServiceBuilder`, or
/// `HttpLayer::layer(router)`) nothing has been routed yet, so that no request has a route there.
///
/// Elsewhere [`route`](Self::route) says what a request has matched. The path itself is never a
/// label.
///
/// A request that passes through two of these layers is measured by the outer one alone.
///
/// # What counts
///
/// Every request once, whatever becomes of it, when its response's body has been taken to its last
/// byte or dropped: the duration of a download is that of the download. A response that has no body
/// (empty, to HEAD, 1xx, 204, 304) ends with its head, and so does one whose connection is
/// upgraded.
///
/// A request whose future or whose response's body is dropped before the end is recorded as
/// `cancelled`, without a status code, with the time and the bytes until then: so are most endings
/// of an endless stream of events. One whose service panics is recorded as `panic`, unless a layer
/// further in makes an answer of it. `_OTHER` is an error that the service returned, or one of the
/// response's body after a head with its status.
///
/// Sizes are the bytes in the frames of data, counted one by one, whatever a header announces.
///
/// # How many series
///
/// No more than the program has routes, methods, status codes and errors: whatever matches no route
/// has the same series. What [`route`](Self::route) returns is bounded by
/// [`max_routes`](Self::max_routes). If the registry refuses one (see [`Registry::refusals`]),
/// requests go on and are recorded by a detached handle. Every combination of labels that occurs
/// has three histograms, whose memory is that of [`Histogram`](crate::Histogram).
///
/// # Cost
///
/// Two readings of the clock, two lookups in hash maps, three records of histograms and two of a
/// counter, and a count of references to the layer, which threads share; no lock. Allocates and
/// locks when a series or a route occurs for the first time, and when a thread has its first
/// request; otherwise nothing, but for what `http` allocates for the first entry of a request's
/// extensions, where routers have put none.
#[derive(Clone)]
pub struct HttpLayer {
    metrics: Arc<Metrics>,
}

impl HttpLayer {
    /// A layer for the process's own registry.
    ///
    /// The first in a process, as the first histogram, calibrates the clock, which can take 200 ms.
    pub fn new() -> Self {
        // Not within the first request.
        start_clock();
        let settings = Settings {
            registry: Arc::new(registry()),
            route: Arc::new(|_| None),
            max_routes: DEFAULT_MAX_ROUTES,
            scheme: None,
            client: None,
        };
        let layer = Self { metrics: Arc::new(Metrics::new(settings)) };
        #[cfg(feature = "axum")]
        let layer = layer.route(super::matched_path::matched_path);
        layer
    }

    /// Records to another registry, given as a reference that lives for ever or as an `Arc`.
    pub fn registry(self, registry: impl Deref<Target = Registry> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.registry = Arc::new(registry))
    }

    /// How to find the template that a request has matched, in place of axum's. `None` stands for a
    /// request that matched none, and leaves the label out.
    ///
    /// `route` is called once for each request, before the service is.
    ///
    /// ```
    /// /// What the program's router puts into a request's extensions.
    /// #[derive(Clone)]
    /// struct Template(&'static str);
    ///
    /// let layer = quipu::HttpLayer::new()
    ///     .route(|request| request.extensions.get::<Template>().map(|template| template.0));
    /// ```
    pub fn route(self, route: impl Fn(&Parts) -> Option<&str> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.route = Arc::new(route))
    }

    /// How many routes are told apart, 512 by default; all others are `_OTHER`.
    pub fn max_routes(self, limit: usize) -> Self {
        self.with(|settings| settings.max_routes = limit)
    }

    /// The scheme of all requests, whatever they say themselves: those of HTTP/1.1 say nothing, and
    /// the program knows whether it has TLS.
    pub fn scheme(self, scheme: uri::Scheme) -> Self {
        self.with(|settings| settings.scheme = Some(scheme))
    }

    /// Passes requests on to `client` as traces, named by method and route, of which it delivers the
    /// share [`traces_rate`](crate::ClientBuilder::traces_rate), with the labels as attributes. One
    /// that is sampled out costs a counter and a random number.
    ///
    /// The layer keeps a clone of the client, which thus runs until it is stopped.
    pub fn traces(self, client: &Client) -> Self {
        self.with(|settings| settings.client = Some(client.clone()))
    }

    /// A layer with other settings, and tables of its own for them.
    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.metrics.settings().clone();
        change(&mut settings);
        Self { metrics: Arc::new(Metrics::new(settings)) }
    }
}

impl Default for HttpLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for HttpLayer {
    type Service = HttpService<S>;

    fn layer(&self, inner: S) -> HttpService<S> {
        HttpService { inner, metrics: self.metrics.clone() }
    }
}

/// A service whose requests are measured; from [`HttpLayer`].
#[derive(Clone)]
pub struct HttpService<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

/// In a request's extensions: it is measured already.
#[derive(Clone)]
struct Measured;

impl<S, B, R> Service<Request<B>> for HttpService<S>
where
    S: Service<Request<RequestBody<B>>, Response = Response<R>>,
    B: Body,
    R: Body,
{
    type Response = Response<super::ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let beginning = Beginning::now();
        let (mut parts, body) = request.into_parts();
        if parts.extensions.insert(Measured).is_some() {
            let request = Request::from_parts(parts, RequestBody::new(body, None));
            return ResponseFuture::new(self.inner.call(request), None);
        }
        let labels = self.metrics.labels_of(&parts);
        let (in_body, in_exchange) = (!body.is_end_stream()).then(Tally::pair).unzip();
        let exchange = Exchange::begin(self.metrics.clone(), labels, beginning, in_exchange);
        let mut exchange = Some(exchange);
        let request = Request::from_parts(parts, RequestBody::new(body, in_body));
        let inner = within(&mut exchange, || self.inner.call(request));
        ResponseFuture::new(inner, exchange)
    }
}

impl<S: fmt::Debug> fmt::Debug for HttpService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
