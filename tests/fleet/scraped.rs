//! A real Prometheus that scrapes a fleet of a thousand targets.

use super::exponential::stated_error;
use super::processes::fleet;
use super::server::Prometheus;
use super::truth::rounding_of;
use super::{PROCESSES, QUANTILES, exports};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use quipu::{PrometheusFormat, PrometheusNames, Registry, Snapshot};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// What all targets show: of each its bodies at half time and in the end.
struct Targets {
    bodies: Vec<[Bodies; 2]>,
    stage: AtomicUsize,
}

struct Bodies {
    text: Vec<u8>,
    protobuf: Vec<u8>,
}

impl Bodies {
    fn of(snapshot: &Snapshot) -> Self {
        let body = |format| exports::exposition(snapshot, format);
        Self { text: body(PrometheusFormat::Text), protobuf: body(PrometheusFormat::Protobuf) }
    }
}

impl Targets {
    fn new() -> Self {
        let bodies = fleet(PROCESSES).map(|process| {
            let registry = Registry::new();
            let metrics = process.register(&registry);
            process.halves().map(|half| {
                metrics.record(half);
                Bodies::of(&registry.snapshot())
            })
        });
        Self { bodies: bodies.collect(), stage: AtomicUsize::new(0) }
    }
}

async fn metrics(
    State(targets): State<Arc<Targets>>,
    Path(number): Path<usize>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let Some(stages) = targets.bodies.get(number) else {
        return Err(StatusCode::NOT_FOUND);
    };
    let bodies = &stages[targets.stage.load(SeqCst)];
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let (format, body) = match accept.is_some_and(|accept| accept.contains("vnd.google.protobuf")) {
        true => (PrometheusFormat::Protobuf, &bodies.protobuf),
        false => (PrometheusFormat::Text, &bodies.text),
    };
    let content_type = format.content_type(PrometheusNames::Underscores);
    Ok(([(header::CONTENT_TYPE, content_type)], body.clone()))
}

/// Serves until the test ends.
fn serve(targets: Arc<Targets>) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let app = Router::new()
                .route("/fleet/{number}/metrics", axum::routing::get(metrics))
                .with_state(targets);
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    address
}

#[test]
#[ignore = "needs Prometheus, in QUIPU_PROMETHEUS"]
fn prometheus_adds_a_fleet_up_within_the_stated_error() {
    let targets = Arc::new(Targets::new());
    let address = serve(targets.clone());
    let mut config = String::from(
        "global: {scrape_interval: 5s, scrape_timeout: 5s}\nscrape_configs:\n- job_name: fleet\n  \
         static_configs:\n",
    );
    for number in 0..PROCESSES {
        writeln!(
            config,
            "  - targets: ['{address}']\n    \
             labels: {{__metrics_path__: /fleet/{number}/metrics, process: '{number}'}}"
        )
        .unwrap();
    }
    let prometheus = Prometheus::with(&config, &["--enable-feature=native-histograms"]);
    let truth = &*exports::TRUTH;
    let of_halves: usize = fleet(PROCESSES).map(|process| process.halves()[0].len()).sum();
    let is_counted = |count: usize| {
        let query = "sum(requests_total)";
        prometheus.wait_until(&format!("{query} is {count}"), || {
            prometheus.number(query) == Some(count as f64)
        });
    };
    is_counted(of_halves);
    targets.stage.store(1, SeqCst);
    is_counted(truth.count() as usize);

    let number = |query: &str| prometheus.number(query).unwrap_or_else(|| panic!("no {query}"));
    assert_eq!(number("count(up == 1)"), PROCESSES as f64);
    for (name, error) in [
        ("latency_seconds", stated_error(6, 2)),
        // Of schemas 3, 6 and 8, one in three processes each.
        ("latency_mixed_seconds", stated_error(3, 1)),
    ] {
        assert_eq!(number(&format!("histogram_count(sum({name}))")), truth.count() as f64);
        truth.assert_sum(number(&format!("histogram_sum(sum({name}))")), rounding_of(PROCESSES));
        for q in QUANTILES {
            let said = number(&format!("histogram_quantile({q}, sum({name}))"));
            truth.assert_quantile(q, said, error);
        }
    }
    // Of processes that recorded nothing there is none.
    let mean = number("avg(histogram_quantile(0.99, latency_seconds) > 0)");
    assert!(mean < truth.around(0.99).0 / 3.0, "a mean of quantiles is {mean}");
}
