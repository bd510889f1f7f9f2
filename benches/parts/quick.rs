//! Criterion, set up so that all benches together end within minutes.

use criterion::Criterion;
use std::time::Duration;

/// Short runs: the differences that matter here are larger than the noise that this leaves.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(20)
        .without_plots()
        .configure_from_args()
}
