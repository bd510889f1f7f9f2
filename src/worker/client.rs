//! The client as a worker.
#![forbid(unsafe_code)]

use super::{Worker, WorkerError};
use crate::client::{CancelToken, Client};
use std::time::{Duration, Instant};

/// What a token without a deadline leaves for a stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// What is left of the time for the worker's own end.
const MARGIN: Duration = Duration::from_millis(20);

/// Waits until it is cancelled, and stops: register a client first, and it is stopped last, when the
/// other workers have recorded their last.
impl Worker for Client {
    fn name(&self) -> &str {
        "quipu client"
    }

    /// Stops the client within the token's deadline, or 5 seconds.
    ///
    /// # Errors
    ///
    /// The report, if something was not delivered.
    fn run(&mut self, cancel: &CancelToken) -> Result<(), WorkerError> {
        cancel.wait();
        let timeout = cancel.deadline().map_or(STOP_TIMEOUT, |deadline| {
            deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN)
        });
        let report = self.stop(timeout);
        if report.is_delivered() { Ok(()) } else { Err(report.to_string().into()) }
    }
}
