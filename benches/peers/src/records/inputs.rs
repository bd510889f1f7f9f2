//! The loop around every operation, and what it records: the same for all.
#![forbid(unsafe_code)]

use super::MANY;
use std::hint::black_box;
use std::sync::LazyLock;

/// Few enough that they stay in the nearest cache.
const LATENCIES: usize = 1_024;

static INDICES: LazyLock<[u16; MANY]> = LazyLock::new(|| {
    let mut random = fastrand::Rng::with_seed(1);
    std::array::from_fn(|_| random.usize(0..MANY) as u16)
});

/// Log-normal: 1 ms at the median, 10 ms at the 99th percentile.
static LATENCIES_NS: LazyLock<[u64; LATENCIES]> = LazyLock::new(|| {
    let mut random = fastrand::Rng::with_seed(2);
    std::array::from_fn(|_| {
        // Box and Muller's transformation of two uniform numbers into a normal one.
        let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * random.f64()).cos();
        (1_000_000.0 * normal.exp()) as u64
    })
});

/// Does `operation` so often. What it wrote has to be in memory after each, so that no two are merged.
#[inline(always)]
pub fn repeat(times: u64, mut operation: impl FnMut()) {
    for _ in 0..times {
        operation();
        black_box(());
    }
}

/// The same, with random numbers below [`MANY`], which are read from memory: a generator has a latency
/// that hides what is measured.
#[inline(always)]
pub fn with_indices(times: u64, operation: impl FnMut(usize)) {
    let mut operation = operation;
    with(times, &INDICES, |&index| operation(index.into()));
}

/// The same, with latencies in nanoseconds.
#[inline(always)]
pub fn with_latencies(times: u64, operation: impl FnMut(u64)) {
    let mut operation = operation;
    with(times, &LATENCIES_NS, |&latency_ns| operation(latency_ns));
}

#[inline(always)]
fn with<T, const N: usize>(times: u64, inputs: &[T; N], mut operation: impl FnMut(&T)) {
    let mut next = 0_usize;
    repeat(times, || {
        operation(&inputs[next % N]);
        next += 1;
    });
}
