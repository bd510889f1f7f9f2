//! The service's metrics, registered before it serves, so that recording never has to.

use crate::failure::Failure;
use axum::http::{Method, StatusCode};
use quipu::{Counter, Gauge, Histogram, RegisterError, Timer, Unit, UpDownCounter};

/// Requests answered; also the name that the totals are read by.
pub const REQUESTS: &str = "http.server.requests";
/// Those of them that did not come from the service's own clients.
pub const OUTSIDE_REQUESTS: &str = "http.server.requests.outside";
/// Requests being answered.
pub const IN_FLIGHT: &str = "http.server.active_requests";

/// Route, method, and the statuses it answers with.
const ROUTES: [(&str, Method, &[u16]); 5] = [
    ("/hash/{*path}", Method::GET, &[200, 404]),
    ("/compress/{*path}", Method::GET, &[200, 404]),
    ("/lookup/{word}", Method::GET, &[200, 404]),
    ("/ingest", Method::POST, &[202, 400, 422, 503]),
    ("unmatched", Method::GET, &[404]),
];

pub struct Metrics {
    /// As [`ROUTES`]; the last takes what no other does.
    routes: Vec<RouteMetrics>,
    in_flight: UpDownCounter,
    request_bytes: Counter,
    response_bytes: Counter,
    response_size: Histogram,
    /// As [`Failure::ALL`].
    failures: Vec<Counter>,
    other_errors: Counter,
    cancelled: Counter,
}

struct RouteMetrics {
    route: &'static str,
    method: Method,
    by_status: Vec<(u16, Counter)>,
    duration: Histogram,
}

/// What the worker records.
pub struct IngestMetrics {
    pub queue_depth: Gauge,
    pub duration: Histogram,
    pub documents: Counter,
}

/// How a request was answered.
pub struct Answer {
    pub method: Method,
    pub status: StatusCode,
    pub body_bytes: u64,
    pub failure: Option<Failure>,
    pub from_outside: bool,
}

/// A request being answered. Dropped without an answer, because its client went away or its handler
/// panicked, it counts as cancelled; either way it is no longer in flight.
pub struct InFlight<'m> {
    metrics: &'m Metrics,
    route: &'m RouteMetrics,
    answered: bool,
    /// Records when it is dropped.
    _timer: Timer<'m>,
}

impl Metrics {
    pub fn register() -> Result<Self, RegisterError> {
        let registry = quipu::registry();
        let error = |cause| {
            let errors = registry.counter("http.server.errors").label("cause", cause);
            errors.help("requests that failed, by cause").register()
        };
        let bytes = |name, help| registry.counter(name).unit(Unit::Bytes).help(help).register();
        Ok(Self {
            routes: ROUTES
                .iter()
                .map(|(route, method, statuses)| RouteMetrics::register(route, method, statuses))
                .collect::<Result<_, _>>()?,
            in_flight: registry
                .up_down_counter(IN_FLIGHT)
                .help("requests being answered")
                .register()?,
            request_bytes: bytes("http.server.request.body.bytes", "bodies received")?,
            response_bytes: bytes("http.server.response.body.bytes", "bodies sent")?,
            response_size: registry
                .histogram("http.server.response.body.size")
                .unit(Unit::Bytes)
                .help("size of the body of a response")
                .register()?,
            failures: Failure::ALL
                .iter()
                .map(|failure| error(failure.cause()))
                .collect::<Result<_, _>>()?,
            other_errors: error("other")?,
            cancelled: error("cancelled")?,
        })
    }

    /// A request for `route` has come; one of [`ROUTES`], or `None` if there is no such route.
    pub fn begin(&self, route: Option<&str>) -> InFlight<'_> {
        let unmatched = self.routes.len() - 1;
        let known = self.routes.iter().position(|known| Some(known.route) == route);
        let route = &self.routes[known.unwrap_or(unmatched)];
        self.in_flight.increment();
        InFlight { metrics: self, route, answered: false, _timer: route.duration.start() }
    }

    /// A body was received.
    pub fn received(&self, body_bytes: usize) {
        self.request_bytes.add(body_bytes as u64);
    }
}

impl RouteMetrics {
    fn register(
        route: &'static str,
        method: &Method,
        statuses: &[u16],
    ) -> Result<Self, RegisterError> {
        let counter = |&status: &u16| {
            let counter = requests(route, method.as_str(), &status.to_string())?;
            Ok((status, counter))
        };
        Ok(Self {
            route,
            method: method.clone(),
            by_status: statuses.iter().map(counter).collect::<Result<_, _>>()?,
            duration: quipu::registry()
                .histogram("http.server.request.duration")
                .label("route", route)
                .unit(Unit::Nanoseconds)
                .help("time to answer a request")
                .register()?,
        })
    }

    fn count(&self, method: &Method, status: StatusCode) {
        let known = self.by_status.iter().find(|(known, _)| *known == status.as_u16());
        match known {
            Some((_, counter)) if *method == self.method => counter.increment(),
            _ => self.count_rare(method, status),
        }
    }

    /// Registers on the way what no one expects at start: a method that a route does not have, a
    /// body that is too long. Method names are the client's to choose, so only the usual ones are
    /// labels.
    #[cold]
    fn count_rare(&self, method: &Method, status: StatusCode) {
        let usual = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE];
        let method = if usual.contains(method) { method.as_str() } else { "other" };
        match requests(self.route, method, status.as_str()) {
            Ok(counter) => counter.increment(),
            Err(error) => log::warn!("a request is not counted: {error}"),
        }
    }
}

fn requests(route: &str, method: &str, status: &str) -> Result<Counter, RegisterError> {
    let counter = quipu::registry().counter(REQUESTS).help("requests answered");
    counter.label("method", method).label("route", route).label("status", status).register()
}

impl InFlight<'_> {
    /// The request is answered.
    pub fn answered(mut self, answer: &Answer) {
        self.answered = true;
        self.route.count(&answer.method, answer.status);
        if answer.from_outside {
            count_outside(answer.status);
        }
        self.metrics.response_bytes.add(answer.body_bytes);
        self.metrics.response_size.record(answer.body_bytes);
        if let Some(failure) = answer.failure {
            self.metrics.failures[failure as usize].increment();
        } else if answer.status.is_client_error() || answer.status.is_server_error() {
            self.metrics.other_errors.increment();
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.decrement();
        if !self.answered {
            self.metrics.cancelled.increment();
        }
    }
}

/// Counted at the call site: each series comes into being with the first such request.
fn count_outside(status: StatusCode) {
    match status.as_u16() / 100 {
        2 => quipu::counter!(OUTSIDE_REQUESTS, "status" => "2xx").increment(),
        3 => quipu::counter!(OUTSIDE_REQUESTS, "status" => "3xx").increment(),
        4 => quipu::counter!(OUTSIDE_REQUESTS, "status" => "4xx").increment(),
        _ => quipu::counter!(OUTSIDE_REQUESTS, "status" => "5xx").increment(),
    }
}

impl IngestMetrics {
    pub fn register() -> Result<Self, RegisterError> {
        let registry = quipu::registry();
        Ok(Self {
            queue_depth: registry
                .gauge("ingest.queue.depth")
                .help("documents waiting to be indexed")
                .register()?,
            duration: registry
                .histogram("ingest.duration")
                .unit(Unit::Nanoseconds)
                .help("time to index a document")
                .register()?,
            documents: registry.counter("ingest.documents").help("documents indexed").register()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_dropped_leaves_the_flight() {
        let metrics = Metrics::register().unwrap();
        let now = || {
            let snapshot = quipu::registry().snapshot();
            let cancelled = snapshot.counter("http.server.errors", &[("cause", "cancelled")]);
            (snapshot.up_down_counter(IN_FLIGHT, &[]).unwrap(), cancelled.unwrap())
        };
        let request = metrics.begin(Some("/ingest"));
        assert_eq!(now(), (1, 0));
        drop(request);
        assert_eq!(now(), (0, 1));
        metrics.begin(None).answered(&Answer {
            method: Method::PATCH,
            status: StatusCode::METHOD_NOT_ALLOWED,
            body_bytes: 0,
            failure: None,
            from_outside: false,
        });
        assert_eq!(now(), (0, 1));
        let rare = [("method", "other"), ("route", "unmatched"), ("status", "405")];
        assert_eq!(quipu::registry().snapshot().counter(REQUESTS, &rare), Some(1));
    }
}
