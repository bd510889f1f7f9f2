//! What allocates: counted by a global allocator, for each thread by itself.
#![cfg(not(loom))]
#![allow(unsafe_code)]

mod counting;
mod process;

use counting::{ALL_ALLOCATIONS, ALLOCATIONS};
use process::in_own_process;
use quipu::{
    Client, Counter, Delivery, ExportError, Exporter, Gauge, Histogram, PrometheusEncoder,
    PrometheusFormat, PrometheusNames, Registry, SmallInt, StoreConfig, TypedFamily, UpDownCounter,
    Value,
};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

/// Longer than any flush takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often this thread allocates during `work`.
fn allocations_during(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

struct Metrics {
    counter: Counter,
    up_down: UpDownCounter,
    gauge: Gauge,
    coarse: Histogram<1>,
    histogram: Histogram,
    fine: Histogram<3>,
    shared: Histogram,
    counters: TypedFamily<Counter, (bool, SmallInt<3>)>,
    gauges: TypedFamily<Gauge, (bool,)>,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            counter: registry.counter("requests").register().unwrap(),
            up_down: registry.up_down_counter("open").register().unwrap(),
            gauge: registry.gauge("depth").register().unwrap(),
            coarse: registry.histogram("coarse").significant_digits::<1>().register().unwrap(),
            histogram: registry.histogram("latency").register().unwrap(),
            fine: registry.histogram("fine").significant_digits::<3>().register().unwrap(),
            shared: registry.histogram("rare").shared().register().unwrap(),
            counters: registry.counter("c").typed_family(["bool", "number"]).register().unwrap(),
            gauges: registry.gauge("g").typed_family(["bool"]).register().unwrap(),
        }
    }

    /// Every way to record, each as a closure of its own.
    fn assert_that_records_allocate_nothing(&self) {
        let sampled = self.histogram.sample(NonZeroU32::new(2).unwrap(), &self.counter);
        let ways: &[(&str, &dyn Fn())] = &[
            ("Counter::increment", &|| self.counter.increment()),
            ("Counter::add", &|| self.counter.add(3)),
            ("UpDownCounter::increment", &|| self.up_down.increment()),
            ("UpDownCounter::add", &|| self.up_down.add(-3)),
            ("Gauge::set", &|| self.gauge.set(1.5)),
            ("TypedFamily::with, of counters", &|| {
                self.counters.with((true, SmallInt::new(7))).increment();
            }),
            ("TypedFamily::with, of gauges", &|| self.gauges.with((false,)).set(1.5)),
            ("Histogram<1>::record", &|| self.coarse.record(77)),
            ("Histogram::record", &|| self.histogram.record(77)),
            ("Histogram::record, of the least", &|| self.histogram.record(0)),
            ("Histogram::record, of the most", &|| self.histogram.record(u64::MAX)),
            ("Histogram<3>::record", &|| self.fine.record(77)),
            ("Histogram::record, shared", &|| self.shared.record(77)),
            ("Histogram::record_n", &|| self.histogram.record_n(78, 1_000)),
            ("Histogram::record_duration", &|| {
                self.histogram.record_duration(Duration::from_micros(3));
            }),
            ("Histogram::record_corrected", &|| self.histogram.record_corrected(1_000, 10)),
            ("Histogram::record_corrected, shared", &|| self.shared.record_corrected(1_000, 10)),
            ("Histogram::time", &|| self.histogram.time(|| ())),
            ("Timer, dropped", &|| drop(self.histogram.start())),
            ("Timer::stop", &|| {
                self.histogram.start().stop();
            }),
            ("Timer::discard", &|| self.histogram.start().discard()),
            ("SampledTimer::start", &|| drop(sampled.start())),
            ("SampledTimer::time", &|| sampled.time(|| ())),
        ];
        for (way, record) in ways {
            for turn in ["first", "second", "third"] {
                assert_eq!(allocations_during(record), 0, "{way}, the {turn} time");
            }
        }
    }
}

#[test]
fn the_allocator_counts_what_its_own_thread_allocates() {
    let elsewhere = || std::thread::spawn(|| drop(Box::new(1))).join().unwrap();
    assert_eq!(allocations_during(|| drop(std::hint::black_box(Box::new(1)))), 1);
    assert_eq!(allocations_during(|| drop(std::hint::black_box(vec![0_u8; 100]))), 1);
    assert_ne!(allocations_during(elsewhere), 0);
}

#[test]
fn a_registered_thread_records_without_allocating_from_its_first_record_on() {
    let metrics = Metrics::new(&Registry::new());
    let recorder = std::thread::spawn(move || {
        quipu::register_thread();
        metrics.assert_that_records_allocate_nothing();
    });
    recorder.join().unwrap();
}

/// The entry for a thread's exit hook is the runtime's, and not taken from the global allocator.
#[test]
#[cfg(target_os = "linux")]
fn a_thread_that_did_not_register_allocates_nothing_either() {
    let metrics = Metrics::new(&Registry::new());
    let recorder = std::thread::spawn(move || metrics.assert_that_records_allocate_nothing());
    recorder.join().unwrap();
}

#[test]
fn a_series_of_a_family_that_exists_is_found_without_allocating() {
    let registry = Registry::new();
    let family = registry.counter("errors").family(["operation", "table"]).max_series(2);
    let family = family.register().unwrap();
    let labels = [["select", "users"], ["insert", "a table whose name is longer than others"]];
    labels.iter().for_each(|&labels| family.with(labels).increment());
    let look_up = || {
        labels.iter().for_each(|&labels| family.with(labels).increment());
        // Past the limit, and what no label can be.
        family.with(["delete", "users"]).increment();
        family.with(["\0", "users"]).increment();
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            look_up();
            // Enough for the epoch's own housekeeping to come round, too.
            let times = if cfg!(miri) { 10 } else { 1_000 };
            assert_eq!(allocations_during(|| (0..times).for_each(|_| look_up())), 0);
        });
    });
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn threads_without_cells_of_their_own_record_without_allocating() {
    let test = "threads_without_cells_of_their_own_record_without_allocating";
    in_own_process(test, || {
        quipu::configure(StoreConfig::new().max_shards(2)).unwrap();
        assert!(quipu::register_thread());
        let metrics = Metrics::new(&Registry::new());
        let recorder = std::thread::spawn(move || {
            assert!(!quipu::register_thread());
            metrics.assert_that_records_allocate_nothing();
        });
        recorder.join().unwrap();
    });
}

#[test]
fn call_sites_allocate_when_they_register_and_never_again() {
    fn record() {
        quipu::counter!("site.requests", "kind" => "a").increment();
        quipu::up_down_counter!("site.open").decrement();
        quipu::gauge!("site.depth").set(0.5);
        quipu::histogram!("site.latency").record(250);
    }
    quipu::register_thread();
    assert_ne!(allocations_during(record), 0);
    assert_eq!(allocations_during(record), 0);
}

/// Takes snapshots, `held` of which live on at any time, with records in between.
fn allocations_of_snapshots(held: usize) -> u64 {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry);
    let mut snapshots = std::collections::VecDeque::with_capacity(held + 1);
    let mut round = |round: u64| {
        metrics.counter.add(round);
        metrics.up_down.add(-1);
        metrics.gauge.set(round as f64);
        metrics.histogram.record_corrected(2_000, 10);
        metrics.coarse.record(round % 20);
        metrics.fine.record_n(1_000 + round % 20, round);
        metrics.shared.record(round % 20);
        allocations_during(|| {
            snapshots.push_back(registry.snapshot());
            if snapshots.len() > held {
                snapshots.pop_front();
            }
        })
    };
    (1..100).for_each(|warm_up| assert!(round(warm_up) < 100));
    (100..200).map(round).sum()
}

#[test]
fn snapshots_allocate_nothing_in_the_steady_state() {
    assert_eq!(allocations_of_snapshots(0), 0);
    assert_eq!(allocations_of_snapshots(1), 0);
    assert_eq!(allocations_of_snapshots(7), 0);
}

#[test]
fn snapshots_beyond_those_recycled_are_paid_for() {
    assert_ne!(allocations_of_snapshots(8), 0);
}

#[test]
fn latest_allocates_nothing() {
    let registry = Arc::new(Registry::new());
    let metrics = Metrics::new(&registry);
    let client = Client::builder().registry(registry.clone()).start().unwrap();
    for round in 0..20 {
        metrics.counter.increment();
        client.flush(PATIENCE);
        let mut count = None;
        let allocated = allocations_during(|| {
            let latest = registry.latest();
            count = latest.and_then(|snapshot| snapshot.counter("requests", &[]));
        });
        // The first is the reader's own slot among those who read.
        assert!(allocated == 0 || round == 0, "{allocated} in round {round}");
        assert_eq!(count, Some(round + 1));
    }
}

#[test]
fn encoding_for_prometheus_allocates_nothing_in_the_steady_state() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry);
    let labelled = registry.counter("a.b").label("key.key", "a \"value\"").register().unwrap();
    let mut encoder = PrometheusEncoder::new();
    let mut out = Vec::with_capacity(1 << 20);
    let mut round = |round: u64| {
        labelled.add(round);
        metrics.up_down.add(-1);
        metrics.gauge.set(round as f64 / 7.0);
        metrics.histogram.record_n(1 << (round % 60), round);
        metrics.fine.record(round % 20);
        let snapshot = registry.snapshot();
        let mut allocations = 0;
        for format in
            [PrometheusFormat::Text, PrometheusFormat::OpenMetrics, PrometheusFormat::Protobuf]
        {
            for names in [PrometheusNames::Underscores, PrometheusNames::Utf8] {
                out.clear();
                allocations += allocations_during(|| {
                    encoder.encode(&snapshot, format, names, &mut out);
                });
                assert!(out.len() > 200);
            }
        }
        allocations
    };
    assert_ne!(round(0), 0);
    (1..100).for_each(|warm_up| assert!(round(warm_up) < 10));
    assert_eq!((100..200).map(round).sum::<u64>(), 0);
}

/// Adds the difference to the last delivery up, and tells the sum.
struct Sum(SyncSender<u64>);

impl Exporter for Sum {
    fn name(&self) -> &str {
        "sum"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let values = delivery.delta().iter().map(|(descriptor, value)| match value {
            _ if descriptor.name().starts_with("quipu.") => 0,
            Value::Counter(count) => count,
            Value::Histogram(histogram) => histogram.count(),
            _ => 0,
        });
        Ok(self.0.send(values.sum())?)
    }
}

/// Ticks flush, so that what a caller's flush allocates is not among what is counted.
#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn a_flush_and_its_delivery_allocate_nothing_in_the_steady_state() {
    in_own_process("a_flush_and_its_delivery_allocate_nothing_in_the_steady_state", || {
        let registry = Arc::new(Registry::new());
        let counters: Vec<_> = (0..1_000)
            .map(|index| registry.counter(&format!("counter.{index}")).register().unwrap())
            .collect();
        let histogram = registry.histogram("histogram").register().unwrap();
        let (sender, sums) = sync_channel(16);
        let client = Client::builder().registry(registry).exporter(Sum(sender));
        let client = client.flush_interval(Duration::from_millis(5)).start().unwrap();
        let record = |round: u64| {
            counters.iter().for_each(Counter::increment);
            (0..50).for_each(|value| histogram.record(value << (round % 20)));
        };
        let mut expected = 0;
        let mut deliver = |round| {
            record(round);
            expected += 1_050;
            while expected != 0 {
                expected -= sums.recv_timeout(PATIENCE).unwrap();
            }
        };
        (0..40).for_each(&mut deliver);
        let before = ALL_ALLOCATIONS.load(Relaxed);
        (40..140).for_each(&mut deliver);
        let allocations = ALL_ALLOCATIONS.load(Relaxed) - before;
        client.stop(PATIENCE);
        // A few are left: buffers grow when the client's own durations fall into a new bucket, and on
        // a busy machine there may be more snapshots about than before. One a flush is too many.
        assert!(allocations < 50, "{allocations} in a hundred flushes");
    });
}

/// Requests through a layer, each read to its end, as a server would.
#[cfg(feature = "tower")]
mod requests {
    use super::{Registry, allocations_during};
    use axum::body::Bytes;
    use http::{Request, Response};
    use http_body::Body;
    use http_body_util::Full;
    use quipu::{HttpLayer, RequestBody};
    use std::convert::Infallible;
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use tower::{Layer, Service};

    /// What a router has put into a request.
    #[derive(Clone)]
    struct Template(&'static str);

    fn run<T>(work: impl Future<Output = T>) -> T {
        match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => unreachable!("nothing here waits"),
        }
    }

    async fn read_to_end(body: impl Body) {
        let mut body = pin!(body);
        while let Some(Ok(_)) = poll_fn(|context| body.as_mut().poll_frame(context)).await {}
    }

    #[test]
    fn a_request_allocates_nothing_once_its_series_exist() {
        let registry = Arc::new(Registry::new());
        let layer = HttpLayer::new()
            .registry(registry.clone())
            .route(|parts| parts.extensions.get::<Template>().map(|template| template.0));
        let mut service =
            layer.layer(tower::service_fn(async |request: Request<RequestBody<Full<Bytes>>>| {
                read_to_end(request.into_body()).await;
                let mut response = Response::new(Full::new(Bytes::from_static(b"answer")));
                *response.status_mut() = http::StatusCode::CREATED;
                Ok::<_, Infallible>(response)
            }));
        let request = |route, body: &'static str| {
            let request = Request::post("/").extension(Template(route));
            request.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("a valid request")
        };
        let mut allocations_of = |request, is_cancelled: bool| {
            allocations_during(|| {
                run(async {
                    let answer = service.call(request);
                    if !is_cancelled {
                        let Ok(response) = answer.await;
                        read_to_end(response.into_body()).await;
                    }
                });
            })
        };
        for route in ["/a", "/b"] {
            for is_cancelled in [false, true] {
                assert_ne!(allocations_of(request(route, "body"), is_cancelled), 0);
            }
        }
        for round in 0..100 {
            for (route, body) in [("/a", "body"), ("/b", "body"), ("/a", ""), ("/b", "more")] {
                let allocations = allocations_of(request(route, body), round % 3 == 0);
                assert_eq!(allocations, 0, "{route} with {body:?} in round {round}");
            }
        }
        let counts = registry
            .snapshot()
            .iter()
            .filter_map(|(_, value)| match value {
                super::Value::Histogram(histogram) => Some(histogram.count()),
                _ => None,
            })
            .sum::<u64>();
        assert_eq!(counts, 3 * 404);
    }
}

/// Macros of the crate `metrics`.
#[cfg(feature = "metrics")]
mod facade {
    use super::{Registry, allocations_during};
    use quipu::MetricsRecorder;
    use std::sync::Arc;

    fn record() {
        metrics::counter!("requests").increment(1);
        metrics::counter!("requests", "method" => "GET", "route" => "/users").increment(1);
        metrics::gauge!("depth").increment(1.5);
        metrics::gauge!("depth", "queue" => "a").set(3);
        metrics::histogram!("wait_seconds", "queue" => "a").record(0.0125);
        metrics::histogram!("batch").record_many(7, 100);
        metrics::histogram!("batch").record(f64::NAN);
        metrics::counter!("mirrored").absolute(12);
    }

    #[test]
    fn a_macro_with_a_constant_key_allocates_nothing_after_the_first_call() {
        let registry = Arc::new(Registry::new());
        let recorder = MetricsRecorder::new().registry(registry.clone());
        metrics::with_local_recorder(&recorder, || {
            assert_ne!(allocations_during(record), 0);
            for round in 0..1_000 {
                assert_eq!(allocations_during(record), 0, "in round {round}");
            }
        });
        let counts = registry.snapshot().counter("requests", &[]);
        assert_eq!(counts, Some(1_001));
    }

    #[test]
    fn what_is_past_a_limit_allocates_nothing_either() {
        let registry = Arc::new(Registry::new());
        let recorder = MetricsRecorder::new().registry(registry.clone()).max_series(1);
        let record = || {
            metrics::counter!("requests", "route" => "/a").increment(1);
            metrics::counter!("requests", "route" => "/b").increment(1);
        };
        metrics::with_local_recorder(&recorder, || {
            assert_ne!(allocations_during(record), 0);
            (0..100).for_each(|_| assert_eq!(allocations_during(record), 0));
        });
        let overflow = registry.snapshot().counter("requests", &[("overflow", "true")]);
        assert_eq!(overflow, Some(101));
    }
}
