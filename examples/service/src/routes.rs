//! The routes, and the work behind them.

use crate::archive;
use crate::corpus::Corpus;
use crate::failure::Failure;
use crate::ingest::{Document, Queue, Shelf};
use crate::metrics::Metrics;
use crate::observe::observe;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use quipu::{Client, Endpoint, HttpLayer};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::sync::Arc;
use tokio::task::spawn_blocking;

const MAX_DOCUMENT_BYTES: usize = 256 << 10;
/// Places that a lookup lists in the checkout, and again in the documents.
const MAX_PLACES: usize = 1_000;

/// What the handlers share.
#[derive(Clone)]
pub struct Service {
    pub corpus: Arc<Corpus>,
    pub shelf: Shelf,
    pub queue: Queue,
    pub metrics: Arc<Metrics>,
    pub client: Client,
}

/// The routes, all of them measured, and `endpoint` beside them, which is not: those who look at the
/// metrics should not change them.
pub fn router(service: Service, endpoint: Endpoint) -> Router {
    let metrics = service.metrics.clone();
    let layer = HttpLayer::new().traces(&service.client);
    handlers()
        .layer(middleware::from_fn_with_state(metrics, observe))
        .layer(layer)
        .nest_service("/observe", endpoint)
        .with_state(service)
}

/// The routes by themselves.
pub fn handlers() -> Router<Service> {
    Router::new()
        .route("/hash/{*path}", get(hash))
        .route("/compress/{*path}", get(compress))
        .route("/lookup/{word}", get(look_up))
        .route("/ingest", post(ingest))
        .fallback(async || Failure::UnknownRoute)
        .layer(DefaultBodyLimit::max(MAX_DOCUMENT_BYTES))
}

/// The SHA-256 of a file, as `sha256sum` prints it.
async fn hash(State(service): State<Service>, Path(path): Path<String>) -> Result<String, Failure> {
    let digest = on_file(&service, &path, |bytes| Ok(Sha256::digest(bytes))).await?;
    let digits = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(format!("{digits}  {path}\n"))
}

/// A file in gzip's format.
async fn compress(
    State(service): State<Service>,
    Path(path): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let compressed = on_file(&service, &path, archive::gzip);
    Ok(([(header::CONTENT_TYPE, "application/gzip")], compressed.await?))
}

/// The files and documents in which a word stands, with its lines.
async fn look_up(
    State(service): State<Service>,
    Path(word): Path<String>,
) -> Result<String, Failure> {
    let mut lines = String::new();
    for (path, line) in service.corpus.index().find(&word).take(MAX_PLACES) {
        lines += &format!("{path}:{line}\n");
    }
    service.shelf.list(&word, MAX_PLACES, &mut lines);
    if lines.is_empty() { Err(Failure::UnknownWord) } else { Ok(lines) }
}

/// Takes a document, to be found by later lookups.
async fn ingest(
    State(service): State<Service>,
    body: Bytes,
) -> Result<(StatusCode, &'static str), Failure> {
    service.queue.offer(Document::parse(&body)?)?;
    Ok((StatusCode::ACCEPTED, "it will be found soon\n"))
}

/// Does `work` on the bytes of a file, on a thread that may block.
async fn on_file<T: Send + 'static>(
    service: &Service,
    path: &str,
    work: impl FnOnce(&[u8]) -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let location = service.corpus.locate(path).ok_or(Failure::UnknownFile)?.to_owned();
    let done = spawn_blocking(move || work(&fs::read(location)?)).await;
    // A panic of the work is the handler's own.
    let result = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    result.map_err(|error| {
        // Of all failures this one is not the client's, and who runs the service has to hear of it.
        service.client.capture_error(&error, &[("path", &path)]);
        Failure::UnreadableFile
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Indexer;
    use crate::metrics::IngestMetrics;
    use quipu::testing::TestExporter;
    use std::time::Duration;
    use tokio::runtime::Handle;

    #[tokio::test]
    async fn a_file_that_is_gone_is_a_captured_error() {
        let folder = std::env::temp_dir().join(format!("quipu-service-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("gone"), "text").unwrap();
        let corpus = Arc::new(Corpus::below(&folder).unwrap());
        fs::remove_dir_all(&folder).unwrap();

        let exporter = TestExporter::new();
        let client = Client::builder().exporter(exporter.clone()).start().unwrap();
        let shelf = Shelf::default();
        let ingest_metrics = IngestMetrics::register().unwrap();
        let (queue, _worker) = Indexer::new(shelf.clone(), ingest_metrics, Handle::current());
        let metrics = Arc::new(Metrics::register().unwrap());
        let service = Service { corpus, shelf, queue, metrics, client: client.clone() };

        let bytes = |_: &[u8]| Ok(());
        assert_eq!(on_file(&service, "unknown", bytes).await, Err(Failure::UnknownFile));
        assert_eq!(on_file(&service, "gone", bytes).await, Err(Failure::UnreadableFile));
        assert!(client.stop(Duration::from_secs(20)).is_delivered());
        let errors = exporter.errors();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].context().collect::<Vec<_>>(), [("path", "gone")]);
    }
}
