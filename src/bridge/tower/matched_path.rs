//! The routes of axum. The only file that names it.
#![forbid(unsafe_code)]

use axum::extract::MatchedPath;
use http::request::Parts;

/// The template that axum's router has matched.
pub(super) fn matched_path(parts: &Parts) -> Option<&str> {
    parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}
