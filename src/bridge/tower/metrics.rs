//! The metrics of a layer, and how a request finds its own.
//!
//! Routes get numbers when a request begins, so that nothing of the request has to be kept for its
//! end; its series are found by numbers alone. Both tables are read without a lock.
#![forbid(unsafe_code)]

use super::labels::{Labels, Method, OTHER, RequestLabels, Route, Scheme};
use super::lookup::Lookup;
use crate::client::{CapturedTrace, Client};
use crate::metric::{Histogram, UpDownCounter};
use crate::registry::Registry;
use crate::series::Unit;
use crate::sync;
use http::request::Parts;
use http::uri;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// What the program has chosen.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) registry: Arc<dyn Deref<Target = Registry> + Send + Sync>,
    pub(super) route: Arc<RouteOf>,
    pub(super) max_routes: usize,
    pub(super) scheme: Option<uri::Scheme>,
    /// Whom to tell of single requests.
    pub(super) client: Option<Client>,
}

/// Finds the template that a request has matched.
pub(super) type RouteOf = dyn Fn(&Parts) -> Option<&str> + Send + Sync;

pub(super) struct Metrics {
    settings: Settings,
    routes: Lookup<String, u32>,
    series: Lookup<Labels, Series>,
    /// By method and scheme.
    active: [[OnceLock<UpDownCounter>; Scheme::COUNT]; Method::COUNT],
}

/// The histograms of one set of labels.
#[derive(Clone)]
struct Series {
    duration: Histogram,
    request_size: Histogram,
    response_size: Histogram,
}

/// What is recorded of a request.
#[derive(Clone, Copy)]
pub(super) struct Measures {
    pub(super) elapsed_ns: u64,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
}

impl Metrics {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            routes: Lookup::new(),
            series: Lookup::new(),
            active: [const { [const { OnceLock::new() }; Scheme::COUNT] }; Method::COUNT],
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn labels_of(&self, parts: &Parts) -> RequestLabels {
        let route = match (self.settings.route)(parts) {
            None => Route::Unmatched,
            Some(template) => self.route(template),
        };
        let scheme = match self.settings.scheme {
            Some(_) => Scheme::Given,
            None => Scheme::of(&parts.uri),
        };
        RequestLabels { method: Method::of(&parts.method), scheme, route }
    }

    fn route(&self, template: &str) -> Route {
        let limit = self.settings.max_routes;
        let known = self.routes.read(template, |number| *number);
        known
            .or_else(|| self.routes.read_or_add(template, limit, |count| count as u32))
            .map_or(Route::Beyond, Route::Known)
    }

    /// The number of requests in flight with this method and scheme.
    #[inline]
    pub(super) fn active(&self, labels: RequestLabels) -> &UpDownCounter {
        let cell = &self.active[labels.method.index()][labels.scheme as usize];
        match cell.get() {
            Some(active) => active,
            None => self.register_active(labels, cell),
        }
    }

    #[inline]
    pub(super) fn record(&self, labels: Labels, measures: Measures) {
        if self.series.read(&labels, |series| series.record(measures)).is_none() {
            let series = self.series.read_or_add(&labels, usize::MAX, |_| self.register(labels));
            series.expect("there is no limit").record(measures);
        }
    }

    /// Tells the client of a request that has ended.
    #[inline]
    pub(super) fn trace(&self, labels: Labels, elapsed_ns: u64) {
        if let Some(client) = &self.settings.client {
            client.capture_trace(|| self.trace_of(labels, Duration::from_nanos(elapsed_ns)));
        }
    }

    /// Named as OpenTelemetry names the spans of servers, by method and route
    /// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/#name>).
    #[cold]
    fn trace_of(&self, labels: Labels, duration: Duration) -> CapturedTrace {
        let route = self.route_name(labels.request.route);
        let name = match &route {
            Some(route) => format!("{} {route}", labels.request.method.name()),
            None => labels.request.method.name().to_owned(),
        };
        let now = SystemTime::now();
        let start = now.checked_sub(duration).unwrap_or(now);
        let mut trace = CapturedTrace::new(&name, "http.server", start, duration);
        for (key, value) in self.attributes(&labels, route.as_deref()) {
            if let Some(value) = value {
                trace = trace.attribute(key, value);
            }
        }
        if labels.outcome.error().is_some() { trace.failed() } else { trace }
    }

    #[cold]
    fn register_active<'a>(
        &self,
        labels: RequestLabels,
        cell: &'a OnceLock<UpDownCounter>,
    ) -> &'a UpDownCounter {
        let mut builder = self
            .settings
            .registry
            .up_down_counter("http.server.active_requests")
            .help("Requests that are being answered")
            .label("http.request.method", labels.method.name());
        if let Some(scheme) = self.scheme_name(labels.scheme) {
            builder = builder.label("url.scheme", scheme);
        }
        sync::set_once(cell, builder.register_or_detached())
    }

    fn route_name(&self, route: Route) -> Option<String> {
        match route {
            Route::Unmatched => None,
            Route::Known(number) => self.routes.key_of(|known| *known == number),
            Route::Beyond => Some(OTHER.to_owned()),
        }
    }

    /// What is known of a request, by key; `None` leaves the label out.
    fn attributes<'a>(
        &'a self,
        Labels { request, outcome }: &'a Labels,
        route: Option<&'a str>,
    ) -> [(&'static str, Option<&'a str>); 5] {
        [
            ("http.request.method", Some(request.method.name())),
            ("http.route", route),
            ("http.response.status_code", outcome.status().map(http::StatusCode::as_str)),
            ("error.type", outcome.error()),
            ("url.scheme", self.scheme_name(request.scheme)),
        ]
    }

    #[cold]
    fn register(&self, labels: Labels) -> Series {
        let route = self.route_name(labels.request.route);
        let labels = self.attributes(&labels, route.as_deref());
        let histogram = |name, unit, help| {
            let mut builder = self.settings.registry.histogram(name).unit(unit).help(help);
            for (key, value) in labels {
                if let Some(value) = value {
                    builder = builder.label(key, value);
                }
            }
            builder.register_or_detached()
        };
        Series {
            duration: histogram(
                "http.server.request.duration",
                Unit::Nanoseconds,
                "From a request's arrival to the end of its response's body",
            ),
            request_size: histogram(
                "http.server.request.body.size",
                Unit::Bytes,
                "Bytes that were read of a request's body",
            ),
            response_size: histogram(
                "http.server.response.body.size",
                Unit::Bytes,
                "Bytes that were sent of a response's body",
            ),
        }
    }

    fn scheme_name(&self, scheme: Scheme) -> Option<&str> {
        match scheme {
            Scheme::Unknown => None,
            Scheme::Http => Some("http"),
            Scheme::Https => Some("https"),
            Scheme::Given => self.settings.scheme.as_ref().map(uri::Scheme::as_str),
        }
    }
}

impl Series {
    #[inline]
    fn record(&self, measures: Measures) {
        self.duration.record_ns(measures.elapsed_ns);
        self.request_size.record(measures.request_bytes);
        self.response_size.record(measures.response_bytes);
    }
}
