//! What metrics may cost the service's hot path: fails when a bound is missed.
//!
//! ```text
//! cargo bench -p service --bench hot_path
//! cargo bench -p service --bench hot_path -- --slack 0.30 --best-of 3      # on a noisy machine
//! ```

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use quipu::gates::Gates;
use quipu::{Client, Endpoint};
use service::corpus::Corpus;
use service::failure::Failure;
use service::ingest::{Indexer, Shelf};
use service::metrics::{IngestMetrics, Metrics};
use service::routes::{self, Service};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tower::Service as _;

fn main() -> ExitCode {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let corpus = Corpus::below(&sources).expect("the service has sources");
    let ingest_metrics = IngestMetrics::register().expect("the names are free");
    let metrics = Arc::new(Metrics::register().expect("the names are free"));
    let shelf = Shelf::default();
    let (queue, _indexer) = Indexer::new(shelf.clone(), ingest_metrics, runtime.handle().clone());
    let client = Client::builder().start().expect("threads can be had");
    let endpoint = Endpoint::builder().client(&client).build();
    let service =
        Service { corpus: Arc::new(corpus), shelf, queue, metrics: metrics.clone(), client };
    let measured = routes::router(service.clone(), endpoint);
    let bare = routes::handlers().with_state(service);
    // What is scraped, and how, makes no difference to who records: they see a reader.
    let scrape = || quipu::registry().snapshot();

    let mut gates = Gates::new();
    gates
        .ratio("lookup, over the same without metrics", requests(&runtime, &measured))
        .over(requests(&runtime, &bare))
        .look("cargo bench --features tower --bench tower")
        .at_most(2.0);
    gates
        .slowdown("lookup, while somebody scrapes", requests(&runtime, &measured), scrape)
        .at_most(1.15);
    gates
        .tail("p99.99 of counting a failure, the same", || metrics.failed(Failure::UnknownWord))
        .beside(scrape)
        .at_most(Duration::from_micros(1));
    gates
        .instructions("instructions to count a failure", || metrics.failed(Failure::UnknownWord))
        .taken_with("1.95", "x86_64")
        .exactly(18);
    gates.run()
}

/// A request for a word that stands on some lines, from its making to the last byte of its answer.
fn requests<'a>(runtime: &'a Runtime, router: &Router) -> impl FnMut() -> usize + 'a {
    let mut router = router.clone();
    move || {
        runtime.block_on(async {
            let request = Request::get("/lookup/histogram").body(Body::empty());
            let request = request.expect("the path is valid");
            let answer = router.call(request).await.expect("a router answers whatever comes");
            assert!(answer.status().is_success());
            to_bytes(answer.into_body(), usize::MAX).await.expect("it is in memory").len()
        })
    }
}
