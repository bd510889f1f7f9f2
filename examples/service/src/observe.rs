//! The middleware that counts what `quipu::HttpLayer` does not know: why a request failed, and whether
//! it came from outside.

use crate::failure::Failure;
use crate::load::LOAD_HEADER;
use crate::metrics::{Metrics, count_outside};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// Counts answers, as the layer does, and no request whose client has gone: that drops this future.
///
/// The layer waits for the last byte of a body. All bodies of this service are made before they are
/// sent, so that the server takes them together with the head, and both count the same answers.
pub async fn observe(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let from_outside = !request.headers().contains_key(LOAD_HEADER);
    let response = next.run(request).await;
    let status = response.status();
    if from_outside {
        count_outside(status);
    }
    if let Some(failure) = response.extensions().get::<Failure>() {
        metrics.failed(*failure);
    } else if status.is_client_error() || status.is_server_error() {
        metrics.failed_otherwise();
    }
    response
}
