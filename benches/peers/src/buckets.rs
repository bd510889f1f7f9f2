//! The buckets of peers that have to be told which.
#![forbid(unsafe_code)]

/// Upper bounds in seconds: those that OpenTelemetry advises for the durations of requests. What is above
/// them all is in a last bucket.
pub const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
