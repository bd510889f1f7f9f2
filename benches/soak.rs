//! The long run: everything at once, for as long as it is told to, and in the end the same memory,
//! the same latencies, and every record counted once.
//!
//! ```text
//! cargo bench --all-features --bench soak                                   # 20 seconds
//! cargo bench --all-features --bench soak -- --minutes 60 --json soak.json
//! cargo bench --all-features --bench soak -- --seconds 60 --leak 100        # has to fail
//! ```
//!
//! In one process record long-lived threads and threads that live for milliseconds; label sets and
//! whole registries come and go; snapshots are taken and scrapes answered; deltas go to an exporter
//! that adds them up, and over HTTP to a collector that refuses, hangs, resets and fails. What is
//! judged, and by which bounds, is in `docs/soak.md`.
//!
//! - `--minutes 60`, `--seconds 20`: for how long. Ctrl-C and SIGTERM end it before, with its
//!   verdicts.
//! - `--json FILE` writes all windows and verdicts.
//! - `--leak 100` leaks so many bytes for each label set that was removed, which has to be noticed.
//! - `--allow-undecided` passes what the machine's noise left undecided.
//!
//! Exits with 0 when all verdicts hold, 1 when one is missed, 2 when one stayed undecided, 3 for
//! arguments it cannot read. It reads `/proc`: Linux only.

#[cfg(all(target_os = "linux", not(loom)))]
#[path = "soak/mod.rs"]
mod soak;

#[cfg(all(target_os = "linux", not(loom)))]
#[allow(unsafe_code)]
#[path = "../tests/counting/mod.rs"]
mod counting;

#[cfg(all(target_os = "linux", not(loom)))]
#[path = "../tests/exposition/fields.rs"]
mod fields;

#[cfg(all(target_os = "linux", not(loom)))]
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/floor.rs"]
mod floor;

#[cfg(all(target_os = "linux", not(loom)))]
#[path = "parts/latency.rs"]
#[allow(dead_code, reason = "each bench uses a part of it")]
mod latency;

#[cfg(all(target_os = "linux", not(loom)))]
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;

#[cfg(all(target_os = "linux", not(loom)))]
#[allow(dead_code, reason = "only requests and their sums are read")]
#[path = "../tests/otlp/reading.rs"]
mod reading;

#[cfg(all(target_os = "linux", not(loom)))]
#[allow(dead_code, reason = "only requests are read")]
#[path = "../tests/fault_server/request.rs"]
mod request;

#[cfg(all(target_os = "linux", not(loom)))]
fn main() -> std::process::ExitCode {
    soak::main()
}

#[cfg(not(all(target_os = "linux", not(loom))))]
fn main() {}
