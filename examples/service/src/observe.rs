//! The middleware that measures every request.

use crate::failure::Failure;
use crate::load::LOAD_HEADER;
use crate::metrics::{Answer, Metrics};
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

pub async fn observe(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let in_flight = metrics.begin(request.extensions().get().map(MatchedPath::as_str));
    let from_outside = !request.headers().contains_key(LOAD_HEADER);
    let method = request.method().clone();

    // A client that goes away drops this future here, and `in_flight` with it.
    let response = next.run(request).await;

    in_flight.answered(&Answer {
        method,
        status: response.status(),
        // All bodies of this service are made before they are sent.
        body_bytes: response.body().size_hint().exact().unwrap_or(0),
        failure: response.extensions().get::<Failure>().copied(),
        from_outside,
    });
    response
}
