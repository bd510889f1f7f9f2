//! The service as the files beside its manifest configure it, one for each provider that pushes: what
//! a server of that kind has in the end is what the service counted.
//!
//! Servers that can be had are the real ones, where a variable names their program; the others are
//! played here.
#![cfg(unix)]

mod datadog;
mod dogstatsd;
mod otlp;
mod sentry;
mod server;
mod statsd;

#[path = "../../../../tests/directory/mod.rs"]
mod directory;
#[path = "../../../../tests/etsy/mod.rs"]
mod etsy;
#[path = "../../../../tests/victoria/mod.rs"]
mod victoria;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long to wait for what must be there soon.
const PATIENCE: Duration = Duration::from_secs(30);

/// The histogram whose values are the service's requests.
const DURATION: &str = "http.server.request.duration";

/// What the service said in the end.
struct Said {
    /// Requests that it counted.
    requests: u64,
}

/// Runs the service for a while with a configuration, whose DSN is replaced by that of the test's server.
fn run_with(config: &str, dsn: &str, environment: &[(&str, &str)]) -> Said {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(config);
    let output = Command::new(env!("CARGO_BIN_EXE_service"))
        .args(["--seconds", "3", "--config"])
        .arg(path)
        .envs([("OBSERVABILITY_DSN", dsn), ("OBSERVABILITY_FLUSH_INTERVAL", "500ms")])
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{log}");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    let counted = text.split("the service counted ").nth(1).expect(&text);
    let counted = counted.split(' ').next().unwrap().replace(',', "");
    Said { requests: counted.parse().unwrap() }
}

/// Waits until a server, which may not show at once what it has taken, has as many requests.
fn wait_for(requests: u64, found: impl Fn() -> u64) {
    let end = Instant::now() + PATIENCE;
    while found() != requests {
        assert!(Instant::now() < end, "{} of {requests} requests", found());
        std::thread::sleep(Duration::from_millis(50));
    }
}
