//! Why a request is not answered as its client wished.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

quipu::label_values! {
    /// With its name in the metrics.
    pub enum Failure {
        UnknownFile = "unknown_file",
        UnreadableFile = "unreadable_file",
        UnknownWord = "unknown_word",
        UnknownRoute = "unknown_route",
        /// The body of a document is not UTF-8.
        NotText = "not_text",
        /// A document has no title or no text.
        IncompleteDocument = "incomplete_document",
        QueueFull = "queue_full",
    }
}

impl Failure {
    fn status(self) -> StatusCode {
        match self {
            Self::UnknownFile | Self::UnknownWord | Self::UnknownRoute => StatusCode::NOT_FOUND,
            Self::UnreadableFile => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotText => StatusCode::BAD_REQUEST,
            Self::IncompleteDocument => StatusCode::UNPROCESSABLE_ENTITY,
            Self::QueueFull => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::UnknownFile => "no such file in the checkout when the service started",
            Self::UnreadableFile => "the file cannot be read any more",
            Self::UnknownWord => "the word stands nowhere",
            Self::UnknownRoute => {
                "try GET /hash/PATH, GET /compress/PATH, GET /lookup/WORD or POST /ingest"
            }
            Self::NotText => "the document is not UTF-8 text",
            Self::IncompleteDocument => {
                "a document is a line with its title, and lines with its text"
            }
            Self::QueueFull => "too many documents are waiting; try again in a second",
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status(), format!("{}\n", self.message())).into_response();
        if self == Self::QueueFull {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // The middleware counts it by cause.
        response.extensions_mut().insert(self);
        response
    }
}
