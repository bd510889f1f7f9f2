//! Background workers: what runs in a thread of its own until it is told to end.
//!
//! A worker's thread writes how it ended; the manager reads that. The manager waits for nothing
//! without an end to its patience.
#![forbid(unsafe_code)]

mod census;
mod client;
mod manager;
mod report;
mod thread;

#[cfg(feature = "system")]
pub(crate) use census::thread_count;
pub use census::{ThreadCensus, ThreadName};
pub use manager::{WorkerManager, WorkerStartError};
pub use report::{WorkerReport, WorkerState, WorkerStatus};

use crate::client::CancelToken;

/// Why a worker failed.
pub type WorkerError = Box<dyn std::error::Error + Send + Sync>;

/// Something that works in the background until it is told to end; for a
/// [`WorkerManager`](crate::WorkerManager).
///
/// ```
/// use quipu::{CancelToken, Worker, WorkerError};
/// use std::time::{Duration, Instant};
///
/// struct Heartbeat(std::net::UdpSocket);
///
/// impl Worker for Heartbeat {
///     fn name(&self) -> &str {
///         "heartbeat"
///     }
///
///     fn run(&mut self, cancel: &CancelToken) -> Result<(), WorkerError> {
///         while !cancel.wait_timeout(Duration::from_secs(1)) {
///             self.0.send(b"alive")?;
///         }
///         // There may be a limit on what is still to be done.
///         if cancel.deadline().is_none_or(|deadline| Instant::now() < deadline) {
///             self.0.send(b"the end")?;
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Worker: Send {
    /// What reports call it; also its thread's name, of which some systems keep 15 bytes.
    fn name(&self) -> &str;

    /// Works until `cancel` is cancelled, and returns soon after: by the token's
    /// [`deadline`](CancelToken::deadline), if it has one.
    ///
    /// Called once, in a thread of its own, which then drops the worker.
    ///
    /// # Errors
    ///
    /// Whatever ended the work; it is reported, as a panic is.
    fn run(&mut self, cancel: &CancelToken) -> Result<(), WorkerError>;
}
