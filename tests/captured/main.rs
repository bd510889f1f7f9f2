//! Errors and panics of the program on their way to an exporter: each is delivered, or counted as
//! dropped or left out; whoever captures one does not wait; and neither errors nor snapshots hold
//! the others up.
#![cfg(not(loom))]
#![allow(unsafe_code)]

mod deliveries;
mod panics;
mod texts;
mod traces;

#[path = "../exporter/mod.rs"]
mod exporter;
#[path = "../process/mod.rs"]
mod process;

use exporter::{A_CHANCE, Log, NEVER, PATIENCE, client_of, gate, registry, returns, wait_until};
use process::in_own_process;
use quipu::testing::{ManualClock, TestExporter};
use quipu::{
    CapturedError, Client, Delivery, ErrorDelivery, ExportError, Exporter, FailureCause, Registry,
};
use std::error::Error;
use std::fmt::{self, Display};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// Errors that wait for an exporter at most, and that it is given at once at most.
const QUEUE: u64 = 256;
const BATCH: usize = 64;

const KIB: usize = 1_024;

/// An error that shows what its function writes, on top of another.
struct Shown<F>(F, Option<Box<dyn Error>>);

fn shown<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result>(show: F) -> Shown<F> {
    Shown(show, None)
}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Display for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

impl<F> fmt::Debug for Shown<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> Error for Shown<F> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref()
    }
}

fn capture(client: &Client, text: impl Display) {
    client.capture_error(&shown(|f| write!(f, "{text}")), &[]);
}

fn messages(errors: &[Arc<CapturedError>]) -> Vec<String> {
    errors.iter().map(|error| error.message().to_owned()).collect()
}

/// The numbers below `end` as texts.
fn numbers(end: u64) -> Vec<String> {
    (0..end).map(|number| number.to_string()).collect()
}

/// An exporter made of a function for errors and one for snapshots.
struct Taking<E, S>(E, S);

impl<E, S> Exporter for Taking<E, S>
where
    E: FnMut(&[Arc<CapturedError>]) -> Result<(), ExportError> + Send,
    S: FnMut(&Delivery<'_>) + Send,
{
    fn name(&self) -> &str {
        "taking"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.1(delivery);
        Ok(())
    }

    fn takes_errors(&self) -> bool {
        true
    }

    fn export_errors(&mut self, delivery: &ErrorDelivery<'_>) -> Result<(), ExportError> {
        self.0(delivery.errors())
    }
}

fn taking<E>(take: E) -> impl Exporter
where
    E: FnMut(&[Arc<CapturedError>]) -> Result<(), ExportError> + Send,
{
    Taking(take, |_: &Delivery<'_>| {})
}

/// What became of captured errors, by the client's own metrics.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    captured: u64,
    sampled_out: u64,
    queue_full: u64,
    no_exporter: u64,
    rejected: u64,
    stopped: u64,
}

fn counted(registry: &Registry) -> Counted {
    let snapshot = registry.snapshot();
    let of = |name, labels: &[_]| snapshot.counter(name, labels).unwrap();
    let dropped = |cause| of("quipu.errors.dropped", &[("cause", cause)]);
    Counted {
        captured: of("quipu.errors.captured", &[]),
        sampled_out: of("quipu.errors.sampled_out", &[]),
        queue_full: dropped("queue_full"),
        no_exporter: dropped("no_exporter"),
        rejected: dropped("rejected"),
        stopped: dropped("stopped"),
    }
}
