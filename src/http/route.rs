//! What there is to ask for.
#![forbid(unsafe_code)]

/// A path, relative to where the endpoint is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Page,
    Metrics,
    MetricsJson,
    Health,
    Live,
    Ready,
}

/// The text for those who ask for anything else. It does not repeat what they asked for.
pub(super) const NOT_FOUND: &str = "There is nothing here. There are /, /metrics, /metrics.json, \
                                    /health, /health/live and /health/ready.\n";

impl Route {
    /// Paths are compared as they are: one that is encoded or not normal is unknown.
    pub(super) fn of(path: &str) -> Option<Self> {
        Some(match path {
            "" | "/" => Self::Page,
            "/metrics" => Self::Metrics,
            "/metrics.json" => Self::MetricsJson,
            "/health" => Self::Health,
            "/health/live" => Self::Live,
            "/health/ready" => Self::Ready,
            _ => return None,
        })
    }
}
