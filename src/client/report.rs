//! What a client has done, and what it could not.
#![forbid(unsafe_code)]

use super::standing::Deliveries;
use std::fmt;
use std::time::{Duration, Instant};

/// What a [`Client`](crate::Client) has done; from its `flush`, `stop` and `report`.
///
/// Shown with `{}` it is a line for each exporter.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Snapshots taken and published.
    pub flushes: u64,
    /// How it stands with each exporter, in the order of their registration.
    pub exporters: Vec<ExporterReport>,
}

/// How it stands with one exporter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExporterReport {
    /// Its name.
    pub name: String,
    /// Deliveries attempted, those of captured errors included.
    pub attempts: u64,
    /// Snapshots that it acknowledged.
    pub acknowledged: u64,
    /// Attempts that failed, panicked, or went on after their deadline.
    pub failures: u64,
    /// What the last failure said.
    pub last_failure: Option<String>,
    /// Why it may not have what was recorded up to the newest snapshot; `None` if it has.
    pub undelivered: Option<String>,
    /// Captured errors that it was not given in the end.
    pub errors_undelivered: u64,
    /// Whether its thread has not ended: always so before a stop, and after it if the exporter did
    /// not return in time. Such a thread is left to itself, and ends when the exporter returns.
    pub is_running: bool,
}

impl Report {
    /// Whether every exporter has acknowledged the newest snapshot.
    pub fn is_delivered(&self) -> bool {
        self.undelivered().next().is_none()
    }

    /// The exporters that have not acknowledged the newest snapshot, or were not given all captured
    /// errors.
    pub fn undelivered(&self) -> impl Iterator<Item = &ExporterReport> {
        let is_incomplete =
            |it: &&ExporterReport| it.undelivered.is_some() || it.errors_undelivered != 0;
        self.exporters.iter().filter(is_incomplete)
    }
}

impl ExporterReport {
    /// `newest` is the sequence number of the snapshot that it should have; `now` is by the client's
    /// clock.
    pub(super) fn new(name: &str, deliveries: Deliveries, newest: u64, now: Instant) -> Self {
        let has_newest = deliveries.acknowledged.is_some_and(|(sequence, _)| sequence >= newest);
        let undelivered = (newest != 0 && !has_newest).then(|| match &deliveries {
            Deliveries { attempt: Some(attempt), .. } => {
                let since = now.saturating_duration_since(attempt.since);
                format!("it has not returned for {}", rounded(since))
            }
            Deliveries { failures_in_a_row: 1.., last_failure: Some(failure), .. } => {
                failure.clone()
            }
            _ => "there was no time for an attempt".to_owned(),
        });
        Self {
            name: name.to_owned(),
            attempts: deliveries.attempts,
            acknowledged: deliveries.acknowledgements,
            failures: deliveries.failures,
            last_failure: deliveries.last_failure,
            undelivered,
            errors_undelivered: deliveries.errors_undelivered,
            is_running: !deliveries.has_ended,
        }
    }
}

/// To a tenth of a second.
pub(super) fn rounded(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flushes, exporters } = self;
        write!(f, "{flushes} {}", if *flushes == 1 { "flush" } else { "flushes" })?;
        exporters.iter().try_for_each(|exporter| write!(f, "\n{exporter}"))
    }
}

impl fmt::Display for ExporterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, attempts, failures, .. } = self;
        let s = if *attempts == 1 { "" } else { "s" };
        match &self.undelivered {
            None => write!(f, "{name}: delivered")?,
            Some(reason) => write!(f, "{name}: not delivered: {reason}")?,
        }
        write!(f, " ({attempts} attempt{s}, {failures} failed)")?;
        if self.errors_undelivered != 0 {
            write!(f, "; {} captured errors not delivered", self.errors_undelivered)?;
        }
        Ok(())
    }
}
