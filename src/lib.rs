//! A metrics core for services that care about latency.
//!
//! Handles are registered ahead. After that a record is a few instructions on cells that only the
//! recording thread writes: no lock, no allocation, no shared write. A flusher thread adds the cells
//! up at an interval, publishes the result as an immutable [`Snapshot`], and delivers it, without
//! ever delaying a recording thread. Nothing recorded is lost, not at thread exit either.
//!
//! # Recording
//!
//! ```
//! use quipu::{Counter, Gauge, Histogram, Unit, UpDownCounter};
//! use std::time::Duration;
//!
//! // Once, at the start:
//! let registry = quipu::registry();
//! let requests: Counter = registry
//!     .counter("http.server.requests")
//!     .label("method", "GET")
//!     .help("Requests answered")
//!     .register()?;
//! let in_flight: UpDownCounter = registry.up_down_counter("http.server.active").register()?;
//! let depth: Gauge = registry.gauge("queue.depth").register()?;
//! let latency: Histogram =
//!     registry.histogram("http.server.duration").unit(Unit::Nanoseconds).register()?;
//!
//! // On the hot path, from any thread:
//! in_flight.increment();
//! {
//!     let _timer = latency.start();
//!     requests.increment();
//! }
//! latency.record_duration(Duration::from_micros(12));
//! depth.set(4.5);
//! in_flight.decrement();
//!
//! // Whenever somebody wants to know:
//! let snapshot = registry.snapshot();
//! assert_eq!(snapshot.counter("http.server.requests", &[("method", "GET")]), Some(1));
//! let seen = snapshot.histogram("http.server.duration", &[]).unwrap();
//! println!("{} requests, p99 {:?} ns", seen.count(), seen.quantile(0.99));
//! # Ok::<(), quipu::RegisterError>(())
//! ```
//!
//! Where a handle cannot be carried around, [`counter!`], [`up_down_counter!`], [`gauge!`] and
//! [`histogram!`] keep one at the call site. Where labels are enums, flags or small numbers,
//! [`label_values!`] and a [`TypedFamily`] have a series for each combination, at the cost of a handle.
//!
//! # Which metric
//!
//! | what it is | metric | over all threads |
//! |---|---|---|
//! | things that happened | [`Counter`] | summed |
//! | things that are there | [`UpDownCounter`] | summed |
//! | a reading | [`Gauge`] | the last set wins |
//! | a distribution: latency, size | [`Histogram`], [`Timer`] | buckets added |
//!
//! # What it guarantees
//!
//! - *Exactness.* Whichever threads record, nothing is lost or counted twice: not when threads end,
//!   from destructors of other thread-locals, while series are registered, or when there are more
//!   threads than shards.
//! - *Visibility.* After a join, or any other synchronisation, with a thread, the next snapshot holds
//!   all that it recorded. A later snapshot never shows less than an earlier one.
//! - *Progress.* Recording is wait-free, never blocks, allocates, logs, fails or panics; a thread's
//!   first record also takes a shard, lock-free. [`register_thread`] does that ahead.
//! - *Bad values.* Counters and sums wrap at 2^64. Histograms cover all of `u64`. Gauges keep NaN and
//!   infinities. A clock that goes backwards counts as 0.
//!
//! # Delivering
//!
//! A [`Client`] publishes a snapshot at an interval and delivers it: to people ([`Console`]), as lines
//! of JSON ([`JsonLines`]), as HdrHistogram's interval logs (`IntervalLog`, feature `interval-log`), to
//! an OpenTelemetry collector (`Otlp`, `otlp`), to Sentry (`Sentry`, `sentry`), to Datadog (`Datadog`,
//! `datadog`) or its agent (`DogStatsd`, `dogstatsd`), to a StatsD server (`Statsd`, `statsd`), or
//! to an [`Exporter`] of your own. What is delivered, and where to, can come from a [`Config`].
//!
//! ```
//! # std::fs::create_dir_all("target").ok();
//! # std::fs::write("target/doc-observability.json", r#"{"observability_flush_interval": "5s"}"#)?;
//! # let path = "target/doc-observability.json";
//! // The program runs on if this fails: it is logged, and recording stays valid.
//! let client = quipu::Client::builder().config_file(path).start_or_disabled();
//!
//! // At the end: a last snapshot, delivered everywhere within two seconds.
//! let report = client.stop(std::time::Duration::from_secs(2));
//! if !report.is_delivered() {
//!     eprintln!("{report}");
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Labels
//!
//! A metric that is registered has its labels for good. Where their values are known when the program is
//! compiled, a [`TypedFamily`] has a series for each combination, found by arithmetic; where they are known
//! only while it runs, a [`Family`] looks them up, without a lock, up to a limit.
//!
//! # Answering
//!
//! An `Endpoint` (feature `http`) answers over HTTP: Prometheus, probes, scripts and people. It is
//! mounted into a service, or served from a thread of its own.
//!
//! # Background work
//!
//! A [`WorkerManager`] starts [`Worker`]s in threads of their own and stops them in reverse order,
//! within a time that it keeps whatever they do; its [`WorkerReport`] names those that failed,
//! panicked or did not stop, and threads that were left behind. A [`Client`] is a worker. So is
//! `SystemCollector` (feature `system`), which sets gauges to the process's memory, CPU time, threads
//! and open files, and with the feature `tokio` to a runtime's tasks.
//!
//! # HTTP servers
//!
//! `HttpLayer` (features `tower` and `axum`) measures every request of a server that is built of
//! tower's services, by OpenTelemetry's conventions: duration, requests in flight, sizes.
//!
//! # Spans and events
//!
//! `TracingLayer` (feature `tracing`) measures the spans of `tracing` and counts its events.
//!
//! # Libraries that call the crate `metrics`
//!
//! `MetricsRecorder` (feature `metrics`) is a recorder for the macros of that crate: what a program and
//! its libraries record through them are series of a registry.
//!
//! # Memory
//!
//! Eight bytes for each thread and counter; histograms commit the pages that hold values. Address
//! space is reserved generously, a gigabyte at a time on 64-bit Unix systems, and costs nothing until
//! it is touched; [`store_usage`] shows both. Where the system limits address space, smaller
//! reservations are tried, and [`configure`] sets the size by hand.
//!
//! LeakSanitizer does not look into such reservations, where the count of a handle's slot lies, and
//! reports handles that live until the end as leaks; `detect_leaks=0`, or a suppression of `quipu`,
//! silences it.
//!
//! # Signal handlers and fork
//!
//! Recording in a signal handler is memory-safe; on other processors than x86-64 a handler that
//! interrupts a record of the same metric on the same thread can make that one record disappear.
//! After `fork` the child keeps recording into its own copy of the cells; a [`Client`] of the parent
//! does nothing there.

#[cfg(all(any(feature = "metrics", feature = "tower", feature = "tracing"), not(loom)))]
mod bridge;
mod buckets;
mod client;
mod export;
mod family;
pub mod gates;
#[cfg(all(feature = "http", not(loom)))]
mod http;
mod metric;
mod registry;
mod series;
mod snapshot;
#[allow(unsafe_code)]
mod store;
mod sync;
#[cfg(feature = "system")]
mod system;
pub mod testing;
mod worker;

/// The snippets of the README, of the guide, of the cookbook and of the page on gates are tests. Those
/// of the migration pages need other crates, and are compiled in `tests/migration`.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../docs/guide.md")]
    struct Guide;

    #[doc = include_str!("../docs/cookbook.md")]
    struct Cookbook;

    #[doc = include_str!("../docs/gates.md")]
    struct Gates;
}

#[cfg(all(loom, test))]
#[path = "../loom-tests/mod.rs"]
mod models;

#[cfg(all(feature = "http", not(loom)))]
pub use self::http::{
    Endpoint, EndpointBody, EndpointBuilder, EndpointFuture, EndpointServer, ServeError,
};
#[cfg(all(feature = "tracing", not(loom)))]
pub use bridge::TracingLayer;
#[cfg(all(feature = "tower", not(loom)))]
pub use bridge::{HttpLayer, HttpService, RequestBody, ResponseBody, ResponseFuture};
#[cfg(all(feature = "metrics", not(loom)))]
pub use bridge::{MetricsRecorder, RecorderAlreadySet};
pub use client::{
    CancelToken, CapturedError, CapturedTrace, CheckedConfig, Client, ClientBuilder, Config,
    ConfigError, ConfigSource, Delivery, DropCause, ErrorDelivery, ExportError, Exporter,
    ExporterReport, FailureCause, Health, Liveness, Provider, Report, Secret, StartError,
    Subscription, TraceDelivery,
};
#[cfg(any(feature = "dogstatsd", feature = "statsd"))]
pub use export::AddressError;
#[cfg(feature = "dogstatsd")]
pub use export::DogStatsd;
#[cfg(feature = "interval-log")]
pub use export::IntervalLog;
pub use export::{
    BoundsError, Console, JsonEncoder, JsonLines, PrometheusEncoder, PrometheusFormat,
    PrometheusNames,
};
#[cfg(all(feature = "datadog", not(loom)))]
pub use export::{Datadog, DatadogError};
#[cfg(all(feature = "otlp", not(loom)))]
pub use export::{Otlp, OtlpError, Temporality};
#[cfg(all(feature = "sentry", not(loom)))]
pub use export::{Sentry, SentryDsnError};
#[cfg(feature = "statsd")]
pub use export::{Statsd, StatsdTags};
pub use family::{Family, FamilyBuilder, FamilyMember, FamilySite};
#[doc(hidden)]
pub use metric::all_differ as __all_differ;
pub use metric::{
    CallSite, Counter, Gauge, Histogram, LabelValue, LabelValues, SampledTimer, SmallInt, Timer,
    TypedFamily, TypedMember, UpDownCounter,
};
pub use registry::{MetricBuilder, Registry, TypedFamilyBuilder, detached_records, registry};
pub use series::{Descriptor, Kind, Label, Labels, Metric, Refusals, RegisterError, Unit};
pub use snapshot::{Bucket, HistogramSnapshot, Snapshot, Value};
pub use store::{AlreadyStarted, StoreConfig, StoreUsage, configure, register_thread, store_usage};
#[cfg(feature = "system")]
pub use system::SystemCollector;
pub use worker::{
    ThreadCensus, ThreadName, Worker, WorkerError, WorkerManager, WorkerReport, WorkerStartError,
    WorkerState, WorkerStatus,
};
