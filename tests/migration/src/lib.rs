//! The pages of `docs/migration`, compiled and run with the crates that they speak of.
//!
//! `cargo test --manifest-path tests/migration/Cargo.toml`
#![forbid(unsafe_code)]
#![cfg(doctest)]

#[doc = include_str!("../../../docs/migration/from-metrics.md")]
struct FromMetrics;

#[doc = include_str!("../../../docs/migration/from-prometheus.md")]
struct FromPrometheus;

#[doc = include_str!("../../../docs/migration/from-prometheus-client.md")]
struct FromPrometheusClient;

#[doc = include_str!("../../../docs/migration/from-opentelemetry.md")]
struct FromOpentelemetry;
